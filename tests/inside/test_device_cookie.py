"""What our device cookie is made of, and when it is set, renewed and no longer read."""

import hashlib
import itertools
import json
import sqlite3
from base64 import urlsafe_b64decode

from itsdangerous import URLSafeTimedSerializer
from sqlalchemy import event
from sqlalchemy.exc import OperationalError

from tests.kit.accounts import ask_for_a_code
from tests.kit.device_cookies import A_YEAR
from tests.kit.device_cookies import DAY
from tests.kit.device_cookies import DEVICE
from tests.kit.device_cookies import LOCKED
from tests.kit.device_cookies import MAX_WRONG_PASSWORDS_IN_A_ROW
from tests.kit.device_cookies import OWNER
from tests.kit.device_cookies import REFUSED
from tests.kit.device_cookies import device_of
from tests.kit.device_cookies import guess
from tests.kit.device_cookies import guess_in_a_row
from tests.kit.device_cookies import known
from tests.kit.device_cookies import stranger
from tests.kit.device_cookies import use_up_passwords
from tests.kit.device_cookies import with_device
from tests.kit.journey import bytes_of
from tests.kit.marks import attack
from tests.kit.marks import since
from tests.kit.production import in_production
from tests.kit.stage import CONFIG
from tests.kit.stage import enrol
from tests.kit.stage import register
from tests.kit.tokens import key_for

pytestmark = since("06")


def answer_to_code(site, account):
    """Log in with a code; return the browser, and the answer that logged it in."""
    visitor = site.visitor()
    visitor.give_password(account)
    target, data = visitor.page.filled_in(code=account.authenticator.code())
    return visitor, visitor.ask("POST", target, data=data)


@since("06g")
@attack(146)
def test_the_cookie_is_set_by_a_complete_login_and_by_nothing_less(site, kim):
    visitor = site.visitor()
    guess(visitor)
    page = visitor.give_password(kim)
    page = page.fill_in(code=kim.authenticator.wrong_code())
    visitor.open("/login/recovery").fill_in(recovery_code="wrong")
    assert DEVICE not in visitor.browser.cookies
    page.fill_in(code=kim.authenticator.code())

    assert device_of(visitor)


@attack(146)
def test_a_recovery_code_and_an_enrolment_set_it_as_well(site, kim, clock):
    visitor = site.visitor()
    ask_for_a_code(visitor, kim).fill_in(recovery_code=kim.recovery_code())
    assert device_of(visitor)

    visitor = site.visitor()
    account = register(visitor)
    assert DEVICE not in visitor.browser.cookies
    enrol(visitor, account, clock)
    assert device_of(visitor)


@attack(146)
def test_each_login_renews_it_and_each_one_is_another(site, kim, clock):
    visitor, seen = site.visitor(), set()
    for _ in range(3):
        visitor.log_in(kim)
        seen.add(device_of(visitor))
        visitor.log_out()
        assert device_of(visitor) in seen  # a logout leaves it

    assert len(seen) == 3
    for old in seen:
        assert with_device(site, old).give_password(kim).path == "/login/code"


@attack(103, 146)
def test_no_script_no_other_site_and_no_other_host_gets_it(step, clock):
    for site, name, secure in (
        (step.start(clock), "device", []),
        (in_production(step, clock), "__Host-device", ["Secure"]),
    ):
        visitor, answer = answer_to_code(site, site.account())
        found = [
            cookie
            for cookie in answer.headers.get_all("Set-Cookie")
            if "device" in cookie.partition("=")[0]
        ]
        assert len(found) == 1
        pair, *attributes = [part.strip() for part in found[0].split(";")]
        assert pair.startswith(f"{name}=")
        lasting = [a for a in attributes if a.startswith(("Expires", "Max-Age"))]
        assert f"Max-Age={A_YEAR}" in lasting
        wanted = ["HttpOnly", "Path=/", "SameSite=Lax", *secure]
        assert sorted(set(attributes) - set(lasting)) == sorted(wanted)
        assert answer.headers["Cache-Control"] == "no-store"
        assert visitor.is_logged_in()


