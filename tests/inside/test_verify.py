"""What is kept of a registration, and for how long."""

from tests.kit.accounts import ADDRESS
from tests.kit.answers import content_of
from tests.kit.email_codes import ask_again
from tests.kit.email_codes import begin
from tests.kit.email_codes import mailed_code
from tests.kit.journey import bytes_of
from tests.kit.marks import attack
from tests.kit.marks import since
from tests.kit.stage import GOOD_PASSWORD
from tests.kit.stage import register

MINUTE = 60
DAY = 24 * 60 * MINUTE


@since("05")
@attack(133, 142)
def test_registrations_that_are_not_completed_are_gone_after_a_day(site, clock):
    page = begin(site)
    code = mailed_code(site)
    clock.move(DAY)
    site.run_hourly_tasks()
    assert site.sql("SELECT count(*) FROM email_codes") == [(0,)]
    assert page.visitor.open(page.path).path == page.path
    clock.move(1)
    begin(site, email="other@example.org")
    site.run_hourly_tasks()

    emails = site.sql("SELECT email FROM pending_registrations")
    assert emails == [("other@example.org",)]
    assert page.fill_in(email_code=code).path == "/login"


@since("05")
@attack(48)
def test_a_visitor_who_comes_back_in_the_evening_still_gets_a_code(site, clock):
    page = begin(site)
    clock.move(12 * 60 * MINUTE)
    site.run_hourly_tasks()

    page = ask_again(page)
    assert page.fill_in(email_code=mailed_code(site)).path == "/enrol"


@since("05")
@attack(91)
def test_tidying_up_brings_no_more_emails_within_the_hour(site, clock):
    register(site.visitor(), email=ADDRESS)
    mails = []
    for _ in range(6):
        begin(site)
        mails += site.mails()
        clock.move(9 * MINUTE)
        site.run_hourly_tasks()

    assert len(mails) == 3


@since("05b")
@attack(81, 42)
def test_neither_password_nor_mailed_code_is_kept_to_read(site):
    page = begin(site)
    code = mailed_code(site)
    kept = bytes_of(site)
    cookies = page.visitor.browser.cookies.values()
    for place in (kept, *map(content_of, cookies), page.html.encode()):
        assert code.encode() not in place
        assert GOOD_PASSWORD.encode() not in place
    assert ADDRESS.encode() in kept
    assert not any(ADDRESS.encode() in content_of(cookie) for cookie in cookies)
