"""What apps of other people do that our four hosts do not: names, commits, sessions."""

import pytest
from flask import Flask
from flask_login import logout_user
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import event
from sqlalchemy.exc import OperationalError

from tests.kit.stage import Account
from tests.recipes.hosts import KEYS
from tests.recipes.hosts import LIMIT
from tests.recipes.hosts import PASSWORD
from tests.recipes.hosts import is_login

# Names: "Ann" and "ann" are two users of the shop


@pytest.fixture
def thief(shop):
    """Register a user whose name differs from ann's in the case of a letter."""
    row = {"id": 9, "username": "Ann", "email": "thief@example.org"}
    shop.insert(row | {"password_hash": shop.password_hash_of("bob")})
    return Account("Ann", PASSWORD)


def guess(shop, visitor):
    """Guess ann's password; return the status."""
    return shop.password(visitor, Account("ann", "a guess")).status


def test_a_login_by_another_spelling_takes_back_no_guess(shop, thief):
    shop.enrol(shop.visitor(), thief)

    for _ in range(LIMIT - 1):
        assert guess(shop, shop.visitor()) < 429
    assert shop.logged_in(thief).is_logged_in()

    assert guess(shop, shop.visitor()) < 429  # the thief's own attempt was taken back
    assert guess(shop, shop.visitor()) == 429


def test_a_device_cookie_of_one_spelling_is_none_for_another(shop, thief):
    visitor = shop.visitor()
    shop.enrol(visitor, thief)

    for _ in range(LIMIT):
        assert guess(shop, visitor) < 429

    assert guess(shop, visitor) == 429
    assert guess(shop, shop.visitor()) == 429  # it was counted as a stranger's


# Users


def test_a_user_of_another_model_is_refused_whose_number_a_user_has(shop):
    _, order = shop.enrolled("ann"), shop.two_factor.User.orders.property
    another = order.mapper.class_(id=1)

    with shop.app.test_request_context(), pytest.raises(TypeError, match="guards User"):
        shop.two_factor.begin_login(another)


def test_a_primary_key_that_changes_would_lose_the_phone_and_is_refused(shop):
    owner, account = shop.enrolled("ann")
    two_factor = shop.two_factor
    with shop.app.app_context():
        two_factor.load_user(1).id = 7
        with pytest.raises(RuntimeError, match="cannot change"):
            two_factor.db.session.commit()
        two_factor.db.session.rollback()
        two_factor.load_user(1).email = "ann@example.net"
        two_factor.db.session.commit()

    assert owner.is_logged_in()
    assert shop.password(shop.visitor(), account).path == "/login/code"


def test_a_lockout_ends_with_its_user(shop):
    owner, _ = shop.enrolled("ann")
    with shop.app.app_context():
        for _ in range(20):
            shop.module("rate_limit").count_wrong_code("login", 1)
        assert shop.module("rate_limit").is_locked("login", 1)
    row = shop.row_of("ann") | {"password_hash": shop.password_hash_of("bob")}

    owner.open("/").fill_in(sure="y")
    shop.insert(row)

    assert shop.password(shop.visitor(), shop.account("ann")).path == "/enrol"


def test_a_user_who_may_not_log_in_gets_nothing_at_another_door(shop, monkeypatch):
    _, account = shop.enrolled("ann")
    monkeypatch.setattr(type(shop.two_factor), "may_log_in", lambda self, user: False)

    with shop.app.test_request_context():
        user = shop.two_factor.load_user(1)
        assert not shop.two_factor.check_code(user, account.recovery_codes[0])
    assert shop.told("recovery_code_used") == []


# Transactions


def commit_at_the_end(shop, monkeypatch):
    """Let the shop commit at the end of each request, and leave with a last word."""
    db = shop.two_factor.db
    order = shop.two_factor.User.orders.property.mapper.class_
    init_app = type(shop.two_factor).init_app

    def leave():
        db.session.add(order(user_id=1, text="the last word"))
        db.session.flush()
        logout_user()
        return "bye"

    def commit(response):
        db.session.commit()
        return response

    def init_app_after_the_commit(two_factor, app):
        app.add_url_rule("/leave", "leave", leave)
        app.after_request(commit)
        init_app(two_factor, app)

    monkeypatch.setattr(type(shop.two_factor), "init_app", init_app_after_the_commit)
    shop.start()


def test_a_logout_comes_after_a_commit_at_the_end_of_the_request(shop, monkeypatch):
    commit_at_the_end(shop, monkeypatch)
    owner, _ = shop.enrolled("ann")
    twin = shop.visitor()
    twin.browser.keep(owner.browser.cookies)

    assert owner.open("/leave").text == "bye"

    assert not owner.is_logged_in()
    assert not twin.is_logged_in()
    assert shop.things("ann") == 1


def test_a_logout_that_the_database_refuses_ends_the_login_of_this_browser(
    shop, monkeypatch, caplog
):
    owner, _ = shop.enrolled("ann")

    def fail(*_):
        raise OperationalError("UPDATE", {}, Exception("database is locked"))

    monkeypatch.setattr(shop.module("store"), "end_session", fail)
    page = owner.log_out()

    assert is_login(page)
    assert not owner.is_logged_in()
    assert "A logout did not end the login elsewhere" in caplog.text


# Sessions


def test_a_session_without_contents_gets_another_id_as_well(clinic, monkeypatch):
    sessions = type(clinic.app.session_interface)
    regenerate = sessions.regenerate

    def regenerate_as_flask_session_does(self, session):
        if dict(session):
            regenerate(self, session)

    monkeypatch.setattr(sessions, "regenerate", regenerate_as_flask_session_does)
    _, account = clinic.enrolled("ann")
    victim = clinic.visitor()
    victim.browser.client.set_cookie("session", "planted")

    clinic.password(victim, account)

    assert victim.browser.cookies["session"].value != "planted"


# Connections


def test_connections_are_set_up_as_those_of_the_app(shop):
    with shop.app.app_context():
        opened = []
        event.listen(shop.two_factor.db.engine, "connect", lambda *_: opened.append(1))

        with shop.two_factor.engine.connect():
            assert opened == [1]
            assert shop.two_factor.db.engine.pool.checkedout() == 0  # it is our own


@pytest.mark.parametrize(
    ("bind_key", "config", "problem"),
    [
        ("people", {}, "users have to be in the default database"),
        (None, {"TWO_FACTOR_DATABASE_URL": "sqlite:///x.db"}, "apps without a model"),
    ],
)
def test_users_in_another_database_than_the_tables_are_refused(
    shop, bind_key, config, problem
):
    db = SQLAlchemy()

    class Member(db.Model):
        __bind_key__ = bind_key
        id = db.Column(db.Integer, primary_key=True)

    app = Flask("other")
    app.config.from_mapping(KEYS | config)
    two_factor = type(shop.two_factor)(db, Member)

    with pytest.raises(RuntimeError, match=problem):
        two_factor.init_app(app)
