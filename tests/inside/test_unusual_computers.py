"""Computers that are not like ours: file systems, paths, an old SQLite."""

import os
import re
import secrets
import sqlite3
import time

import click
import flask_migrate
import pytest

from tests.kit.marks import never_red
from tests.kit.marks import since
from tests.kit.phone import scan
from tests.kit.programs import bare_copy
from tests.kit.stage import CONFIG
from tests.kit.stage import FIRST_IN_PRODUCTION
from tests.kit.stage import FIRST_WITH_DATABASE
from tests.kit.stage import FIRST_WITH_MAIL
from tests.kit.stage import fill_in_registration
from tests.kit.stage import load_step
from tests.kit.stage import make_app

# A colon is missing, because a virtual environment refuses it, and so does Windows.
ODD_NAME = "100% a%20b %(x)s #1 [b] {{c}} it's a&b=c; $HOME, `é` 日本 \u200e~@+!^"
ODD_NAME += "" if os.name == "nt" else '"<?>*\\|\n\t'


@pytest.fixture
def odd_folder(step, tmp_path):
    """Return a copy of the step in a folder whose name nobody has thought of."""
    return bare_copy(step.folder, tmp_path / ODD_NAME / step.folder.name)


def test_a_step_works_in_a_folder_of_any_name(step, odd_folder, monkeypatch):
    monkeypatch.delenv("DATABASE_URL", raising=False)
    app = make_app(load_step(odd_folder), CONFIG)
    if step.number >= FIRST_WITH_DATABASE:
        with app.app_context():
            flask_migrate.upgrade()

    assert app.test_client().get("/login").status_code == 200
    if step.number >= FIRST_WITH_DATABASE:
        assert (odd_folder / "instance" / "door.db").exists()
    if step.number >= FIRST_IN_PRODUCTION:
        assert app.test_client().get("/readyz").data == b"ready\n"


@since("04c")
@never_red("step 03 makes no files")
def test_the_keys_are_kept_where_a_file_can_have_one_name_only(
    step, clock, tmp_path, monkeypatch
):
    def refuse(*names, **how):
        raise PermissionError(1, "Operation not permitted")  # as exFAT does

    module = load_step(step.folder)
    app = step.start(clock).app
    monkeypatch.setattr(app, "instance_path", str(tmp_path / "instance"))
    for name in ("link", "symlink", "chmod", "rename", "replace"):
        monkeypatch.setattr(os, name, refuse)

    key = module.load_or_create_key(app, "TOTP_KEYS")

    assert re.fullmatch("[0-9a-f]{64}", key)
    assert module.load_or_create_key(app, "TOTP_KEYS") == key
    assert module.load_or_create_key(app, "SECRET_KEY") != key


@since("04c")
@never_red("step 03 makes no files")
def test_the_key_is_that_of_the_process_that_was_faster(
    step, clock, tmp_path, monkeypatch
):
    module = load_step(step.folder)
    app = step.start(clock).app
    monkeypatch.setattr(app, "instance_path", str(tmp_path))
    keys = ["ours", "theirs"]
    found = []

    def make_key(size):
        key = keys.pop(0)
        if keys:  # while we make ours, the other process does all
            found.append(module.load_or_create_key(app, "TOTP_KEYS"))
        return key

    monkeypatch.setattr(secrets, "token_hex", make_key)
    found.append(module.load_or_create_key(app, "TOTP_KEYS"))

    assert found == ["theirs", "theirs"]


@since("04c")
@never_red("step 03 makes no files")
def test_a_key_file_of_earlier_days_still_counts(step, clock, tmp_path, monkeypatch):
    module = load_step(step.folder)
    app = step.start(clock).app
    monkeypatch.setattr(app, "instance_path", str(tmp_path))
    (tmp_path / "totp_keys").write_text("0f" * 32)  # no line end

    assert module.load_or_create_key(app, "TOTP_KEYS") == "0f" * 32


@since("04a")
def test_an_sqlite_that_is_too_old_is_named_at_the_start(step, clock, monkeypatch):
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 34, 1))
    monkeypatch.setattr(sqlite3, "sqlite_version", "3.34.1")

    refusal = ""
    try:
        step.make(CONFIG | {"SQLALCHEMY_DATABASE_URI": "sqlite://"})
    except click.ClickException as error:
        refusal = str(error)

    assert "SQLite 3.35 or newer is needed" in refusal
    assert "this Python has 3.34.1" in refusal


@since("02")
@never_red("step 01 asks for no code")
@pytest.mark.skipif(not hasattr(time, "tzset"), reason="Windows has one zone for all")
@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "Asia/Kathmandu", "XYZ+12"])
def test_a_code_works_in_any_time_zone(site, monkeypatch, zone):
    with monkeypatch.context() as patch:
        patch.setenv("TZ", zone)
        time.tzset()
        visitor = site.visitor()
        visitor.log_in(site.account())
        is_in = visitor.is_logged_in()
    time.tzset()

    assert is_in


TOLD_TIME = re.compile(r"\b(\d\d:\d\d)(?::\d\d)? UTC")


def times_told(site):
    """Return all times that pages and emails tell."""
    account = site.account_without_factor()
    page = site.visitor().give_password(account)
    texts = [page.fill_in(code=scan(page, site.clock).wrong_code()).text]
    if site.stage.number >= FIRST_WITH_MAIL:
        [[address]] = site.sql("SELECT email FROM users")
        site.visitor().open("/reset").fill_in(email=address)
        fill_in_registration(site.visitor())
        fill_in_registration(site.visitor(), email=address)
        texts += [mail.text for mail in site.mails()]
    return {time for text in texts for time in TOLD_TIME.findall(text)}


@since("03")
@pytest.mark.skipif(not hasattr(time, "tzset"), reason="Windows has one zone for all")
@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "Asia/Kathmandu"])
def test_every_time_that_is_told_is_utc_in_any_time_zone(site, monkeypatch, zone):
    with monkeypatch.context() as patch:
        patch.setenv("TZ", zone)
        time.tzset()
        told = times_told(site)
    time.tzset()

    now = {"20:27"}  # where it is noon for the tests
    with_mail = site.stage.number >= FIRST_WITH_MAIL
    assert told == (now | {"20:37", "20:47"} if with_mail else now)


def settings_of(step):
    """Return the settings that an app has; empty or none is the same."""
    config = step.load(step.folder).create_app(CONFIG).config
    return {name: value for name, value in config.items() if value}


@since("03")
@never_red("the step before has no other settings")
def test_a_setting_that_is_left_empty_is_as_good_as_none(step, monkeypatch):
    example = (step.folder / ".env.example").read_text("utf-8")
    names = re.findall(r"^([A-Z_]+)=", example, re.M)
    for name in names:
        monkeypatch.delenv(name, raising=False)
    without = settings_of(step)
    for name in names:
        monkeypatch.setenv(name, "")

    assert "ISSUER" in names
    assert settings_of(step) == without


@since("04c")
def test_keys_with_blanks_around_them_are_the_same_keys(site, account):
    keys = f"another key that came later , {CONFIG['TOTP_KEYS']} "
    again = site.start_again(TOTP_KEYS=keys)

    again.visitor().log_in(account)
