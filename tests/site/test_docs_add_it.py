"""The lines that a page tells developers to add do in chapter 04 what the page says."""

import re
import shutil
from datetime import date

import pytest

from tests.kit.clock import RealClock
from tests.kit.phone import scan
from tests.kit.stage import ROOT
from tests.kit.stage import STEPS
from tests.kit.stage import Stage
from tests.kit.stage import register

STANDS_IN = """\
from datetime import date

EVERYBODY = date(2100, 1, 1)
User.wants_second_factor = False
"""


@pytest.fixture
def site(tmp_path):
    """Start chapter 04 with the lines of the page."""
    folder = tmp_path / "app-of-somebody"
    hidden = shutil.ignore_patterns("instance", "__pycache__", ".env")
    shutil.copytree(STEPS["04"], folder, ignore=hidden)
    text = (ROOT / "docs" / "add-it.md").read_text("utf-8")
    switch, login, loader, end = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    app = folder / "app"
    with (app / "users.py").open("a", encoding="utf-8") as users:
        users.write(f"{STANDS_IN}\n{switch}")
    put_before(
        app / "auth.py",
        "            pending_login.begin_pending_login(user)\n",
        login,
    )
    put_before(app / "enrolment.py", "    sessions.log_in(user)\n", end)
    put_before(app / "enrolment.py", "from .db import db\n", "from . import users\n")
    last = "    return user if user and user.second_factor else None\n"
    put_before(app / "sessions.py", last, loader)
    return Stage("04", folder).start(RealClock())


def put_before(path, line, new):
    """Put lines before the one line of a file that reads so."""
    text = path.read_text("utf-8")
    assert text.count(line) == 1
    path.write_text(text.replace(line, new + line), "utf-8")


def test_a_second_factor_can_be_offered_first_and_asked_for_later(site):
    users = site.stage.load(site.stage.folder).users
    account = register(site.visitor())
    early, owner, late = (site.visitor() for _ in range(3))

    assert early.give_password(account).path == "/"
    users.User.wants_second_factor = True
    assert not early.is_logged_in()
    page = owner.give_password(account)
    assert page.path == "/enrol"
    page.fill_in(code=scan(page, RealClock()).code())
    assert owner.is_logged_in()
    assert not early.is_logged_in()
    users.User.wants_second_factor = False
    assert not early.is_logged_in()
    assert late.give_password(account).path == "/login/code"


def test_from_a_day_on_everybody_is_asked(site):
    users = site.stage.load(site.stage.folder).users
    account = register(site.visitor())
    users.EVERYBODY = date.today()

    assert site.visitor().give_password(account).path == "/enrol"
