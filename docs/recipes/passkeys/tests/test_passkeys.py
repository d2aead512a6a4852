"""What passkeys promise: asked as a browser asks, with a device that can misbehave."""

import html
import json
import os
import random
import re
import time

import cbor2
import pytest
from flask_migrate import upgrade
from passkey_device import PRESENT
from passkey_device import Device
from passkey_device import WrongSiteError
from passkey_device import decode
from passkey_device import encode
from pyotp import TOTP
from webauthn.helpers import parse_authentication_credential_json

from app import create_app
from app import passkeys
from app import passwords
from app import recovery_codes
from app import second_factor
from app import users
from app.db import db

SITE = "https://door.example"
SECRET = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
PASSWORD = "four lamps under one umbrella"
MUTATIONS = int(os.environ.get("MUTATIONS", "1000"))
CONFIG = {
    "DEVELOPMENT": True,
    "MAIL_IN_BACKGROUND": False,
    "SECRET_KEY": "a key for tests",
    "TOTP_KEYS": "another key for tests",
    "PASSWORD_HASH_METHOD": "pbkdf2:sha256:1",
    "BASE_URL": SITE,
}


@pytest.fixture
def app(tmp_path):
    uri = f"sqlite:///{tmp_path}/test.db"
    app = create_app(CONFIG | {"SQLALCHEMY_DATABASE_URI": uri})
    with app.app_context():
        upgrade()
        for name in ("kim", "sam"):
            password_hash = passwords.hash_password(PASSWORD)
            user = users.create(name, f"{name}@example.org", password_hash)
            second_factor.activate(user, SECRET, 0)
        db.session.commit()
    yield app
    with app.app_context():
        db.engine.dispose()


class Person:
    """Somebody with a browser and a device."""

    def __init__(self, app, name="kim", device=None):
        self.app = app
        self.name = name
        self.client = app.test_client()
        self.device = device or Device(SITE)

    def get(self, path):
        return self.client.get(path, base_url=SITE)

    def token(self, path):
        return re.search(r'name="csrf_token".*?value="(.+?)"', self.get(path).text)[1]

    def send(self, path, token=None, **values):
        data = {"csrf_token": token or self.token(path), **values}
        headers = {"Referer": SITE + path}
        return self.client.post(path, base_url=SITE, data=data, headers=headers)

    def code(self):
        """Return the code of now, once more: these tests are not about codes."""
        sql(self.app, "UPDATE second_factors SET last_time_step = 0")
        sql(self.app, "DELETE FROM rate_limit_counters")
        return TOTP(SECRET).now()

    def give_password(self):
        self.send("/login", username=self.name, password=PASSWORD)
        return self

    def log_in(self):
        answer = self.give_password().send("/login/code", code=self.code())
        assert answer.location == "/"
        return self

    def reauthenticate(self, path):
        return self.send(path, current_password=PASSWORD, code=self.code())

    def options(self, path):
        page = self.get(path).text
        return json.loads(html.unescape(re.search(r'data-options="(.+?)"', page)[1]))

    def begin_adding(self):
        """Reauthenticate; return what the device answers to the challenge."""
        self.reauthenticate("/account/passkeys/new")
        return self.device.create(self.options("/account/passkeys/new"))

    def add(self, name="Laptop"):
        answer = self.begin_adding()
        return self.send("/account/passkeys/new", name=name, credential=answer)

    def sign(self):
        return self.device.get(self.options("/login/passkey"))

    def use(self, signature=None):
        signature = signature or self.sign()
        return self.send("/login/passkey", credential=signature)

    def is_logged_in(self):
        return self.get("/").status_code == 200


def sql(app, statement):
    """Run a statement in the database; return its rows, if it has any."""
    with app.app_context():
        result = db.session.execute(db.text(statement))
        rows = result.all() if result.returns_rows else None
        db.session.commit()
    return rows


@pytest.fixture
def kim(app):
    kim = Person(app).log_in()
    assert kim.add().location == "/account/passkeys"
    return kim


def again(kim):
    """Return kim at the code page, in another browser but with the same device."""
    return Person(kim.app, device=kim.device).give_password()


def is_rejected(person, signature=None):
    answer = person.use(signature)
    return answer.status_code == 422 and not person.is_logged_in()


