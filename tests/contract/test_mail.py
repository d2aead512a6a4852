"""Mail: what is in it, when it is sent, and what a bad mail server can do."""

import re
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC
from datetime import datetime
from itertools import pairwise
from urllib.parse import urlsplit

import pytest
import time_machine
from selectolax.lexbor import LexborHTMLParser

from tests.kit.accounts import ADDRESS
from tests.kit.accounts import change
from tests.kit.accounts import logged_in
from tests.kit.accounts import recover
from tests.kit.clock import RealClock
from tests.kit.email_codes import begin
from tests.kit.guesses import MAX_WRONG_CODES_IN_A_ROW
from tests.kit.guesses import guess_wrong_codes
from tests.kit.journey import bytes_of
from tests.kit.mailbox import read_mails
from tests.kit.marks import attack
from tests.kit.marks import gap
from tests.kit.marks import never_red
from tests.kit.marks import once
from tests.kit.marks import since
from tests.kit.marks import until
from tests.kit.outbox import leave_old_count
from tests.kit.outbox import next_try
from tests.kit.outbox import old_counts
from tests.kit.outbox import waiting
from tests.kit.reset_links import ask_for_link
from tests.kit.reset_links import choose
from tests.kit.reset_links import form_behind
from tests.kit.reset_links import open_link
from tests.kit.servers import FlaskRun
from tests.kit.servers import Process
from tests.kit.servers import Shot
from tests.kit.servers import changed_copy
from tests.kit.servers import fire
from tests.kit.servers import need_gunicorn
from tests.kit.servers import new_network
from tests.kit.smtp_server import MailServer
from tests.kit.smtp_server import SilentServer
from tests.kit.smtp_server import at
from tests.kit.smtp_server import certificate
from tests.kit.stage import add_second_factor
from tests.kit.stage import file_of
from tests.kit.stage import fill_in_registration
from tests.kit.stage import register

pytestmark = since("05")

MINUTE, HOUR, DAY = 60, 60 * 60, 24 * 60 * 60
LINK_LIFETIME = 20 * MINUTE
CODE_LIFETIME = 10 * MINUTE
LEE = "lee@example.org"
INJECTIONS = [
    "kim@example.org\r\nBcc: a@example.com",
    "kim@example.org\nBcc: a@example.com",
    "kim@example.org\rBcc: a@example.com",
    "\r\nBcc: a@example.com, kim@example.org",
    "kim@example.org\N{LINE SEPARATOR}Bcc: a@example.com",
    "kim@example.org\x0bBcc: a@example.com",
    "kim@example.org\0a@example.com",
    "kim@example.org, a@example.com",
    "kim@example.org,a@example.com",
    "kim@example.org;a@example.com",
    "kim@example.org a@example.com",
    "Kim <kim@example.org>",
    "a@example.com <kim@example.org>",
    "<kim@example.org>",
    '"a@example.com,"@example.org',
    "@example.com:kim@example.org",
    "kim@example.org>\r\nRCPT TO:<a@example.com",
    "<b>kim</b>@example.org",
    "kim(a@example.com)@example.org",
    "=?utf-8?q?a=40example.com=3e=00?=@example.org",  # some servers decode this
]
ODD_BUT_GOOD = [
    "a&b'c{d}|e~f@example.org",
    "kim%0d%0abcc@example.org",
    "-kim+tag/=`$@example.org",
    "kim@xn--bcher-kva.example",
    f"{'k' * 64}@{'e' * 60}.org",
]


@pytest.fixture
def server():
    """Return a mail server that takes what it gets."""
    with MailServer() as server:
        yield server


@pytest.fixture
def posting(site, server):
    """Return a site, with the database of `site`, that sends through the server."""
    return at(site, server)


def owner(site, name="kim"):
    """Return the account of somebody whose address we know, with a phone."""
    account = register(site.visitor(), username=name, email=f"{name}@example.org")
    account = add_second_factor(site, account)
    assert site.mails() == []  # and no notice of this waits any more
    return account


def follow(site, mail):
    """Open the link of a mail; return the form behind it."""
    return form_behind(site, urlsplit(mail.link).path)


def reset_password(site, account):
    """Choose a new password, with a link and a code."""
    page = choose(open_link(site), account.authenticator.code())
    assert page.path == "/login", page.text


def change_password(site, account):
    """Change the password on the account page."""
    change(logged_in(site, account), account, "/account/password")


def change_authenticator(site, account):
    """Move to a new authenticator app."""
    change(logged_in(site, account), account, "/account/phone")


