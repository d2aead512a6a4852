"""The page that asks for the code mailed to a new address: whose address is it?"""

import pytest

from tests.kit.accounts import ADDRESS
from tests.kit.accounts import logged_in
from tests.kit.answers import assert_alike
from tests.kit.answers import token_of
from tests.kit.email_codes import ask_again
from tests.kit.email_codes import begin
from tests.kit.email_codes import mailed_code
from tests.kit.email_codes import wrong
from tests.kit.marks import attack
from tests.kit.marks import rate_limited
from tests.kit.marks import since
from tests.kit.stage import GOOD_PASSWORD
from tests.kit.stage import enrol
from tests.kit.stage import fill_in_registration
from tests.kit.stage import register
from tests.kit.work import counted_work
from tests.kit.work import kinds
from tests.kit.work import measured
from tests.kit.work import typical_ratio

pytestmark = since("05")

LIFETIME = 10 * 60  # seconds
DAY = 24 * 60 * 60


def can_log_in(site, username, password=GOOD_PASSWORD):
    """Tell whether name and password get past the password page."""
    page = site.visitor().open("/login")
    return page.fill_in(username=username, password=password).status == 200


@since("05b")
@attack(48)
def test_a_mailed_code_proves_a_new_address_and_leads_on_to_the_authenticator(
    site, clock
):
    page = begin(site, username="kim")
    [mail] = site.mails()
    assert mail.to == ADDRESS
    page = page.fill_in(email_code=mail.code)

    assert page.path == "/enrol"
    assert page.find("#secret")


@since("05b")
@attack(48)
def test_without_the_mailed_code_there_is_no_account_and_no_enrolment(site):
    page = begin(site, username="kim")
    visitor = page.visitor

    for path in ("/enrol", "/login/code", "/login/recovery", "/"):
        assert visitor.open(path).path.startswith("/login"), path
    assert not can_log_in(site, "kim")
    assert not visitor.is_logged_in()


@attack(48)
def test_a_wrong_mailed_code_is_refused_and_the_right_one_still_works(site):
    page = begin(site)
    code = mailed_code(site)
    refused = page.fill_in(email_code=wrong(code))

    assert refused.status == 422
    assert refused.find(".error").text()
    assert refused.find("[name=email_code]").attributes["value"] == ""
    assert refused.fill_in(email_code=code).path == "/enrol"


@attack(48)
def test_a_code_that_was_not_mailed_yet_cannot_be_guessed(site):
    page = begin(site)
    for text in ("00000000", "", "None"):
        assert page.fill_in(email_code=text).status == 422


@attack(48, 161)
@pytest.mark.parametrize(("age", "path"), [(-1, "/enrol"), (0, "/register/verify")])
def test_a_mailed_code_works_for_ten_minutes(site, clock, age, path):
    page = begin(site)
    code = mailed_code(site)
    clock.move(LIFETIME + age)

    assert page.fill_in(email_code=code).path == path


@attack(48, 161)
def test_the_ten_minutes_begin_when_the_code_is_sent(site, clock):
    page = begin(site)
    clock.move(LIFETIME)
    code = mailed_code(site)
    clock.move(LIFETIME - 1)

    assert page.fill_in(email_code=code).path == "/enrol"


@since("05b")
@attack(29, 48)
def test_a_mailed_code_works_once_and_in_one_session(site):
    page = begin(site, username="kim")
    copy = site.visitor().take_cookies_of(page.visitor)
    form = page.filled_in(email_code=mailed_code(site))
    assert page.visitor.send(*form).path == "/enrol"

    assert copy.send(*form).path == "/login"
    for path in ("/enrol", "/register/verify"):
        assert copy.open(path).path == "/login", path