def copy_cookies(person, copy):
    """Give the copy the session of a person."""
    here, name = {"domain": "door.example"}, "__Host-session"
    value = person.client.get_cookie(name, **here).value
    copy.client.set_cookie(name, value, secure=True, **here)


def events(capsys):
    return [json.loads(line)["event"] for line in capsys.readouterr().out.splitlines()]


def kinds_of_emails(app):
    return {kind for (kind,) in sql(app, "SELECT kind FROM outbox_emails")}


# Log in


def test_password_and_passkey_log_in(kim, capsys):
    person = again(kim)
    capsys.readouterr()

    assert "Use a passkey instead" in person.get("/login/code").text
    assert person.use().location == "/"
    assert person.is_logged_in()
    assert events(capsys) == ["logged_in"]


def test_the_login_leads_where_it_was_going(kim):
    person = again(kim)
    path = "/login/passkey?next=/account"
    answer = person.send(path, credential=person.sign())

    assert answer.location == "/account"


def test_a_user_without_a_passkey_is_offered_none(app, kim):
    sam = Person(app, "sam").give_password()

    assert "passkey" not in sam.get("/login/code").text
    assert sam.get("/login/passkey").location == "/login/code"


def test_a_passkey_without_the_password_is_nothing(app, kim):
    assert Person(app).get("/login/passkey").location == "/login"


def test_a_login_in_a_new_browser_is_told_by_email(app, kim):
    sql(app, "DELETE FROM outbox_emails")
    again(kim).use()

    assert kinds_of_emails(app) == {"new_browser"}


def test_a_rejected_passkey_leaves_a_line_and_locks_nothing(kim, capsys):
    person = again(kim)
    capsys.readouterr()
    person.use("{}")

    assert events(capsys) == ["passkey_rejected"]
    assert sql(kim.app, "SELECT * FROM lockouts") == []


def test_attempts_are_counted(kim):
    person = again(kim)
    token = person.token("/login/passkey")
    answers = [person.send("/login/passkey", token, credential="{}") for _ in range(6)]

    assert [answer.status_code for answer in answers] == [422] * 5 + [429]


def test_a_login_resets_the_count(kim):
    for _ in range(6):
        assert again(kim).use().location == "/"


def test_a_session_that_was_ended_meanwhile_logs_nobody_in(kim):
    person = again(kim)
    signature, token = person.sign(), person.token("/login/passkey")
    sql(kim.app, "UPDATE users SET session_token = 'another' WHERE username = 'kim'")
    person.send("/login/passkey", token, credential=signature)

    assert not person.is_logged_in()


def test_a_login_that_is_ended_while_its_passkey_is_verified_leaves_no_line(
    kim, capsys, monkeypatch
):
    person, find = again(kim), passkeys.find_signing_passkey

    def end_sessions_and_find(*values):
        sql(kim.app, "UPDATE users SET session_token = 'other' WHERE username = 'kim'")
        return find(*values)

    monkeypatch.setattr(passkeys, "find_signing_passkey", end_sessions_and_find)
    capsys.readouterr()

    assert person.use().location == "/login"
    assert events(capsys) == []


# The site


def test_a_page_elsewhere_gets_no_signature(kim):
    kim.device.origin = "https://d00r.example"

    with pytest.raises(WrongSiteError):
        again(kim).use()


@pytest.mark.parametrize(
    "origin",
    [
        "https://door.example:8443",
        "https://old.door.example",
        "http://door.example",
    ],
)
def test_where_a_browser_signs_for_a_neighbour_the_server_rejects(kim, origin):
    kim.device.origin = origin

    assert is_rejected(again(kim))


def test_the_host_of_a_request_is_not_believed(app, kim):
    with app.test_request_context(base_url="https://d00r.example"):
        assert passkeys.rp_id() == "door.example"
        assert passkeys.expected_origin() == SITE


@pytest.mark.parametrize(
    ("base_url", "origin", "host"),
    [
        ("https://Door.Example", "https://door.example", "door.example"),
        ("https://door.example:443", "https://door.example", "door.example"),
        ("https://door.example:8443", "https://door.example:8443", "door.example"),
        ("http://localhost:5000", "http://localhost:5000", "localhost"),
        ("http://localhost:80", "http://localhost", "localhost"),
    ],
)
def test_a_base_url_is_known_by_the_origin_that_browsers_write(
    app, base_url, origin, host
):
    app.config["BASE_URL"] = base_url
    with app.app_context():
        assert passkeys.expected_origin() == origin
        assert passkeys.rp_id() == host