def renew_recovery_codes(site, account):
    """Create new recovery codes."""
    change(logged_in(site, account), account, "/account/recovery-codes")


def use_recovery_code(site, account):
    """Log in with a recovery code."""
    assert recover(site, account, account.recovery_code()).path == "/"


def type_wrong_codes(site, account):
    """Type twenty wrong codes in a row, as slowly as one may."""
    guess_wrong_codes(site, account, site.clock, MAX_WRONG_CODES_IN_A_ROW)


NOTICES = {
    "password": (change_password, "password was changed"),
    "password by mail": (reset_password, "password was changed"),
    "phone": (change_authenticator, "new authenticator app"),
    "recovery codes": (renew_recovery_codes, "New recovery codes"),
    "recovery code": (
        use_recovery_code,
        "recovery code for your Door account was used",
    ),
    "wrong codes": (type_wrong_codes, "password is locked"),
    "address": (lambda site, account: begin(site), "already have a Door account"),
}


def register_by_mail(site, server, **config):
    """Register, and send the code through a server; return the site that sent it."""
    posting = at(site, server, **config)
    begin(posting)
    posting.mails()
    return posting


def html_of(message):
    """Return the HTML part of a message, parsed."""
    return LexborHTMLParser(message.get_body(["html"]).get_content())


def send_for(site, seconds):
    """Let a sender run, as often as it matters, until so many seconds are over."""
    end = site.clock.now() + seconds
    site.mails()
    while waiting(site):
        next_try(site)
        if site.clock.now() >= end:
            break
        site.mails()
    site.clock.move_to(end)


@contextmanager
def on_its_way(posting, server):
    """Send a mail that the server answers only after the block."""
    server.hold()
    with ThreadPoolExecutor(1) as thread:
        sending = thread.submit(posting.mails)
        sending.add_done_callback(lambda _: server.is_waiting.set())
        assert server.is_waiting.wait(30)
        try:
            if not sending.done():
                yield
        finally:
            server.may_go_on.set()
        sending.result()


def place_of(server):
    """Return the settings by which another process finds a mail server."""
    return {"MAIL_SERVER": "127.0.0.1", "MAIL_PORT": str(server.port)}


def about_mail(log):
    """Return what the log says about mails."""
    return [line for line in log.messages if "mail" in line.lower()]


# What is in a mail


@attack(90)
def test_code_and_link_stand_on_a_line_of_their_own(site):
    begin(site)
    [mail] = site.mails()
    assert mail.to == ADDRESS
    assert mail.text.splitlines().count(mail.code) == 1

    owner(site, "lee")
    ask_for_link(site.visitor(), LEE)
    [mail] = site.mails()
    assert mail.to == LEE
    assert mail.text.splitlines().count(mail.link) == 1
    assert mail.link.startswith("http://127.0.0.1:5000/reset/")


@attack(147, 161)
def test_code_and_link_say_until_when_they_work_the_second_time_as_well(site, clock):
    owner(site, "lee")
    mails = []
    for wait in (3 * MINUTE, 0):
        begin(site)
        ask_for_link(site.visitor(), LEE)
        clock.move(wait)
        mails += site.mails()  # only now there are a code and a link
        clock.move(5 * MINUTE)
    made = clock.now() - 10 * MINUTE

    assert len(mails) == 4
    for mail in mails:
        is_code = mail.to == ADDRESS
        end = made + (CODE_LIFETIME if is_code else LINK_LIFETIME)
        assert f"works until {datetime.fromtimestamp(end, UTC):%H:%M} UTC" in mail.text


@attack(59, 82, 108)
@pytest.mark.parametrize("what", NOTICES)
def test_a_change_of_the_account_is_told_by_mail_once_and_with_no_link(site, what):
    account = owner(site)
    change_it, words = NOTICES[what]
    change_it(site, account)
    when = datetime.fromtimestamp(site.clock.now(), UTC)
    [mail] = site.mails()

    assert mail.to == ADDRESS
    assert words in mail.subject
    assert f"{when:%d %B %Y} at {when:%H:%M} UTC" in mail.text
    assert not re.search(r"https?:|www\.|/reset|/login|[0-9]{6}", mail.text)
    assert site.mails() == []


@since("05a")
@attack(108)
def test_a_notice_goes_to_its_owner_alone_and_says_when_it_happened_however_late(site):
    owner(site, "lee")
    account = owner(site)
    happened = datetime.fromtimestamp(site.clock.now(), UTC)
    use_recovery_code(site, account)
    site.clock.move(DAY)
    [mail] = site.mails()

    assert mail.to == ADDRESS
    assert f"{happened:%d %B %Y at %H:%M} UTC" in mail.text


