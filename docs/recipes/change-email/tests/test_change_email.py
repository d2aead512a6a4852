"""Changes of the address, objections to them, and deleted accounts."""

import json
import re
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from flask_migrate import upgrade
from pyotp import TOTP
from sqlalchemy import Column
from sqlalchemy import ForeignKey
from sqlalchemy import Table

from app import create_app
from app import deletion
from app import email_change
from app import mailer
from app import outbox
from app import passwords
from app import recovery_codes
from app import registration
from app import second_factor
from app import users
from app.db import db

SECRET = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
PASSWORD = "four lamps under one umbrella"
OLD, NEW, OTHER = "kim@example.org", "kim@new.example", "sam@example.org"
THIEF, SECOND, THIRD = "eve@evil.example", "eve@two.example", "eve@three.example"


@pytest.fixture
def app(tmp_path):
    app = create_app(
        {
            "DEVELOPMENT": True,
            "MAIL_IN_BACKGROUND": False,
            "SECRET_KEY": "a key for tests",
            "TOTP_KEYS": "another key for tests",
            "PASSWORD_HASH_METHOD": "pbkdf2:sha256:1",
            "SQLALCHEMY_DATABASE_URI": f"sqlite:///{tmp_path}/test.db",
        }
    )
    with app.app_context():
        upgrade()
        for email in (OTHER, OLD):  # kim has the highest number
            name = email.partition("@")[0]
            user = users.create(name, email, passwords.hash_password(PASSWORD))
            second_factor.activate(user, SECRET, 0)
            recovery_codes.regenerate_codes(user)
        db.session.commit()
    yield app
    with app.app_context():
        db.engine.dispose()


def sql(app, statement):
    """Run a statement in the database; return its rows, if it has any."""
    with app.app_context():
        result = db.session.execute(db.text(statement))
        rows = result.all() if result.returns_rows else None
        db.session.commit()
    return rows


def email_of(app, name="kim"):
    return sql(app, f"SELECT email FROM users WHERE username = '{name}'")[0][0]


def run(app, *words):
    return app.test_cli_runner().invoke(args=[*words])


def set_email(app, email, *options):
    """Set kim's address as an operator does."""
    words = ("user", "set-email", "kim", email, "--reason", "a test")
    return run(app, *words, *options)


SENT = []


@pytest.fixture(autouse=True)
def _sent(monkeypatch):
    SENT.clear()
    monkeypatch.setattr(mailer, "deliver", SENT.append)


def emails(app):
    """Send the emails that wait; return their subject and text, by recipient."""
    SENT.clear()
    assert run(app, "send-mail").exit_code == 0
    return {m.recipients[0]: f"{m.subject}\n\n{m.body}" for m in SENT}


class Person:
    """Somebody with a browser."""

    def __init__(self, app, name="kim"):
        self.app = app
        self.name = name
        self.client = app.test_client()

    def get(self, path):
        return self.client.get(path)

    def token(self, path):
        return re.search(r'name="csrf_token".*?value="(.+?)"', self.get(path).text)[1]

    def send(self, path, token=None, **values):
        data = {"csrf_token": token or self.token(path), **values}
        return self.client.post(path, data=data)

    def code(self):
        """Return the code of now, once more: these tests are not about codes."""
        sql(self.app, "UPDATE second_factors SET last_time_step = 0")
        sql(self.app, "DELETE FROM rate_limit_counters")
        return TOTP(SECRET).now()

    def log_in(self):
        self.send("/login", username=self.name, password=PASSWORD)
        assert self.send("/login/code", code=self.code()).location == "/"
        return self

    def reauthenticate(self, path, **values):
        proof = {"current_password": PASSWORD, "code": self.code()}
        return self.send(path, **(proof | values))

    def ask(self, email=NEW):
        """Ask for a change; return the code that was sent to the new address."""
        answer = self.reauthenticate("/account/email", email=email)
        assert answer.location == "/account/email/verify"
        found = re.search(r"^\d{8}$", emails(self.app).get(email, ""), re.M)
        return found and found[0]

    def change(self, email=NEW):
        return self.send("/account/email/verify", email_code=self.ask(email))

    def is_logged_in(self):
        return self.get("/").status_code == 200