# The signature


def test_a_signature_works_once(kim):
    person, copy = again(kim), again(kim)
    signature = person.sign()
    copy_cookies(person, copy)

    assert person.use(signature).location == "/"
    assert is_rejected(copy, signature)


def test_a_signature_that_failed_is_not_tried_again(kim):
    person = again(kim)
    kim.device.flags, flags = PRESENT, kim.device.flags
    challenge = person.options("/login/passkey")
    assert is_rejected(person, kim.device.get(challenge))
    kim.device.flags = flags

    assert is_rejected(person, kim.device.get(challenge))


def test_a_signature_is_good_in_its_own_session_alone(kim):
    signature = again(kim).sign()

    assert is_rejected(again(kim), signature)


def test_two_tabs_show_the_same_challenge(kim):
    person = again(kim)
    first, second = (person.options("/login/passkey") for _ in range(2))

    assert first["challenge"] == second["challenge"]
    assert first["challenge"] != again(kim).options("/login/passkey")["challenge"]


def test_a_challenge_that_is_too_old_is_replaced(kim):
    person = again(kim)
    signature = person.sign()
    old = person.options("/login/passkey")["challenge"]
    sql(kim.app, "UPDATE passkey_challenges SET created_at = created_at - 601")

    assert is_rejected(person, signature)
    assert person.options("/login/passkey")["challenge"] != old


def test_a_signature_for_another_purpose_is_rejected(kim):
    person = again(kim)
    options = person.options("/login/passkey")
    rp, user = {"id": options["rpId"]}, {"id": encode(kim.device.handle)}
    made = kim.device.create(options | {"rp": rp, "user": user})

    assert is_rejected(person, made)


def test_the_owner_of_the_device_has_to_be_verified(kim):
    kim.device.flags = PRESENT

    assert is_rejected(again(kim))


@pytest.mark.parametrize(
    ("before", "now", "is_right"),
    [(0, 0, True), (0, 7, True), (7, 8, True), (7, 7, False), (7, 0, False)],
)
def test_a_count_that_does_not_rise_means_a_copy(kim, capsys, before, now, is_right):
    sql(kim.app, f"UPDATE passkeys SET sign_count = {before}")
    kim.device.count = max(now - 1, 0)  # it counts on from there, unless it is 0
    person = again(kim)
    capsys.readouterr()

    assert is_rejected(person) != is_right
    assert ("passkey_copy_suspected" in events(capsys)) != is_right


def test_the_highest_count_is_stored(kim):
    kim.device.count = 2**32 - 2

    assert again(kim).use().location == "/"
    assert sql(kim.app, "SELECT sign_count FROM passkeys") == [(2**32 - 1,)]


@pytest.mark.parametrize("tells_whose_it_is", [True, False])
def test_the_passkey_of_somebody_else_is_rejected(app, kim, tells_whose_it_is):
    Person(app, "sam").log_in().add()
    kim.device.handle = kim.device.handle if tells_whose_it_is else None
    person = Person(app, "sam", device=kim.device).give_password()

    assert is_rejected(person)


def test_a_passkey_that_says_it_is_somebody_elses_is_rejected(app, kim):
    sam = Person(app, "sam").log_in()
    sam.add()
    kim.device.handle = sam.device.handle

    assert is_rejected(again(kim))


def test_a_passkey_that_does_not_say_whose_it_is_logs_in(kim):
    kim.device.handle = None

    assert again(kim).use().location == "/"


# Add and remove


def test_a_new_passkey_is_told_by_email_and_ends_the_other_sessions(app, capsys):
    other, kim = Person(app).log_in(), Person(app).log_in()
    answer = kim.begin_adding()
    capsys.readouterr()
    kim.send("/account/passkeys/new", name="Laptop", credential=answer)

    assert kim.is_logged_in()
    assert not other.is_logged_in()
    assert "passkey_added" in kinds_of_emails(app)
    assert events(capsys) == ["passkey_added"]


@pytest.mark.parametrize(
    "path", ["new", "1/remove", "only", "codes"], ids=["add", "remove", "only", "codes"]
)
@pytest.mark.parametrize("wrong", ["current_password", "code"])
def test_each_change_needs_password_and_code(kim, path, wrong):
    values = {"current_password": PASSWORD, "code": kim.code(), wrong: "000000"}
    answer = kim.send(f"/account/passkeys/{path}", **values)

    assert answer.status_code == 422
    assert "data-options" not in answer.text
    assert sql(kim.app, "SELECT passkeys_only FROM passkey_owners") == [(0,)]
    assert "Laptop" in kim.get("/account/passkeys").text