@since("05a")
@attack(108)
def test_each_use_of_a_recovery_code_is_told(site):
    account = owner(site)
    for _ in range(4):
        use_recovery_code(site, account)
        assert len(site.mails()) == 1


@attack(91)
def test_the_two_parts_of_a_mail_say_the_same_words(site, posting, server):
    account = owner(site)
    use_recovery_code(posting, account)
    ask_for_link(posting.visitor())
    begin(posting, email=LEE)
    posting.mails()

    assert len(server.messages) == 3
    for message in server.messages:
        text = message.get_body(["plain"]).get_content()
        assert html_of(message).body.text(separator=" ").split() == text.split()
        links = [link.attributes["href"] for link in html_of(message).css("a")]
        assert links == re.findall(r"https?://\S+", text)
        assert message.get_body().get_content_subtype() == "html"


@attack(91, 90)
@pytest.mark.parametrize("name", ["kim", "example.com", "www.example.com", "a.b-c.org"])
def test_the_reset_mail_has_one_link_and_that_is_ours(site, posting, server, name):
    register(site.visitor(), username=name, email=ADDRESS)
    ask_for_link(posting.visitor())
    posting.mails()

    [message], [mail] = server.messages, server.mails
    links = html_of(message).css("a")
    assert [link.attributes["href"] for link in links] == [mail.link]


@attack(91)
@pytest.mark.parametrize("address", INJECTIONS)
def test_an_address_cannot_add_a_header_or_a_recipient(site, posting, server, address):
    assert ask_for_link(posting.visitor(), address).status == 422
    page = fill_in_registration(posting.visitor(), email=address)
    assert page.status == 422
    posting.mails()

    assert server.tries == []
    assert waiting(site) == 0


@attack(91)
@pytest.mark.parametrize("address", ODD_BUT_GOOD)
def test_an_odd_address_gets_its_own_email_and_no_other_does(posting, server, address):
    begin(posting, email=address)
    posting.mails()

    assert [to for to, when in server.tries] == [address]
    [message] = server.messages
    assert server.mails[0].code
    assert message.get_all("To") == [address]
    assert not message.get_all("Bcc")
    assert not message.get_all("Cc")


@attack(91)
@pytest.mark.parametrize(
    ("sender", "domain"),
    [
        ("door@example.net", "example.net"),
        ("Die Tür <door@tür.example>", "xn--tr-xka.example"),
    ],
)
def test_a_mail_has_a_sender_a_date_and_an_id_if_the_computer_s_name_is_not_ascii(
    site, server, monkeypatch, sender, domain
):
    monkeypatch.setattr("socket.getfqdn", lambda name="": "büro.local")
    register_by_mail(site, server, MAIL_DEFAULT_SENDER=sender)

    [message] = server.messages
    assert "door@" in message["From"]
    assert message["Date"]
    assert message["Message-ID"].endswith(f"@{domain}>")
    assert message["Auto-Submitted"] == "auto-generated"


# The outbox


@attack(106, 90, 109)
def test_a_mail_that_waits_holds_no_code_and_no_link(site, posting, server, log):
    owner(site)
    begin(posting, email=LEE)
    ask_for_link(posting.visitor())
    server.answer_to_data = "451 lee@example.org kim@example.org later"
    posting.mails()
    assert site.sql("SELECT delivery_attempts FROM outbox_emails") == [(1,), (1,)]

    server.answer_to_data = None
    next_try(posting)
    posting.mails()
    code = next(mail.code for mail in server.mails if "code" in mail.subject)
    link = next(mail.link for mail in server.mails if "Reset" in mail.subject)
    rows = str(site.sql("SELECT * FROM outbox_emails"))
    stolen = bytes_of(site)
    for secret in (code, link, *link.rpartition("/")[2].split(".")):
        assert secret not in rows
        assert secret.encode() not in stolen
        assert secret not in log.text
    assert "example.org" not in "".join(about_mail(log))


@attack(109, 133)
def test_nothing_waits_after_it_was_sent_or_was_not_to_be_sent(site):
    begin(site)
    ask_for_link(site.visitor(), "nobody@example.org")

    assert len(site.mails()) == 1
    assert waiting(site) == 0
    assert site.mails() == []


@attack(109)
def test_a_mailed_code_is_stored_before_its_mail_is_sent(site, posting, server):
    begin(posting)
    with on_its_way(posting, server):
        kept = site.sql("SELECT * FROM email_codes")

    assert len(kept) == 1
    assert kept == site.sql("SELECT * FROM email_codes")