def meanwhile(act, *values, **named):
    """Do something in another thread, as another request does; return the result."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(act, *values, **named).result()


@pytest.fixture
def kim(app):
    return Person(app).log_in()


def link_in(text):
    return re.search(r"http://127.0.0.1:5000(/reset/email/\S+)", text)[1]


def events(capsys):
    lines = capsys.readouterr().out.splitlines()
    return [json.loads(line)["event"] for line in lines if line.startswith('{"time')]


# The change


def test_the_address_changes_when_the_new_one_is_verified(app, kim, capsys):
    code = kim.ask()
    assert email_of(app) == OLD
    capsys.readouterr()
    answer = kim.send("/account/email/verify", email_code=code)

    assert answer.location == "/account"
    assert email_of(app) == NEW
    assert NEW in kim.get("/account").text
    assert events(capsys) == ["email_changed"]


@pytest.mark.parametrize("wrong", ["current_password", "code"])
@pytest.mark.parametrize("path", ["/account/email", "/account/delete"])
def test_each_needs_password_and_code(app, kim, path, wrong):
    values = {"email": NEW} if path.endswith("email") else {}
    answer = kim.reauthenticate(path, **values, **{wrong: "000000"})

    assert answer.status_code == 422
    assert sql(app, "SELECT * FROM email_changes") == []
    assert email_of(app) == OLD


def test_the_other_sessions_end_and_this_one_goes_on(app, kim):
    other = Person(app).log_in()
    kim.change()

    assert kim.is_logged_in()
    assert not other.is_logged_in()


def test_a_wrong_code_changes_nothing_and_is_counted(app, kim):
    kim.ask()
    token = kim.token("/account/email/verify")
    path = "/account/email/verify"
    answers = [kim.send(path, token, email_code="00000000") for _ in range(6)]

    assert [answer.status_code for answer in answers] == [422] * 5 + [429]
    assert email_of(app) == OLD


def test_a_code_for_another_address_is_rejected(app, kim):
    first = kim.ask("first@example.org")
    kim.ask()
    answer = kim.send("/account/email/verify", email_code=first)

    assert answer.status_code == 422
    assert email_of(app) == OLD


def test_a_change_is_over_after_ten_minutes(app, kim):
    code = kim.ask()
    token = kim.token("/account/email/verify")
    sql(app, "UPDATE email_changes SET created_at = created_at - 601")
    answer = kim.send("/account/email/verify", token, email_code=code)

    assert answer.location == "/account/email"
    assert email_of(app) == OLD


@pytest.mark.parametrize("email", ["", "kim", "a@b@c.example", OLD, OLD.upper()])
def test_an_address_that_will_not_do_is_said(app, kim, email):
    answer = kim.reauthenticate("/account/email", email=email)

    assert answer.status_code == 422
    assert sql(app, "SELECT * FROM email_changes") == []


@pytest.mark.parametrize("email", [OTHER, OTHER.upper()])
def test_the_address_of_another_account_looks_like_any_other(app, kim, email):
    answer = kim.reauthenticate("/account/email", email=email)
    page = kim.get("/account/email/verify")
    sent = emails(app)

    assert answer.location == "/account/email/verify"
    assert page.status_code == 200
    assert "already have a Door account" in sent[OTHER]
    assert not re.search(r"^\d{8}$", sent[OTHER], re.M)


def test_an_address_that_was_taken_meanwhile_stays_with_its_owner(app, kim):
    code = kim.ask()
    sql(app, f"UPDATE users SET email = '{NEW}' WHERE username = 'sam'")
    answer = kim.send("/account/email/verify", email_code=code)

    assert answer.status_code == 422
    assert "is taken" in answer.text
    assert email_of(app) == OLD
    assert email_of(app, "sam") == NEW
    assert kim.is_logged_in()


def test_a_second_click_leads_on(app, kim, monkeypatch):
    code, path = kim.ask(), "/account/email/verify"
    name = "verify_and_consume_email_code"
    verify = getattr(registration, name)

    def click_before(change, email_code):
        monkeypatch.setattr(registration, name, verify)
        assert meanwhile(kim.send, path, email_code=code).location == "/account"
        return verify(change, email_code)

    monkeypatch.setattr(registration, name, click_before)

    assert kim.send(path, email_code=code).location == "/account"
    assert email_of(app) == NEW


def test_the_address_is_stored_in_small_letters(app, kim):
    kim.reauthenticate("/account/email", email="Kim@New.Example")

    assert sql(app, "SELECT email FROM email_changes") == [(NEW,)]


def test_what_was_pending_for_both_addresses_dies(app, kim):
    code = kim.ask()
    for email in (OLD, NEW):
        Person(app).send("/reset", email=email)
    values = {"username": "mia", "password": PASSWORD, "confirm": PASSWORD}
    Person(app).send("/register", **values, email=NEW)
    link = emails(app)[OLD]
    kim.send("/account/email/verify", email_code=code)

    for table in ("password_resets", "pending_registrations", "email_codes"):
        assert sql(app, f"SELECT * FROM {table}") == [], table
    person = Person(app)
    person.get(re.search(r"http://127.0.0.1:5000(/reset/\S+)", link)[1])
    assert person.get("/reset/new").location == "/reset"


def test_the_old_address_resets_nothing_any_more(app, kim):
    kim.change()
    emails(app)
    Person(app).send("/reset", email=OLD)

    assert emails(app) == {}
    Person(app).send("/reset", email=NEW)
    assert "/reset/" in emails(app)[NEW]


# The objection


def test_the_old_address_is_told_and_restores_itself(app, kim, capsys):
    kim.change()
    sent = emails(app)
    link = link_in(sent[OLD])
    capsys.readouterr()
    owner = Person(app)

    assert "Restore" in owner.get(link).text
    assert email_of(app) == NEW
    assert owner.send(link).location == "/reset"
    assert email_of(app) == OLD
    assert not kim.is_logged_in()
    assert "email_restored" in events(capsys)


def test_the_address_of_a_thief_cannot_object_in_turn(app, kim):
    kim.change()
    Person(app).send(link_in(emails(app)[OLD]))

    assert NEW not in emails(app)
    assert sql(app, "SELECT * FROM email_objections") == []


def test_an_objection_works_once(app, kim):
    kim.change()
    link = link_in(emails(app)[OLD])
    Person(app).send(link)
    kim.log_in().change()

    assert Person(app).get(link).location == "/login"
    assert email_of(app) == NEW


def test_an_objection_is_good_for_seven_days(app, kim):
    kim.change()
    link = link_in(emails(app)[OLD])
    week = 7 * 24 * 60 * 60
    sql(app, f"UPDATE email_objections SET created_at = {int(time.time()) - week + 60}")
    assert Person(app).get(link).status_code == 200
    sql(app, f"UPDATE email_objections SET created_at = {int(time.time()) - week - 60}")
    assert Person(app).get(link).location == "/login"
    run(app, "prune")

    assert sql(app, "SELECT * FROM email_objections") == []


def test_a_second_change_does_not_take_the_objection_away(app, kim):
    kim.change()
    link = link_in(emails(app)[OLD])
    kim.change("kim@third.example")
    Person(app).send(link)

    assert email_of(app) == OLD


# Which address wins


@pytest.fixture
def _still_clock(monkeypatch):
    """Let all that happens happen in one second."""
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now)


def move(app, *addresses):
    """Change kim's address, by the page or by an operator; return the links sent."""
    links = {}
    for address in addresses:
        if address.startswith("operator: "):
            assert set_email(app, address.removeprefix("operator: ")).exit_code == 0
        else:
            assert Person(app).log_in().change(address).location == "/account"
        links |= {email: link_in(text) for email, text in emails(app).items()}
    return links