def test_a_passkey_that_was_not_asked_for_is_not_added(app):
    kim = Person(app).log_in()
    site, owner = {"id": "door.example"}, {"id": "AAAA"}
    made = kim.device.create({"rp": site, "user": owner, "challenge": ""})
    answer = kim.send("/account/passkeys/new", name="Laptop", credential=made)

    assert answer.status_code == 422
    assert "Laptop" not in kim.get("/account/passkeys").text


def test_the_browser_is_told_what_it_needs(kim):
    kim.reauthenticate("/account/passkeys/new")
    options = kim.options("/account/passkeys/new")
    selection = options["authenticatorSelection"]

    assert options["rp"] == {"id": "door.example", "name": "Door"}
    assert options["attestation"] == "none"
    assert selection["userVerification"] == "required"
    assert selection["residentKey"] == "preferred"
    assert [c["id"] for c in options["excludeCredentials"]] == [encode(kim.device.id)]
    assert again(kim).options("/login/passkey")["userVerification"] == "required"


def test_the_handle_of_a_user_is_random_and_always_the_same(app, kim):
    kim.reauthenticate("/account/passkeys/new")
    handle = kim.options("/account/passkeys/new")["user"]["id"]
    sam = Person(app, "sam").log_in()
    sam.add()

    assert handle == encode(kim.device.handle)
    assert handle != encode(sam.device.handle)
    assert len(kim.device.handle) == 32


def test_a_reauthentication_is_good_for_ten_minutes(kim):
    answer = kim.begin_adding()
    sql(kim.app, "UPDATE passkey_challenges SET created_at = created_at - 601")
    late = kim.send("/account/passkeys/new", name="Late", credential=answer)

    assert late.status_code == 422
    assert "current_password" in late.text
    assert "Late" not in kim.get("/account/passkeys").text


def test_a_reauthentication_is_good_for_one_passkey(kim):
    kim.device = Device(SITE)
    assert kim.add("Second").location == "/account/passkeys"

    assert "current_password" in kim.get("/account/passkeys/new").text


def test_a_passkey_of_an_ended_session_is_not_added(kim):
    kim.device = Device(SITE)
    answer = kim.begin_adding()
    token = kim.token("/account/passkeys/new")
    sql(kim.app, "UPDATE users SET session_token = 'another' WHERE username = 'kim'")
    kim.send("/account/passkeys/new", token, name="Late", credential=answer)

    assert sql(kim.app, "SELECT name FROM passkeys") == [("Laptop",)]


def test_a_passkey_that_somebody_has_cannot_be_added(app, kim):
    sam = Person(app, "sam", device=kim.device).log_in()

    assert sam.add().location == "/account/passkeys/new"
    assert "Laptop" not in sam.get("/account/passkeys").text


@pytest.mark.parametrize("flags", [PRESENT, 0])
def test_a_new_passkey_verifies_who_holds_the_device(app, flags):
    kim = Person(app).log_in()
    kim.device.flags = flags

    assert kim.add().location == "/account/passkeys/new"


def test_a_key_with_which_nothing_can_be_verified_is_not_added(app):
    kim = Person(app).log_in()
    off_the_curve = {1: 2, 3: -7, -1: 1, -2: bytes(31) + b"\1", -3: bytes(32)}
    kim.device.public_key = lambda: cbor2.dumps(off_the_curve)

    assert kim.add().location == "/account/passkeys/new"
    assert sql(app, "SELECT * FROM passkeys") == []


@pytest.mark.parametrize(("length", "is_taken"), [(1023, True), (1024, False)])
def test_the_id_of_a_passkey_has_a_limit(app, length, is_taken):
    kim = Person(app).log_in()
    kim.device.id = bytes(length)
    kim.add()

    assert len(sql(app, "SELECT * FROM passkeys")) == is_taken


@pytest.mark.parametrize("name", ["", " ", "x" * 65, "a\0b"])
def test_a_name_that_cannot_be_kept_is_said_and_costs_no_challenge(kim, name):
    kim.device = Device(SITE)
    answer = kim.begin_adding()
    page = kim.send("/account/passkeys/new", name=name, credential=answer)
    assert page.status_code == 422
    kim.send("/account/passkeys/new", name="Second", credential=answer)

    assert "Second" in kim.get("/account/passkeys").text