# How many mails


@attack(91, 147)
def test_a_link_that_lives_is_sent_three_times_and_the_fourth_is_not_silently(
    site, clock
):
    owner(site)
    answers, links = [], []
    for number, mails in enumerate([1, 1, 1, 0, 0]):
        visitor = site.visitor(network=f"192.0.2.{number + 1}")
        page = ask_for_link(visitor, [ADDRESS, "KIM@example.org"][number % 2])
        answers.append((page.status, page.path, page.text))
        sent = [mail.link for mail in site.mails()]
        assert len(sent) == mails
        links += sent
    assert len(set(answers)) == len(set(links)) == 1

    clock.move(LINK_LIFETIME - 1)
    ask_for_link(site.visitor())
    assert site.mails() == []
    clock.move(1)
    ask_for_link(site.visitor())
    [mail] = site.mails()
    assert mail.link not in links
    follow(site, mail)


@attack(91, 108)
def test_reset_emails_that_are_used_up_keep_back_no_notice_and_none_of_others(site):
    account = owner(site)
    owner(site, "lee")
    for _ in range(4):
        ask_for_link(site.visitor())
        site.mails()

    use_recovery_code(site, account)
    begin(site)
    assert [mail.to for mail in site.mails()] == [ADDRESS] * 2
    ask_for_link(site.visitor(), LEE)
    assert [mail.to for mail in site.mails()] == [LEE]


@attack(91)
def test_many_requests_before_the_sender_comes_make_one_mail_whose_link_works(site):
    owner(site)
    for _ in range(5):
        ask_for_link(site.visitor())

    [mail] = site.mails()
    follow(site, mail)


# A bad mail server


@attack(109)
def test_a_mail_server_that_is_away_changes_no_answer(site, posting, server):
    owner(site)
    good = ask_for_link(posting.visitor())
    server.go_away()
    bad = ask_for_link(posting.visitor())
    begin(posting)
    posting.mails()

    assert (bad.status, bad.path, bad.text) == (good.status, good.path, good.text)


@attack(126, 109)
def test_a_mail_server_that_was_away_gets_each_mail_once_and_fresh(
    site, posting, server
):
    each_mail_comes_once_and_fresh(site, posting, server, 20 * MINUTE)


@since("06c")
@attack(126, 109)
@pytest.mark.parametrize("away", [6 * HOUR, 23 * HOUR])
def test_a_mail_server_that_was_away_for_a_day_gets_each_mail_once_and_fresh(
    site, posting, server, away
):
    each_mail_comes_once_and_fresh(site, posting, server, away)


def each_mail_comes_once_and_fresh(site, posting, server, away):
    """Enqueue three emails while the mail server is away; link and code work."""
    account, page = owner(site), begin(posting, email=LEE)
    ask_for_link(posting.visitor())
    use_recovery_code(posting, account)
    server.go_away()
    send_for(posting, away)
    server.come_back()
    while waiting(site):
        next_try(posting)
        posting.mails()
    assert len(server.mails) == 3
    notice, link, code = sorted(server.mails, key=lambda mail: mail.subject)
    assert notice.subject == "A recovery code for your Door account was used"
    site.clock.move(MINUTE)

    assert page.fill_in(email_code=code.code).path == "/enrol"
    page = choose(follow(posting, link), account.recovery_code())
    assert page.path == "/login", page.text


@gap
@attack(126)
@until("05")
def test_an_email_is_lost_if_the_mail_server_is_away_for_an_hour(site, posting, server):
    owner(site)
    ask_for_link(posting.visitor())
    server.go_away()
    send_for(posting, HOUR)
    server.come_back()
    posting.mails()

    assert server.mails == []
    assert waiting(site) == 0


@attack(126, 91)
@pytest.mark.parametrize(
    "wait", [7 * MINUTE, 21 * MINUTE], ids=["the link lives", "it is a new one"]
)
def test_an_email_that_had_to_wait_counts_as_one_of_the_three(
    site, posting, server, wait
):
    owner(site)
    server.answers[ADDRESS] = "450 later"
    ask_for_link(posting.visitor())
    send_for(posting, wait)
    assert len(server.tries) > 2
    del server.answers[ADDRESS]
    next_try(posting)
    posting.mails()
    assert len(server.mails) == 1

    for _ in range(3):
        ask_for_link(posting.visitor())
        posting.mails()
    assert len({mail.link for mail in server.mails}) == 1
    assert len(server.mails) == 3