@pytest.mark.parametrize("way", ["", "operator: "])
def test_a_change_back_is_the_objection_of_the_old_address(app, way):
    links = move(app, THIEF, way + OLD)

    assert email_of(app) == OLD
    assert [*links] == [OLD]  # the thief's address is told nothing
    assert sql(app, "SELECT * FROM email_objections") == []
    assert Person(app).get(links[OLD]).location == "/login"


@pytest.mark.usefixtures("_still_clock")
@pytest.mark.parametrize(
    ("addresses", "may_object"),
    [
        ([THIEF], [OLD]),
        ([THIEF, SECOND], [OLD, THIEF]),
        ([THIEF, SECOND, THIRD], [OLD, THIEF, SECOND]),
        ([THIEF, SECOND, THIEF], [OLD]),
        ([THIEF, SECOND, THIEF, SECOND], [OLD, THIEF]),
        ([THIEF, "operator: " + NEW], [OLD, THIEF]),
        ([THIEF, "operator: " + NEW, SECOND], [OLD, THIEF, NEW]),
        ([THIEF, "operator: " + OLD, SECOND], [OLD]),
        ([THIEF, SECOND, OLD, NEW, THIRD], [OLD, NEW]),
    ],
)
def test_the_address_that_the_account_had_first_wins(app, addresses, may_object):
    links = move(app, *addresses)
    order = "SELECT email FROM email_objections ORDER BY created_at"
    assert [email for (email,) in sql(app, order)] == may_object

    for count in reversed(range(len(may_object))):  # each beats all that came later
        Person(app).send(links[may_object[count]])
        assert email_of(app) == may_object[count]
        assert [email for (email,) in sql(app, order)] == may_object[:count]
    assert emails(app) == {}
    for link in links.values():
        assert Person(app).get(link).location == "/login"


