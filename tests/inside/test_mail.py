"""What our pages and emails say about how mail is sent."""

import pytest
from selectolax.lexbor import LexborHTMLParser

from tests.kit.accounts import recover
from tests.kit.mailbox import read_mails
from tests.kit.marks import attack
from tests.kit.marks import since
from tests.kit.outbox import next_try
from tests.kit.outbox import waiting
from tests.kit.reset_links import ask_for_link
from tests.kit.smtp_server import MailServer
from tests.kit.smtp_server import at
from tests.kit.stage import fill_in_registration


@pytest.fixture
def server():
    """Return a mail server that takes what it gets."""
    with MailServer() as server:
        yield server


@pytest.fixture
def posting(site, server):
    """Return a site, with the database of `site`, that sends through the server."""
    return at(site, server)


@since("05")
def test_the_page_says_where_the_app_prints_its_mails(visitor):
    page = fill_in_registration(visitor)
    assert "look for the email in the terminal where it runs" in page.text

    page = visitor.open("/reset").fill_in(email="kim@example.org")
    assert "look for the email in the terminal where it runs" in page.text


@since("05")
def test_the_page_does_not_speak_of_a_terminal_when_there_is_a_mail_server(posting):
    for ask in (fill_in_registration, ask_for_link):
        page = ask(posting.visitor())
        assert "terminal" not in page.text
        assert "Check your spam folder" in page.text


@since("05")
def test_a_printed_mail_stands_out_in_the_log(site):
    fill_in_registration(site.visitor(), email="kim@example.org")

    printed = site.app.test_cli_runner().invoke(args=["send-mail"]).output

    border = "=" * 72
    assert f"\n{border}\nTo: kim@example.org\n" in printed
    assert printed.endswith(f"\n{border}\n\n")
    assert printed.isascii()  # any console can show it
    [mail] = read_mails(printed + printed.replace("kim@", "lee@"))[:1]
    assert not mail.text.endswith("=")


@since("05")
def test_a_screen_reader_learns_in_which_language_an_email_is(posting, server):
    fill_in_registration(posting.visitor())
    posting.mails()
    [message] = server.messages

    html = LexborHTMLParser(message.get_body(["html"]).get_content())
    assert html.css_first("html[lang=en]")


@since("05a")
@attack(108, 109)
def test_a_notice_that_had_to_wait_says_how_often_it_happened(
    site, kim, posting, server
):
    site.mails()  # no notice of kim's own enrolment waits any more
    server.answers["kim@example.org"] = "450 later"
    recover(posting, kim, kim.recovery_code())
    posting.mails()
    recover(site, kim, kim.recovery_code())  # a thief's, not hidden by the first
    del server.answers["kim@example.org"]
    next_try(posting)
    posting.mails()

    [mail] = server.mails
    assert "and 1 more time since then." in mail.text
    assert waiting(site) == 0
