"""While a password is hashed, no row is locked that others need."""

import hashlib

import pytest
from sqlalchemy import event
from werkzeug.security import generate_password_hash

from tests.kit.accounts import NEW_PASSWORD
from tests.kit.accounts import logged_in
from tests.kit.accounts import prove
from tests.kit.marks import attack
from tests.kit.marks import since
from tests.kit.reset_links import open_link
from tests.kit.stage import fill_in_registration
from tests.kit.stage import register

WEAK = "aaaaaaaaaaaaaaaaaaaaaaaa"


@pytest.fixture
def work(site, monkeypatch):
    """Return what notes each hash and each measuring: was something written before?"""
    writing, work = [], []

    def note_write(connection, cursor, statement, *rest):
        if not statement.lstrip().startswith(("SELECT", "PRAGMA")):
            writing.append(statement)

    def noting(name, function):
        def noted(*arguments, **how):
            work.append((name, writing[:]))
            return function(*arguments, **how)

        return noted

    event.listen(site.engine, "before_cursor_execute", note_write)
    for end in ("commit", "rollback"):
        event.listen(site.engine, end, lambda connection: writing.clear())
    module = site.module("passwords")
    monkeypatch.setattr(module, "zxcvbn", noting("zxcvbn", module.zxcvbn))
    hashed = noting("hash", hashlib.pbkdf2_hmac)
    monkeypatch.setattr(hashlib, "pbkdf2_hmac", hashed)
    return work


def assert_nothing_was_locked(work, names):
    """Make sure that a password was hashed and measured, and never in between."""
    assert {name for name, _ in work} == names
    assert [writes for _, writes in work if writes] == []


@since("04b")
@attack(152)
def test_a_new_user_s_password_is_hashed_before_anything_is_written(site, work):
    for password in ("seven grey walls near a pond", WEAK):
        page = fill_in_registration(site.visitor(), username="kim", password=password)
        assert page.status == (422 if password == WEAK else 200)

    assert_nothing_was_locked(work, {"hash", "zxcvbn"})


@since("04b")
@attack(152, 9)
def test_at_the_login_a_password_is_hashed_before_anything_is_written(site, work):
    kim = register(site.visitor(), username="kim")
    outdated = generate_password_hash(kim.password, "pbkdf2:sha256:2")
    site.sql("UPDATE users SET password_hash = ?", outdated)
    work.clear()
    for password in ("wrong", kim.password):
        site.visitor().open("/login").fill_in(username="kim", password=password)

    assert_nothing_was_locked(work, {"hash"})


@since("05")
@attack(152)
@pytest.mark.parametrize("password", [NEW_PASSWORD, WEAK], ids=["good", "weak"])
@pytest.mark.parametrize("way", ["reset", "change"])
def test_another_password_is_hashed_before_anything_is_written(
    site, kim, work, way, password
):
    new = {"password": password, "confirm": password}
    if way == "reset":
        page = open_link(site)
        work.clear()
        page = page.fill_in(code=kim.authenticator.code(), **new)
    else:
        visitor = logged_in(site, kim)
        work.clear()
        page = prove(visitor, kim, "/account/password", **new)

    assert page.status == (422 if password == WEAK else 200)
    assert_nothing_was_locked(work, {"hash", "zxcvbn"})