@pytest.mark.usefixtures("_still_clock")
def test_an_objection_beats_all_later_ones_at_once(app):
    links = move(app, THIEF, SECOND, "operator: " + THIRD)
    Person(app).send(links[OLD])

    assert email_of(app) == OLD
    for link in links.values():
        assert Person(app).get(link).location == "/login"
    assert emails(app) == {}


def test_after_seven_days_a_change_back_is_a_change_like_any_other(app):
    move(app, THIEF)
    sql(app, "UPDATE email_objections SET created_at = created_at - 604801")

    assert [*move(app, "operator: " + OLD)] == [THIEF]
    links = move(app, SECOND)
    Person(app).send(links[OLD])
    assert email_of(app) == OLD


@pytest.mark.parametrize("token", ["x", "%00", "é", "a" * 500])
def test_a_link_of_anybodys_own_making_does_nothing(app, kim, token):
    kim.change()

    assert Person(app).get(f"/reset/email/{token}").location == "/login"
    assert email_of(app) == NEW


def test_the_link_is_stored_nowhere(app, kim):
    kim.change()
    token = link_in(emails(app)[OLD]).rpartition("/")[2]

    [(stored,)] = sql(app, "SELECT token_hash FROM email_objections")
    assert token not in stored


def test_an_old_address_that_belongs_to_somebody_else_stays_there(app, kim):
    kim.change()
    link = link_in(emails(app)[OLD])
    sql(app, f"UPDATE users SET email = '{OLD}' WHERE username = 'sam'")

    assert Person(app).send(link).location == "/login"
    assert email_of(app) == NEW