def test_a_second_passkey_has_its_own_name_and_the_first_still_works(app, kim):
    second = Person(app).log_in()
    second.add("Key <b>")

    page = second.get("/account/passkeys").text
    assert "Remove “Key &lt;b&gt;”" in page
    assert "2 set up" in page
    assert again(kim).use().location == "/"


def test_a_removed_passkey_is_rejected(app, kim):
    pending = again(kim)
    assert kim.reauthenticate("/account/passkeys/1/remove").location == (
        "/account/passkeys"
    )

    assert pending.get("/login/passkey").location == "/login"
    assert again(kim).get("/login/passkey").location == "/login/code"
    assert "passkey_removed" in kinds_of_emails(app)
    kim.device, removed = Device(SITE), kim.device
    kim.add()
    assert is_rejected(Person(app, device=removed).give_password())


def test_nobody_removes_the_passkey_of_somebody_else(app, kim):
    sam = Person(app, "sam").log_in()

    for number in (1, 2, 10**30):
        path = f"/account/passkeys/{number}/remove"
        assert sam.get(path).status_code == 404
        assert sam.send(path, sam.token("/account/phone")).status_code == 404
    assert len(sql(app, "SELECT * FROM passkeys")) == 1


def test_the_pages_are_for_those_who_are_logged_in(app, kim):
    for path in ("", "/new", "/1/remove", "/only", "/codes"):
        answer = Person(app).get(f"/account/passkeys{path}")
        assert answer.location.startswith("/login")


# Passkeys only


def test_with_passkeys_only_a_right_code_logs_nobody_in(app, kim, capsys):
    capsys.readouterr()
    kim.reauthenticate("/account/passkeys/only")
    assert "passkeys_only_enabled" in events(capsys)
    person = Person(app).give_password()
    assert person.get("/login/code").location == "/login/passkey"
    person.send("/login/code", person.token("/login/passkey"), code=person.code())

    assert not person.is_logged_in()
    assert again(kim).use().location == "/"
    assert "passkeys_only_enabled" in kinds_of_emails(app)


def test_with_passkeys_only_the_page_offers_recovery_codes_and_no_code(app, kim):
    both = again(kim).get("/login/passkey").text
    kim.reauthenticate("/account/passkeys/only")
    only = again(kim).get("/login/passkey").text

    assert "/login/code" in both
    assert "/login/code" not in only
    assert "/login/recovery" in only


def test_with_passkeys_only_a_recovery_code_still_helps(app, kim):
    kim.reauthenticate("/account/passkeys/only")
    with app.app_context():
        codes = recovery_codes.regenerate_codes(users.find_by_username("kim"))
        db.session.commit()
    person = Person(app).give_password()
    person.send("/login/recovery", recovery_code=codes[0])

    assert person.is_logged_in()


def test_codes_log_in_again_when_the_user_says_so(app, kim):
    kim.reauthenticate("/account/passkeys/only")
    kim.reauthenticate("/account/passkeys/codes")

    Person(app).log_in()
    assert "passkeys_only_disabled" in kinds_of_emails(app)


def test_without_the_last_passkey_codes_log_in_again(app, kim):
    kim.reauthenticate("/account/passkeys/only")
    kim.reauthenticate("/account/passkeys/1/remove")

    Person(app).log_in()
    kim.add()
    Person(app).log_in()


def test_without_one_of_two_passkeys_the_other_alone_logs_in(app, kim):
    other = Person(app).log_in()
    other.add("Other")
    other.reauthenticate("/account/passkeys/only")
    other.reauthenticate("/account/passkeys/1/remove")

    assert again(other).get("/login/code").location == "/login/passkey"
    assert again(other).use().location == "/"


def test_without_a_passkey_nobody_can_choose_passkeys_only(app):
    kim = Person(app).log_in()
    kim.add()
    kim.reauthenticate("/account/passkeys/1/remove")

    assert kim.get("/account/passkeys/only").status_code == 404
    assert "passkeys only" not in kim.get("/account/passkeys").text


# Operators