@attack(109, 125)
def test_after_forty_tries_a_mail_is_given_up(site, posting, server, log):
    register(site.visitor(), email=ADDRESS)
    server.answers[ADDRESS] = "450 later"
    begin(posting)
    while waiting(site) and len(server.tries) < 39:
        next_try(posting)
        posting.mails()
    assert len(about_mail(log)) == 1  # the first failure
    next_try(posting)
    posting.mails()
    assert len(about_mail(log)) == 2  # and the last
    posting.clock.move(DAY)
    posting.mails()

    assert len(server.tries) == 40
    assert len(about_mail(log)) == 2
    assert waiting(site) == 0


def pauses_between_tries(posting, server):
    """Return the seconds from each of ten tries to send an email to the next."""
    server.answers[ADDRESS] = "450 later"
    begin(posting)
    posting.mails()
    for _ in range(9):
        next_try(posting)
        posting.mails()
    moments = [when for to, when in server.tries]
    return [later - when for when, later in pairwise(moments)]


@until("05")
@attack(109)
def test_a_mail_that_was_refused_for_now_is_tried_again_once_a_minute(posting, server):
    assert set(pauses_between_tries(posting, server)) == {MINUTE}


@since("06c")
@attack(109, 126)
def test_the_pauses_before_a_mail_is_tried_again_grow_to_an_hour(posting, server):
    pauses = pauses_between_tries(posting, server)

    assert [pause // MINUTE for pause in pauses] == [2, 4, 8, 16, 32, 60, 60, 60, 60]


@attack(125)
def test_a_mail_is_given_up_even_if_its_fortieth_try_was_cut_short(
    site, posting, server
):
    register(site.visitor(), email=ADDRESS)
    server.answers[ADDRESS] = "450 later"
    begin(posting)
    # nobody lived to see how the last one ended
    site.sql("UPDATE outbox_emails SET delivery_attempts = 40")
    posting.mails()

    assert len(server.tries) == 1
    assert waiting(site) == 0


@attack(109)
def test_a_mail_is_not_tried_again_before_its_pause_is_over(site, posting, server):
    server.answers[ADDRESS] = "450 later"
    begin(posting)
    posting.mails()
    next_try(posting)
    posting.clock.move(-1)
    posting.mails()
    assert len(server.tries) == 1

    posting.clock.move(1)
    posting.mails()
    assert len(server.tries) == 2


@attack(91, 109)
def test_asking_once_more_does_not_end_the_pause(site, posting, server):
    owner(site)
    server.answers[ADDRESS] = "450 later"
    for _ in range(3):
        ask_for_link(posting.visitor())
        posting.mails()

    assert len(server.tries) == 1


@attack(125)
def test_a_mail_that_the_database_refuses_is_sent_later_and_stops_no_other(site):
    owner(site)
    begin(site, email=LEE)
    site.clock.move(1)
    ask_for_link(site.visitor())
    refuse = "BEGIN SELECT RAISE(ABORT, 'disk full'); END"
    site.sql(f"CREATE TRIGGER refusing BEFORE INSERT ON email_codes {refuse}")
    [mail] = site.mails()
    assert mail.link

    site.sql("DROP TRIGGER refusing")
    next_try(site)
    [mail] = site.mails()
    assert mail.code


@attack(125)
@pytest.mark.parametrize(
    "answer", ["550 nobody of this name", "552 full", "521 no mail"]
)
def test_a_recipient_refused_for_good_is_given_up_at_once_and_the_others_are_sent(
    site, posting, server, log, answer
):
    server.answers[ADDRESS] = answer
    for name in ("ann", "kim", "lee"):
        begin(posting, email=f"{name}@example.org")
    posting.mails()
    posting.clock.move(DAY)
    posting.mails()

    assert sorted(mail.to for mail in server.mails) == ["ann@example.org", LEE]
    assert len(server.tries) == 3
    [line] = about_mail(log)
    assert "kim" not in line
    assert waiting(site) == 0


@attack(125)
def test_a_mail_refused_for_good_after_its_text_is_given_up_at_once(
    site, posting, server, log
):
    server.answer_to_data = "554 this is spam"
    begin(posting)
    posting.mails()
    posting.clock.move(DAY)
    posting.mails()

    assert len(server.tries) == 1
    assert len(about_mail(log)) == 1
    assert waiting(site) == 0


@attack(109, 125, 126)
@pytest.mark.parametrize(
    "answer",
    [
        *["421 later", "450 later", "451 later", "452 later"],
        "530 5.7.0 Authentication required",
        "550 5.7.1 Relaying denied",
        "554 5.7.1 <kim@example.org>: Relay access denied",
        "550 relay not permitted",
        "534 authentication mechanism is too weak",
        "535 authentication failed",
        "538 encryption is needed for this authentication",
    ],
)
def test_a_mail_refused_for_now_or_by_a_server_that_refuses_us_is_sent_later(
    posting, server, answer
):
    server.answers[ADDRESS] = answer
    begin(posting)
    posting.mails()
    assert server.mails == []

    server.answers.clear()
    next_try(posting)
    posting.mails()
    assert server.mails[0].code


@attack(125)
@pytest.mark.parametrize(
    "address",
    ["kim@example.org\r\nBcc: a@example.com", f"kim@{chr(0xEF) * 64}.example"],
)
def test_a_letter_that_cannot_be_written_stops_no_other(
    site, posting, server, log, address
):
    account = owner(site)
    site.sql("UPDATE users SET email = ?", address)
    use_recovery_code(posting, account)
    posting.clock.move(1)
    begin(posting, email=LEE)
    posting.mails()

    assert [mail.to for mail in server.mails] == [LEE]
    assert len([line for line in about_mail(log) if "new_browser" not in line]) == 1
    assert waiting(site) == 0


@attack(109)
def test_a_server_that_hangs_up_before_it_took_a_mail_gets_it_later_once(
    posting, server
):
    begin(posting)
    server.hangs_up = "before the answer"
    posting.mails()
    assert server.mails == []

    server.hangs_up = None
    send_for(posting, DAY)
    assert len(server.mails) == 1


@attack(109)
@pytest.mark.parametrize("moment", ["after the answer", "at the end"])
def test_a_server_that_hangs_up_after_it_took_a_mail_gets_it_once(
    site, posting, server, log, moment
):
    begin(posting)
    server.hangs_up = moment
    send_for(posting, DAY)

    assert len(server.mails) == 1
    assert waiting(site) == 0
    assert about_mail(log) == []


@attack(109)
def test_a_mail_that_is_on_its_way_is_not_sent_by_another_sender(site, posting, server):
    begin(posting)
    with on_its_way(posting, server):
        begin(site, email=LEE)
        printed = site.mails()  # by another sender

    assert [mail.to for mail in printed] == [LEE]
    assert [mail.to for mail in server.mails] == [ADDRESS]
    assert waiting(site) == 0


@attack(109, 127)
def test_pages_answer_and_write_while_a_mail_is_on_its_way(site, posting, server):
    account = owner(site)
    begin(posting, email=LEE)
    with on_its_way(posting, server):
        page = site.visitor().log_in(account)

    assert account.username in page.text


@attack(126)
def test_a_link_that_is_asked_for_while_one_is_on_its_way_is_not_lost(
    site, posting, server
):
    owner(site)
    ask_for_link(posting.visitor())
    with on_its_way(posting, server):
        ask_for_link(site.visitor())
    posting.mails()

    assert waiting(site) == 0
    follow(site, server.mails[-1])


@since("05a")
@attack(108)
def test_a_second_event_is_told_although_the_first_notice_is_on_its_way(
    site, posting, server
):
    account = owner(site)
    use_recovery_code(posting, account)
    with on_its_way(posting, server):
        use_recovery_code(site, account)
    send_for(posting, DAY)

    assert len({mail.subject for mail in server.mails}) == 1
    assert len(server.mails) == 2
    assert waiting(site) == 0


@attack(109, 126)
def test_a_wish_that_comes_before_a_slow_sender_is_done_with_the_last_is_kept(
    site, posting, server
):
    owner(site)
    ask_for_link(posting.visitor())
    with on_its_way(posting, server):
        site.clock.move(2 * MINUTE)
        assert len(site.mails()) == 1  # another sender was faster
        ask_for_link(site.visitor())

    assert len(site.mails()) == 1


# Other processes


@pytest.fixture
def real_site(request, step):
    """Return a site that lives in the time of other processes: on the wall."""
    if request.config.getoption("--url"):
        pytest.skip("not run with --url: the test starts the app itself")
    return step.start(RealClock())


@once
@attack(109)
@pytest.mark.parametrize("encoding", ["cp1252", "ascii", "utf-8"])
def test_a_terminal_of_any_kind_shows_a_mail(real_site, encoding):
    page = begin(real_site)
    sender = Process(real_site, "send-mail", PYTHONIOENCODING=encoding)
    [mail] = read_mails(sender.output().decode(encoding).replace("\r\n", "\n"))

    assert waiting(real_site) == 0
    assert page.fill_in(email_code=mail.code).path == "/enrol"


@attack(109)
def test_a_mail_whose_sender_is_killed_is_sent_later(site, server, clock):
    posting = at(site, server)
    clock.move_to(time_machine.escape_hatch.time.time())
    page = begin(posting)
    server.hold()
    sender = Process(site, "send-mail", **place_of(server))
    assert server.is_waiting.wait(30)
    sender.process.kill()
    sender.process.communicate()
    server.hangs_up = "before the answer"
    server.may_go_on.set()

    assert waiting(site) == 1
    server.hangs_up = None
    posting.mails()
    assert server.mails == []  # it may still be on its way
    next_try(posting)
    posting.mails()
    [mail] = server.mails
    assert page.fill_in(email_code=mail.code).path == "/enrol"


@attack(109)
@pytest.mark.races
def test_several_senders_at_once_deliver_each_mail_once(real_site, server):
    addresses = [f"kim{number}@example.org" for number in range(60)]
    for number, address in enumerate(addresses):
        visitor = real_site.visitor(network=f"192.0.2.{number}")
        fill_in_registration(visitor, email=address)
    senders = [Process(real_site, "send-mail", **place_of(server)) for _ in range(4)]
    for sender in senders:
        sender.output()

    assert sorted(mail.to for mail in server.mails) == sorted(addresses)
    assert waiting(real_site) == 0


@attack(109, 133)
@pytest.mark.races
def test_the_server_of_a_reader_prints_a_mail_and_deletes_old_rows_after_the_answer(
    request, real_site
):
    need_gunicorn(request.config)
    leave_old_count(real_site)
    with FlaskRun(real_site.stage, file_of(real_site.app)) as running:
        page = begin(running)
        running.wait_for(running.mails)
        [mail] = running.mails()

        assert mail.to == ADDRESS
        assert page.fill_in(email_code=mail.code).path == "/enrol"
        running.wait_for(lambda: not old_counts(real_site))
        assert "Traceback" not in running.log


@attack(127)
@pytest.mark.races
def test_a_silent_mail_server_holds_up_no_request_and_gathers_no_threads(
    request, real_site
):
    need_gunicorn(request.config)
    for number in range(50):
        values = [f"kim{number}"] * 2 + [f"kim{number}@example.org", "", str(number)]
        real_site.sql(
            "INSERT INTO users (username, normalised_username, email, password_hash,"
            " session_token) VALUES (?, ?, ?, ?, ?)",
            *values,
        )
    database = file_of(real_site.app)
    with (
        SilentServer() as silent,
        FlaskRun(real_site.stage, database, **place_of(silent)) as running,
    ):
        begin(running)
        running.wait_for(silent.accept)
        threads = running.threads()
        page = running.visitor().open("/reset")
        for _ in range(4):
            shots = [Shot.of(page, email=f"kim{n}@example.org") for n in range(50)]
            shots = [shot._replace(network=new_network()) for shot in shots]
            answers = fire(running, shots)
            assert {answer.status for answer in answers} == {302}

        assert len(silent.accept()) <= 2  # one at a time, each for ten seconds
        running.wait_for(lambda: running.threads() <= threads)
        assert "Traceback" not in running.log


@attack(127)
@pytest.mark.races
def test_a_silent_mail_server_is_left_in_the_end_and_the_other_mails_are_sent(
    step, real_site, server, tmp_path
):
    begin(real_site)
    folder = tmp_path / "impatient"
    changed_copy(
        step.folder,
        folder,
        "app/mailer.py",
        "SMTP_TIMEOUT_SECONDS = 10",
        "SMTP_TIMEOUT_SECONDS = 1",
    )
    with SilentServer() as silent:
        Process(real_site, "send-mail", folder=folder, **place_of(silent)).output()
        assert len(silent.accept()) == 1
    assert waiting(real_site) == 1

    begin(real_site, email=LEE)
    Process(real_site, "send-mail", **place_of(server)).output()
    assert [mail.to for mail in server.mails] == [LEE]


# Whom it talks to


def login_server(context, **options):
    """Return a mail server that has a certificate and asks for a login."""
    server = MailServer(tls_context=context, **options)
    server.options["authenticator"] = server.check_login
    return server


TLS = {"MAIL_USE_TLS": True, "MAIL_USERNAME": "door", "MAIL_PASSWORD": "a secret"}


@since("06")
@attack(109)
def test_a_mail_server_with_a_good_certificate_gets_login_and_mail(
    site, tmp_path, monkeypatch
):
    file, context = certificate(tmp_path, "127.0.0.1")
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    with login_server(context, auth_required=True, require_starttls=True) as server:
        register_by_mail(site, server, **TLS)

    assert len(server.mails) == 1
    assert server.logins == [("door", "a secret")]


AT_ONCE = {"MAIL_USE_SSL": True, "MAIL_USERNAME": "door", "MAIL_PASSWORD": "a secret"}


@since("06c")
@attack(109, 156)
@pytest.mark.parametrize("is_trusted", [True, False])
@never_red("Flask-Mail speaks TLS in the step before, but verifies nothing")
def test_a_mail_server_may_speak_tls_from_the_first_byte(
    site, tmp_path, monkeypatch, is_trusted
):
    file, context = certificate(tmp_path, "127.0.0.1")
    if is_trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(file))
    with MailServer(ssl_context=context) as server:
        server.options |= {"authenticator": server.check_login}
        server.options |= {"auth_require_tls": False}  # it does not see the outer one
        server.go_away()
        server.come_back()
        register_by_mail(site, server, **AT_ONCE)

    assert len(server.mails) == is_trusted
    assert server.logins == [("door", "a secret")] * is_trusted
    assert waiting(site) == 1 - is_trusted