def test_an_address_that_is_changed_again_meanwhile_is_restored(app, kim, monkeypatch):
    kim.change()
    owner, link = Person(app), link_in(emails(app)[OLD])
    page = owner.token(link)
    find, consume = email_change.find_objection, email_change.consume_objection

    def find_and_change_back(token):
        objection = find(token)
        meanwhile(kim.change, OLD)
        monkeypatch.setattr(email_change, "consume_objection", change_and_consume)
        return objection

    def change_and_consume(objection):
        meanwhile(kim.change, NEW)
        return consume(objection)

    monkeypatch.setattr(email_change, "find_objection", find_and_change_back)
    owner.send(link, page)

    assert email_of(app) == OLD
    assert not kim.is_logged_in()


def test_an_operator_sets_an_address(app, kim):
    assert set_email(app, "Kim@New.Example").exit_code == 0

    assert email_of(app) == NEW
    assert not kim.is_logged_in()
    assert OLD in emails(app)


@pytest.mark.parametrize(
    ("email", "reason"),
    [
        (OTHER, "is taken"),
        ("nonsense", "is no email address"),
        ("a=?b@example.org", "is no email address"),
        (OLD, "already has this email address"),
        (OLD.upper(), "already has this email address"),
    ],
)
def test_an_operator_sets_no_address_that_will_not_do(app, kim, email, reason):
    emails(app)  # kim has logged in
    done = set_email(app, email)

    assert done.exit_code == 1
    assert reason in done.output
    assert email_of(app) == OLD
    assert emails(app) == {}
    assert kim.is_logged_in()


def test_after_a_theft_an_operator_lets_no_earlier_address_object(app):
    links = move(app, THIEF, SECOND)
    assert set_email(app, NEW, "--after-theft").exit_code == 0

    assert emails(app) == {}
    for link in links.values():
        assert Person(app).get(link).location == "/login"
    assert email_of(app) == NEW


# Deletion


def test_a_deleted_account_is_gone(app, kim, capsys):
    other = Person(app).log_in()
    capsys.readouterr()
    answer = kim.reauthenticate("/account/delete")

    assert answer.location == "/login"
    assert "account_deleted" in events(capsys)
    assert not kim.is_logged_in()
    assert not other.is_logged_in()
    assert "was deleted" in emails(app)[OLD]
    answer = Person(app).send("/login", username="kim", password=PASSWORD)
    assert answer.status_code == 422


def test_nothing_of_a_deleted_user_is_left_but_the_number(app, kim):
    kim.change()
    kim.ask("kim@third.example")
    Person(app).send("/reset", email=NEW)
    emails(app)
    for _ in range(3):
        Person(app).send("/login", username="kim", password="a wrong password")
    kim.reauthenticate("/account/delete")
    emails(app)
    sql(app, "DELETE FROM email_codes")  # of an address that kim wanted: it expires

    with app.app_context():
        tables = db.metadata.sorted_tables
        dump = str([db.session.execute(db.select(t)).all() for t in tables])
        columns = deletion.columns_with_user()
    assert "kim" not in dump
    for column in columns:
        where = f"SELECT * FROM {column.table} WHERE {column.name} = 2"
        assert sql(app, where) == [], column
    assert sql(app, "SELECT * FROM lockouts WHERE user_id = 2") == []
    assert len(columns) >= 5


@pytest.mark.parametrize("told_before", [True, False])
def test_an_address_that_could_object_is_told_of_the_deletion(app, kim, told_before):
    kim.change(THIEF)
    if told_before:
        emails(app)
    kim.reauthenticate("/account/delete")
    sent = emails(app)

    assert {*sent} == {OLD, THIEF}
    assert "was deleted" in sent[OLD]
    assert "was deleted" in sent[THIEF]


def test_an_address_that_may_no_longer_object_is_not_told_of_the_deletion(app, kim):
    kim.change()
    emails(app)
    sql(app, "UPDATE email_objections SET created_at = created_at - 604801")
    kim.reauthenticate("/account/delete")

    assert [*emails(app)] == [NEW]