def test_an_operator_removes_passkeys_with_the_second_factor(app, kim):
    kim.reauthenticate("/account/passkeys/only")
    command = ["user", "reset-second-factor", "kim", "--reason", "lost"]
    assert app.test_cli_runner().invoke(args=command).exit_code == 0

    assert again(kim).get("/login/passkey").location == "/login/code"
    assert sql(app, "SELECT * FROM passkeys") == []
    assert sql(app, "SELECT * FROM passkey_owners") == []


def test_old_challenges_are_pruned_and_no_others(app, kim):
    again(kim).get("/login/passkey")
    sql(app, f"UPDATE passkey_challenges SET created_at = {int(time.time()) - 601}")
    again(kim).get("/login/passkey")
    app.test_cli_runner().invoke(args=["prune"])

    assert len(sql(app, "SELECT * FROM passkey_challenges")) == 1


# Odd bytes


def with_part(answer, name, text):
    answer["response"][name] = text
    return json.dumps(answer)


@pytest.mark.parametrize(
    "change",
    [
        lambda answer: "x",
        lambda answer: "[" * 4000,
        lambda answer: "9" * 5000,
        lambda answer: json.dumps(answer | {"rawId": "é"}),
        lambda answer: json.dumps(answer | {"id": "AA", "rawId": "AA"}),
        lambda answer: with_part(answer, "userHandle", "A"),
        lambda answer: with_part(answer, "userHandle", "AAAA"),
        lambda answer: with_part(answer, "signature", "AAAA"),
        lambda answer: with_part(answer, "authenticatorData", "AAAA"),
        lambda answer: with_part(answer, "clientDataJSON", "AAAA"),
    ],
)
def test_odd_bytes_are_rejected(kim, change):
    person = again(kim)
    answer = json.loads(person.sign())

    assert is_rejected(person, change(answer))


@pytest.mark.parametrize("text", ["", "x", "{}", "[" * 4000, "9" * 5000])
def test_odd_bytes_are_no_new_passkey(kim, text):
    kim.reauthenticate("/account/passkeys/new")
    answer = kim.send("/account/passkeys/new", name="Odd", credential=text)

    assert answer.location == "/account/passkeys/new"
    assert "Odd" not in kim.get("/account/passkeys").text


def mutate(chance, text):
    """Change, remove, repeat or insert characters of a text, in one to three places."""
    for _ in range(chance.randint(1, 3)):
        place = chance.randrange(len(text) + 1)
        end = place + chance.choice((0, 1, 1, 1, 2, 8, 64))
        new = chance.choice(("", text[place:end] * 2, chance.choice('"{}[],:\\0A_é9')))
        text = text[:place] + new + text[end:]
    return text


def mutations(chance, answer, count):
    """Yield changed answers: of the JSON, and of what its parts say inside."""
    for number in range(count):
        if number % 2:
            yield mutate(chance, answer)
            continue
        changed = json.loads(answer)
        name = chance.choice(list(changed["response"]))
        data = bytearray(decode(changed["response"][name]))
        for _ in range(chance.randint(1, 3)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        yield with_part(changed, name, encode(bytes(data)))


def signed_in(answer):
    """Return what is signed in an answer, however that is spelt."""
    response = parse_authentication_credential_json(answer).response
    return response.client_data_json, response.authenticator_data


@pytest.fixture
def challenge(app, monkeypatch):
    """Return the challenge of a session in which it is never consumed."""
    with app.test_request_context():
        monkeypatch.setattr(passkeys, "consume_challenge", lambda: "a challenge")
        yield encode(b"a challenge")


def test_a_changed_answer_logs_nobody_in_and_breaks_nothing(kim, challenge):
    user = users.find_by_username("kim")
    right = kim.device.get({"rpId": "door.example", "challenge": challenge})
    for answer in mutations(random.Random(6238), right, MUTATIONS):
        if passkeys.verify_and_consume_signature(user, answer):
            assert signed_in(answer) == signed_in(right), answer

    assert passkeys.verify_and_consume_signature(user, right)


def test_a_changed_registration_breaks_nothing(app, challenge):
    user, device = users.find_by_username("kim"), Device(SITE)
    options = {"rp": {"id": "door.example"}, "user": {"id": "AAAA"}}
    right = device.create(options | {"challenge": challenge})
    for answer in mutations(random.Random(4226), right, MUTATIONS):
        passkeys.verify_and_store_passkey(user, "Odd", answer)
        db.session.rollback()

    assert passkeys.verify_and_store_passkey(user, "Right", right)