@since("06")
@attack(109)
@pytest.mark.parametrize("names", [["127.0.0.1"], ["mail.example.org", "127.0.0.2"]])
def test_a_mail_server_with_a_strange_certificate_gets_nothing(
    site, tmp_path, monkeypatch, log, names
):
    file, context = certificate(tmp_path, *names)
    if len(names) > 1:  # somebody vouches for it, but it is another server's
        monkeypatch.setenv("SSL_CERT_FILE", str(file))
    with login_server(context, auth_require_tls=False) as server:
        register_by_mail(site, server, **TLS)

    assert server.tries == []
    assert server.logins == []
    assert waiting(site) == 1  # until somebody puts it right
    assert len(about_mail(log)) == 1
    assert "a secret" not in log.text


@since("06")
@attack(109)
def test_a_mail_server_that_does_not_encrypt_gets_nothing_if_it_should(site):
    with login_server(None, auth_require_tls=False) as server:
        register_by_mail(site, server, **TLS)

    assert server.tries == []
    assert server.logins == []
    assert waiting(site) == 1


@since("06")
@attack(109)
@never_red("step 05 logs in nowhere")
def test_without_a_username_there_is_no_login(site):
    with login_server(None, auth_require_tls=False) as server:
        register_by_mail(site, server, MAIL_PASSWORD="a secret")

    assert len(server.mails) == 1
    assert server.logins == []