@pytest.mark.parametrize("had_before", [True, False])
def test_a_deletion_leaves_the_emails_of_others(app, kim, had_before):
    if had_before:  # by now it belongs to sam
        kim.change()
        emails(app)
        sql(app, f"UPDATE users SET email = '{OLD}' WHERE username = 'sam'")
    else:  # it belongs to sam, and kim would like to have it
        kim.reauthenticate("/account/email", email=OTHER)
    with app.app_context():
        outbox.enqueue("password_changed", email_of(app, "sam"))
        db.session.commit()
    kim.reauthenticate("/account/delete")

    assert "password was changed" in emails(app)[email_of(app, "sam")]


@pytest.fixture
def _documents(app):
    """Add a table of yours, with two documents of sam and one of kim."""
    owner = Column("owner_id", ForeignKey("users.id"), nullable=False)
    editor = Column("editor_id", ForeignKey("users.id"))
    table = Table("documents", db.metadata, owner, editor)
    with app.app_context():
        table.create(db.engine)
    sql(app, "INSERT INTO documents VALUES (1, 2), (1, 1), (2, 1)")
    yield
    db.metadata.remove(table)
    with app.app_context():
        table.drop(db.engine)


@pytest.mark.usefixtures("_documents")
def test_a_deletion_leaves_what_belongs_to_others(app, kim):
    kim.reauthenticate("/account/delete")

    assert {*sql(app, "SELECT * FROM documents")} == {(1, None), (1, 1)}


@pytest.mark.parametrize(("nullable", "left"), [(True, None), (False, 2)])
def test_a_deletion_leaves_other_users(app, kim, monkeypatch, nullable, left):
    # As if it were a column of yours, and sam's row named kim's.
    column = users.User.__table__.c.disabled_at
    monkeypatch.setattr(column, "nullable", nullable)
    monkeypatch.setattr(deletion, "columns_with_user", lambda: [column])
    sql(app, "UPDATE users SET disabled_at = 2 WHERE username = 'sam'")
    answer = kim.reauthenticate("/account/delete")

    assert answer.location == "/login"
    query = "SELECT disabled_at FROM users WHERE username = 'sam'"
    assert sql(app, query) == [(left,)]


def test_a_number_is_never_given_to_somebody_else(app, kim):
    kim.reauthenticate("/account/delete")
    with app.app_context():
        again = users.create("kim", OLD, "x")
        db.session.commit()

        assert again.id == 3


def test_name_and_address_are_free_again(app, kim):
    kim.reauthenticate("/account/delete")
    values = {"username": "kim", "password": PASSWORD, "confirm": PASSWORD}
    answer = Person(app).send("/register", **values, email=OLD)

    assert answer.location == "/register/verify"
    assert re.search(r"^\d{8}$", emails(app)[OLD], re.M)


def test_nobody_logs_in_as_a_deleted_user_even_after_a_mistake(app, kim):
    kim.reauthenticate("/account/delete")
    for name in ("deleted", "kim", "2"):
        assert run(app, "user", "enable", name, "--reason", "oops").exit_code == 1
        for password in (PASSWORD, "nobody has this"):
            answer = Person(app).send("/login", username=name, password=password)
            assert answer.status_code == 422
        sql(app, "DELETE FROM rate_limit_counters")


def test_two_users_can_be_deleted(app, kim):
    kim.reauthenticate("/account/delete")
    command = ("user", "delete", "sam", "--reason", "asked in writing")
    done = run(app, *command)

    assert done.exit_code == 0, done.output
    assert '"reason": "asked in writing"' in done.output
    assert "was deleted" in emails(app)[OTHER]
    assert run(app, *command).exit_code == 1


def test_an_operator_has_to_say_why(app):
    assert run(app, "user", "delete", "sam", "--reason", " ").exit_code == 2
    assert email_of(app, "sam") == OTHER