@attack(106, 146)
def test_it_says_who_and_which_and_when_and_nothing_that_is_secret(site, kim, clock):
    visitor = site.visitor()
    visitor.log_in(kim)
    value = device_of(visitor)
    content, *_ = value.split(".")
    number, device = json.loads(urlsafe_b64decode(content + "=="))
    [(user_id, password_hash)] = site.sql("SELECT id, password_hash FROM users")

    assert number == user_id
    assert len(device) == 22
    assert password_hash.rpartition("$")[2] not in value
    assert device.encode() not in bytes_of(
        site
    )  # and a stolen database makes no cookie


@attack(118, 146)
def test_a_login_that_fails_leaves_no_cookie(step, clock):
    site = step.start(clock, TESTING=False)
    account = site.account()
    visitor = site.visitor()
    page = visitor.give_password(account)
    session, commits = site.app.extensions["sqlalchemy"].session, itertools.count()

    def fail(session):
        if next(commits):  # the first one counts the guess
            raise OperationalError("COMMIT", {}, sqlite3.OperationalError("disk full"))

    code = account.authenticator.code()
    event.listen(session, "before_commit", fail)
    answer = page.fill_in(code=code)
    event.remove(session, "before_commit", fail)
    assert answer.status >= 500
    assert DEVICE not in visitor.browser.cookies

    assert page.fill_in(code=code).path == "/"
    assert device_of(visitor)


def signed(key, salt, content):
    """Return a cookie that is signed as ours are, but for key and salt."""
    how = {"key_derivation": "hmac", "digest_method": hashlib.sha256}
    return URLSafeTimedSerializer(key, salt=salt, signer_kwargs=how).dumps(content)


@attack(146, 86)
def test_a_cookie_signed_with_another_key_or_for_another_password_is_none(site, kim):
    device_of(known(site, kim))
    [(number, salt)] = site.sql("SELECT id, password_hash FROM users")
    content, good = [number, "x" * 22], key_for("device cookie")
    keys = [CONFIG["SECRET_KEY"], CONFIG["TOTP_KEYS"], "", b"secret"]
    keys += [key_for(purpose) for purpose in ("rate limit", "email code", "")]
    use_up_passwords(site)
    forged = [signed(key, salt, content) for key in keys]
    forged += [signed(good, other, content) for other in ("", "itsdangerous")]
    forged.append(signed(good, salt, [number + 1, "x" * 22]))
    for value in forged:
        assert with_device(site, value).give_password(kim).status == 429, value

    with_device(site, signed(good, salt, content)).log_in(kim)


@attack(146, 9)
def test_a_newer_hash_of_the_same_password_leaves_this_browser_known(site, kim):
    owner = known(site, kim)
    newer = site.start_again(PASSWORD_HASH_METHOD="pbkdf2:sha256:2")
    visitor = newer.visitor(network=OWNER).take_cookies_of(owner)
    visitor.log_in(kim)
    visitor.log_out()
    use_up_passwords(newer)

    visitor.log_in(kim)


@attack(5, 146, 149)
def test_a_disabled_user_does_not_get_in_from_a_known_browser_and_nothing_is_told(
    site, kim, clock
):
    owner = known(site, kim)
    device_of(owner)
    command = ["user", "disable", "kim", "--reason", "a call"]
    assert site.app.test_cli_runner().invoke(args=command).exit_code == 0

    page = owner.give_password(kim)
    assert page.status == 422
    assert REFUSED in page.text
    guess_in_a_row(site, clock, MAX_WRONG_PASSWORDS_IN_A_ROW)  # who are counted too
    assert LOCKED in site.visitor(network=OWNER).give_password(kim).text


@attack(133, 149)
def test_rows_of_unknown_names_are_deleted_a_day_later(site, kim, clock):
    names = ["nobody", "somebody", "kim"]
    for number, name in enumerate(names):
        guess(stranger(site, number), name)
    clock.move(DAY)
    guess(stranger(site, 9), "somebody")
    site.run_hourly_tasks()
    assert site.sql("SELECT count(*) FROM lockouts") == [(3,)]
    clock.move(1)
    site.run_hourly_tasks()
    assert site.sql("SELECT count(*) FROM lockouts") == [(2,)]
    clock.move(30 * DAY)
    site.run_hourly_tasks()

    assert site.sql("SELECT attempts, user_id FROM lockouts") == [(1, 1)]