@since("06")
@attack(109, 106)
def test_a_mail_server_that_refuses_the_login_gets_the_mail_later(site, log):
    with login_server(None, auth_require_tls=False) as server:
        server.refuses_login = True
        account = {"MAIL_USERNAME": "door", "MAIL_PASSWORD": "a secret"}
        posting = register_by_mail(site, server, **account)
        assert server.tries == []
        server.refuses_login = False
        next_try(posting)
        posting.mails()

    assert len(server.mails) == 1
    assert "a secret" not in log.text


@attack(109)
def test_an_email_that_waits_outlives_others_of_its_kind(posting, server):
    kim, lee = ADDRESS, LEE
    server.answers[kim] = "450 later"
    for address in (kim, lee):
        fill_in_registration(posting.visitor(), email=address)
        posting.mails()
    assert [mail.to for mail in server.mails] == [lee]

    del server.answers[kim]
    next_try(posting)
    posting.mails()
    assert [mail.to for mail in server.mails] == [lee, kim]


@attack(91, 109)
def test_an_email_that_waits_outlives_others_to_its_reader(posting, server):
    server.answers[ADDRESS] = "450 later"
    begin(posting)
    posting.mails()
    ask_for_link(posting.visitor())  # by a stranger: there is no account
    posting.mails()
    del server.answers[ADDRESS]
    next_try(posting)
    posting.mails()

    [mail] = server.mails
    assert mail.code


@attack(91, 146)
def test_notices_that_are_used_up_for_one_owner_still_come_to_another(site):
    for name in ("kim", "lee"):
        owner(site, name)
    for _ in range(4):
        fill_in_registration(site.visitor(), email=ADDRESS)
        inbox = site.mails()
    assert inbox == []
    fill_in_registration(site.visitor(), email=LEE)

    [mail] = site.mails()
    assert mail.to == LEE
