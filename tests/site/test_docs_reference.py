"""The pages to look things up in: they are made of what they tell about."""

import ast
import re
from pathlib import Path

import flask
import jwt
import pyotp
import pytest
import sqlalchemy
from dotenv import dotenv_values
from flask_sqlalchemy import SQLAlchemy
from werkzeug.security import generate_password_hash

from tests.kit.stage import DEMO_SECRET
from tests.kit.stage import ROOT
from tests.kit.stage import STEPS
from tests.site.built_site import pages_of


def rows_of(page):
    """Return the texts of the cells of the first table of a page."""
    rows = page.css_first("article table").css("tbody tr")
    return [[cell.text(strip=True) for cell in row.css("td")] for row in rows]


@pytest.mark.site
def test_the_settings_are_those_of_the_example_and_the_first_six_are_needed(built):
    example = list(dotenv_values(STEPS["06"] / ".env.example"))
    rows = rows_of(pages_of(built)["configuration/index.html"])

    assert sorted(row[0] for row in rows) == sorted(example)
    needed = [row[0] for row in rows if row[2].startswith("needed")]
    assert sorted(needed) == sorted(example[:6])


# Coming from other tutorials

TEXT = (ROOT / "docs" / "other-tutorials.md").read_text("utf-8")
STOPS = re.findall(r"^\| `(.+?)` \| `(\w+)` \| `(.+?)` \|", TEXT, re.MULTILINE)


@pytest.fixture(scope="module")
def names():
    """Return what the lines of the table talk about."""
    app = flask.Flask("found_on_the_web")
    app.config["SQLALCHEMY_DATABASE_URI"] = "sqlite://"
    key, claims = "a key for tests that is long enough", {"sub": "kim"}
    return {
        "app": app,
        "db": SQLAlchemy(app),
        "code": "123456",
        "password": "four lamps under one umbrella",
        "claims": claims,
        "key": key,
        "token": jwt.encode(claims, key),
        "totp": pyotp.TOTP(DEMO_SECRET),
        "jwt": jwt,
        "TOTP": pyotp.TOTP,
        "random_base32": pyotp.random_base32,
        "create_engine": sqlalchemy.create_engine,
        "generate_password_hash": generate_password_hash,
    }


@pytest.mark.parametrize(("found", "error", "better"), STOPS)
def test_each_old_name_stops_and_its_new_one_works(names, found, error, better):
    with pytest.raises(Exception) as caught:  # noqa: PT011  its name is compared
        exec(found, dict(names))

    assert type(caught.value).__name__ == error
    exec(better, dict(names))


def test_the_table_of_what_stops_is_read():
    assert len(STOPS) >= 13


# The audit log

RECORDING = ("record", "record_rejection", "notify_and_end_other_sessions")


def name_of(function):
    """Return the name by which a function is called, without its module."""
    return getattr(function, "attr", getattr(function, "id", None))


def test_the_table_of_events_has_those_that_the_code_records():
    text = (ROOT / "docs" / "06e-who-did-what.md").read_text("utf-8")
    _, _, table = text.partition('aria-label="Events"')
    listed = re.findall(r"^\| `(\w+)` \|", table.partition("</div>")[0], re.MULTILINE)
    recorded = set()
    for path in (STEPS["06"] / "app").glob("*.py"):
        for call in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(call, ast.Call) and name_of(call.func) in RECORDING:
                recorded |= {
                    argument.value
                    for argument in call.args
                    if isinstance(argument, ast.Constant)
                }

    assert sorted(listed) == sorted(recorded)


# The auditor's page

REQUIREMENTS = {"V6": 35, "V7": 18, "V8": 7, "V11": 14, "V12": 9, "V13": 13}
REQUIREMENTS |= {"V14": 9, "V15": 13, "V16": 16}  # of level 1 and 2, OWASP ASVS 5.0
RESULTS = {"met", "partly", "not", "not applicable"}


def audited():
    """Return the rows of the auditor's page: requirement, result, sentence, test."""
    text = (ROOT / "docs" / "for-auditors.md").read_text("utf-8")
    row = r"^\| (V?\d[\d.]+) \| ([^|]+) \| ([^|]+) \|(?: `(\w+)`)? +\|$"
    return re.findall(row, text, re.MULTILINE)


def test_the_auditor_s_page_has_every_requirement_once():
    names = [name for name, *_ in audited()]
    chapters = [name.partition(".")[0] for name in names if name.startswith("V")]

    assert len(set(names)) == len(names)
    assert {chapter: chapters.count(chapter) for chapter in chapters} == REQUIREMENTS


def test_every_requirement_that_is_met_names_a_test_that_exists():
    files = (ROOT / "tests").rglob("test_*.py")
    known = re.findall(r"^def (test_\w+)", "\n".join(map(Path.read_text, files)), re.M)

    for name, result, sentence, test in audited():
        assert result in RESULTS, name
        assert sentence.endswith("."), name
        assert test in known if test else result != "met", (name, test)