@attack(48, 161)
def test_the_same_code_is_mailed_again_and_does_not_live_longer(site, clock):
    page = begin(site)
    code = mailed_code(site)
    clock.move(LIFETIME - 1)
    page = ask_again(page)
    assert mailed_code(site) == code
    copy = site.visitor().take_cookies_of(page.visitor).open("/register/verify")
    assert copy.fill_in(email_code=code).path == "/enrol"

    page = begin(site, email="lee@example.org")
    code = mailed_code(site)
    clock.move(LIFETIME // 2)
    ask_again(page)
    assert mailed_code(site) == code
    clock.move(LIFETIME // 2)
    assert page.fill_in(email_code=code).status == 422


@attack(48, 142)
@pytest.mark.held_email
def test_a_code_that_comes_after_the_account_was_made_makes_no_second_one(site):
    page, stranger = begin(site), begin(site)
    code = mailed_code(site)
    ask_again(page)
    assert page.fill_in(email_code=code).path == "/enrol"

    assert stranger.fill_in(email_code=mailed_code(site)).status == 422
    assert stranger.visitor.open("/enrol").path == "/login"
    assert site.sql("SELECT count(*) FROM users") == [(1,)]


@attack(48, 142, 161)
@pytest.mark.parametrize("quick", ["first", "second"])
def test_one_code_serves_all_who_wait_for_an_address_and_the_first_has_it(site, quick):
    pages = {"first": begin(site, username="first")}
    code = mailed_code(site)
    pages["second"] = begin(site, username="second")
    assert mailed_code(site) == code
    assert pages.pop(quick).fill_in(email_code=code).path == "/enrol"

    [(slow, page)] = pages.items()
    assert page.fill_in(email_code=code).status == 422
    ask_again(page)
    [mail] = site.mails()
    assert "already" in mail.subject
    assert can_log_in(site, quick)
    assert not can_log_in(site, slow)


@since("05b")
@attack(48, 142)
def test_the_code_of_another_address_is_refused(site):
    page = begin(site)
    code = mailed_code(site)
    other_page = begin(site, email="lee@example.org")
    other = mailed_code(site)

    if code != other:
        assert page.fill_in(email_code=other).status == 422
        assert other_page.fill_in(email_code=code).status == 422
    assert page.fill_in(email_code=code).path == "/enrol"


@attack(48, 70)
def test_a_mailed_code_works_at_another_worker_and_after_a_restart(site):
    page = begin(site)
    form = page.filled_in(email_code=mailed_code(site))
    elsewhere = site.start_again().visitor().take_cookies_of(page.visitor)

    assert elsewhere.send(*form).path == "/enrol"


@attack(48)
def test_a_code_that_another_key_made_does_not_work(site):
    page = begin(site)
    stranger = site.start_again(SECRET_KEY="another key, as long as one has to be")
    code = mailed_code(stranger)

    assert page.fill_in(email_code=code).status == 422


@attack(71, 48)
@rate_limited
def test_another_mailed_code_brings_no_new_guesses(site, clock):
    page = begin(site)
    code = mailed_code(site)
    for _ in range(5):
        page.fill_in(email_code=wrong(code))
    clock.move(LIFETIME)
    ask_again(page)
    code = mailed_code(site)

    assert page.fill_in(email_code=code).status == 429


@attack(71, 91, 133)
@rate_limited
def test_sixty_wishes_for_another_mail_bring_three_with_each_code(site, clock):
    page, mails, pauses = begin(site), [], 0
    for _ in range(60):
        mails += site.mails()
        pauses += ask_again(page).status == 429
        clock.move(20)
    mails += site.mails()

    codes = [mail.code for mail in mails]
    assert codes == [codes[0]] * 3 + [codes[-1]] * 3
    assert pauses > 20
    assert page.fill_in(email_code=codes[-1]).path == "/enrol"


@attack(7, 21)
@rate_limited
def test_anything_but_eight_digits_is_refused_in_words_and_spends_nothing(site):
    page = begin(site)
    code = mailed_code(site)
    full_width = code.translate({48 + n: 0xFF10 + n for n in range(10)})
    for text in ("", "1234567", "123456789", "abcdefgh", full_width, "\0" * 8):
        refused = page.fill_in(email_code=text)
        assert refused.status == 422, ascii(text)
        assert refused.find(".error").text()
    for raw in (b"\xed\xa0\x80", b"\xff" * 8, b"1" * 10_000):
        target, data = page.filled_in(email_code="")
        assert page.visitor.send(target, data | {"email_code": raw}).status == 422

    assert page.fill_in(email_code=code).path == "/enrol"


def test_a_mailed_code_may_be_typed_with_blanks(site):
    page = begin(site)
    code = mailed_code(site)

    assert page.fill_in(email_code=f" {code[:4]} {code[4:]}\n").path == "/enrol"


@attack(93)
def test_another_site_can_neither_prove_an_address_nor_ask_for_mails(site):
    page = begin(site)
    code = mailed_code(site)
    foreign = begin(site, email="x@example.org")
    site.mails()
    for forged in ({}, {"csrf_token": ""}, {"csrf_token": token_of(foreign)}):
        for data in ({"email_code": code}, {"resend": "1"}):
            assert page.visitor.send("/register/verify", data | forged).status == 400

    assert site.mails() == []
    assert page.fill_in(email_code=code).path == "/enrol"


@attack(95)
def test_opening_the_page_sends_no_mail_and_uses_up_no_code(site):
    page = begin(site)
    code = mailed_code(site)
    for method in ("GET", "HEAD"):
        for query in ("", "?resend=1", f"?email_code={code}"):
            answer = page.visitor.ask(method, f"/register/verify{query}")
            assert answer.status == 200

    assert site.mails() == []
    assert page.fill_in(email_code=code).path == "/enrol"


@attack(3)
def test_a_visitor_who_did_not_register_is_sent_to_the_login(site, account):
    stranger, user = site.visitor(), logged_in(site, account)
    for visitor in (stranger, user):
        assert visitor.open("/register/verify").path == "/login"
    assert user.is_logged_in()


@attack(92)
def test_where_the_login_leads_survives_the_proof_of_the_address(site):
    visitor = site.visitor()
    page = visitor.open("/register?next=/account%3Fx%3D1").fill_in(
        username="kim", email=ADDRESS, password=GOOD_PASSWORD, confirm=GOOD_PASSWORD
    )
    assert page.path.startswith("/register/verify?")
    page = ask_again(page).fill_in(email_code=mailed_code(site))

    assert page.path in ("/enrol?next=/account?x%3D1", "/enrol?next=/account?x=1")


@attack(4)
def test_registering_in_the_browser_of_a_user_is_a_clean_switch(site, account):
    visitor = logged_in(site, account)
    page = fill_in_registration(visitor, username="newcomer", email=ADDRESS)
    assert page.path == "/register/verify"
    assert not visitor.is_logged_in()
    visitor.open("/register/verify").fill_in(email_code=mailed_code(site))

    assert account.username not in visitor.page.text
    assert not visitor.is_logged_in()


@since("05b")
@attack(117)
def test_a_known_address_gets_the_same_answers_as_a_new_one(site):
    register(site.visitor(), username="owner", email=ADDRESS)
    known, new = site.visitor(), site.visitor()
    pages = [
        fill_in_registration(known, username="aaa", email=ADDRESS),
        fill_in_registration(new, username="bbb", email="new@example.org"),
    ]
    for page in pages:
        assert page.path == "/register/verify"
        assert page.status == 200
    assert_alike(*pages)
    for act in (
        lambda page: page.fill_in(email_code="12345678"),
        lambda page: page.fill_in(email_code="1"),
        ask_again,
        lambda page: page.visitor.open("/register/verify"),
        lambda page: page.visitor.open("/enrol"),
    ):
        assert_alike(*map(act, pages))


@attack(117)
@rate_limited
def test_the_pauses_too_are_the_same_for_a_known_address(site, clock):
    register(site.visitor(), email=ADDRESS)
    clock.move(15 * 60)  # the owner's own attempt is forgotten
    pages = begin(site), begin(site, email="new@example.org")
    for act in (lambda page: page.fill_in(email_code="12345678"), ask_again):
        for _ in range(11):
            answers = [act(page) for page in pages]
            assert_alike(*answers)

        assert answers[0].status == 429
    for _ in range(10):
        addresses = (ADDRESS, "new@example.org")
        answers = [fill_in_registration(site.visitor(), email=a) for a in addresses]
        assert answers[0].status == answers[1].status
    assert answers[0].status == 429


@attack(117)
def test_registering_a_known_address_costs_as_many_hashes_statements_and_letters(
    site, monkeypatch
):
    register(site.visitor(), email=ADDRESS)
    costs = {}
    for address in (ADDRESS, "new@example.org"):
        page = site.visitor().open("/register")
        values = {"username": "kim", "email": address}
        values |= {"password": GOOD_PASSWORD, "confirm": GOOD_PASSWORD}
        for step, act in enumerate(
            (
                lambda page, values=values: page.fill_in(**values),
                ask_again,
                lambda page: page.fill_in(email_code="12345678"),
            )
        ):
            with counted_work(site, monkeypatch) as (hashes, statements):
                page = act(page)
            assert page.path == "/register/verify"
            costs.setdefault(step, []).append((len(hashes), kinds(statements)))
        costs.setdefault("outbox_emails", []).append(len(site.mails()))

    for step, (known, new) in costs.items():
        assert known == new, step
    assert costs[0][0][0] == 1
    assert costs["outbox_emails"] == [1, 1]


@attack(117)
@pytest.mark.alone
def test_a_known_address_takes_as_long_as_a_new_one(step):
    site = step.start(None, PASSWORD_HASH_METHOD="pbkdf2:sha256:12000")
    register(site.visitor(), email=ADDRESS)
    new = {"password": GOOD_PASSWORD, "confirm": GOOD_PASSWORD}
    seconds = measured(site, "/register", username="kim", **new)

    assert 0.8 < typical_ratio(*seconds) < 1.25


@since("05b")
@attack(117)
def test_the_owner_of_a_known_address_is_told_by_mail(site):
    register(site.visitor(), username="owner", email=ADDRESS)
    page = begin(site, username="second", password="seven grey walls near a pond")
    [mail] = site.mails()

    assert mail.to == ADDRESS
    assert "account" in mail.subject
    assert "://" not in mail.text
    assert not any(word.isdigit() and len(word) == 8 for word in mail.text.split())
    assert page.fill_in(email_code="00000000").status == 422
    assert can_log_in(site, "owner")
    assert not can_log_in(site, "owner", "seven grey walls near a pond")
    assert not can_log_in(site, "second", "seven grey walls near a pond")


@attack(117, 91)
@rate_limited
def test_the_owner_of_a_known_address_gets_at_most_three_mails_an_hour(site, clock):
    register(site.visitor(), email=ADDRESS)
    mails = []
    for number in range(10):
        visitor = site.visitor(network=f"192.0.2.{number}")
        assert fill_in_registration(visitor, email=ADDRESS).status == 200
        mails += site.mails()
        clock.move(60)

    assert len(mails) == 3
    clock.move(60 * 60)
    begin(site)
    assert len(site.mails()) == 1


@attack(124, 6)
@pytest.mark.parametrize("spelt", ["KIM@EXAMPLE.ORG", " Kim@Example.Org "])
def test_a_known_address_is_known_in_every_spelling(site, spelt):
    register(site.visitor(), email=ADDRESS)
    begin(site, email=spelt)
    [mail] = site.mails()

    assert mail.to == ADDRESS
    assert "already" in mail.subject


@since("05b")
@attack(142, 48)
@pytest.mark.parametrize("days", range(3))
def test_a_thief_who_registers_an_address_first_gains_nothing(site, clock, days):
    thief, secret = site.visitor(network="192.0.2.66"), "seven grey walls near a pond"
    for _ in range(days + 1):
        thief_page = fill_in_registration(
            thief, username="victim", email=ADDRESS, password=secret
        )
        site.mails()
        clock.move(DAY - 60)
    account = register(site.visitor(), username="victim", email=ADDRESS)
    enrol(site.visitor(), account, clock)

    site.visitor().log_in(account)
    assert not can_log_in(site, "victim", secret)
    assert thief_page.path == "/register/verify"
    assert thief.open("/enrol").path == "/login"


@attack(142)
def test_of_two_who_want_one_name_the_first_to_prove_an_address_has_it(site):
    slow = begin(site, username="kim", email="a@example.org")
    slow_code = mailed_code(site)
    quick = begin(site, username="KIM", email="b@example.org")
    assert quick.fill_in(email_code=mailed_code(site)).path == "/enrol"
    refused = slow.fill_in(email_code=slow_code)

    assert refused.status == 422
    assert "taken" in refused.find(".error").text()
    assert slow.visitor.open("/enrol").path == "/login"
    assert can_log_in(site, "KIM")
    assert site.sql("SELECT count(*) FROM users") == [(1,)]
    assert refused.visitor.open("/register").form("username", "email")


@attack(142)
def test_a_name_without_a_verified_address_stays_free(site):
    begin(site, username="kim")
    site.mails()

    register(site.visitor(), username="kim", email="other@example.org")


@attack(80)
def test_the_browser_knows_that_the_field_is_for_a_code(site):
    field = begin(site).find("[name=email_code]").attributes

    assert field["autocomplete"] == "one-time-code"
    assert field["inputmode"] == "numeric"
