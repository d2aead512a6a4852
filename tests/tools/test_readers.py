"""The check of a reader's own app: what it says about apps that are not ours."""

import re
import shutil
import subprocess
import sys
from xml.etree import ElementTree

import pytest
from selectolax.lexbor import LexborHTMLParser

from tests.kit import names
from tests.kit import own_app
from tests.kit.mailbox import Mailbox
from tests.kit.mailbox import read_mails
from tests.kit.names import read_names
from tests.kit.report import CHAPTERS
from tests.kit.report import HEADINGS
from tests.kit.stage import ROOT
from tests.kit.stage import STEPS
from tests.kit.stops import anchor_of
from tests.kit.visitor import contents
from tests.tools.terminal import run

READERS = ROOT / "tests" / "fixtures" / "readers"
PASSWORD_PAGE = "tests/contract/test_password_page.py"


def counts(output, number):
    """Return how much of a step an app keeps, how much there is, and was not run."""
    line = rf"^(\d+) of (\d+) of step {number}(?:, (\d+) not run)?, in what was named$"
    [found] = re.findall(line, output, re.MULTILINE)
    return tuple(int(count or 0) for count in found)


def test_an_app_in_one_file_is_understood_and_told_what_it_gives_away(tmp_path):
    app, junit = READERS / "one_file", tmp_path / "results.xml"
    options = [f"--app={app}", f"--map={app / 'map.toml'}", f"--junit-xml={junit}"]

    status, output = run("steps/01", PASSWORD_PAGE, *options)

    assert status == 1
    kept, asked, missed = counts(output, "01")
    assert (0 < kept < asked, missed) == (True, 0)
    assert "Next: An unknown name and a wrong password get the same answer" in output
    assert "Read: docs/01-basic-login.md#3-ask-refuse-let-in" in output
    assert "See the change" not in output
    suite = ElementTree.parse(junit).find("testsuite")
    assert suite.get("name") == "step 01: one_file"
    results = {case.get("name"): case for case in suite.iter("testcase")}
    case = results["A user who logs in sees their name"]
    assert (case.get("classname"), list(case)) == ("step 01", [])
    case = results["A missing field is refused in words (username)"]
    assert case.find("failure") is not None
    assert len(results) == int(suite.get("tests"))


def test_an_app_of_class_based_views_keeps_step_01_and_forgot_that_codes_are_used_up():
    files = [PASSWORD_PAGE, "tests/contract/test_code_page.py"]
    asked = "costs_the_same or in_the_place or sees_their_name or works_once or window"

    status, output = run(
        "steps/02", *files, f"--app={READERS / 'class_views'}", "-k", asked
    )

    assert status == 1
    kept, asked, missed = counts(output, "01")
    assert (kept, asked - missed) == (3, 3)
    kept, asked, missed = counts(output, "02")
    assert (kept, asked - missed) == (1, 3)
    assert "Next: A code works once" in output
    assert "Read: docs/02-totp-verify.md#5-a-code-works-once" in output
    assert "git diff --no-index steps/01-basic-login steps/02-totp-verify" in output


@pytest.fixture
def plain_server():
    """Return the address of the server that has no framework."""
    command = [sys.executable, READERS / "wsgi" / "server.py"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        yield process.stdout.readline().strip()
        process.terminate()


def test_a_server_without_a_framework_is_told_what_it_lacks_and_what_was_not_asked(
    plain_server,
):
    files = [PASSWORD_PAGE, "tests/contract/test_session.py"]

    status, output = run("steps/01", *files, f"--url={plain_server}")

    assert status == 1
    assert "1 promise not run with --url: the test moves the clock" in output
    kept, asked, missed = counts(output, "01")
    assert 10 < kept < asked - missed
    assert missed == 2
    assert "Next: A file in the place of text is refused" in output


@pytest.fixture
def mailing_server(tmp_path):
    """Return the address of step 05 and the file into which it prints its mails."""
    file = tmp_path / "mails"
    program = (
        "from werkzeug.serving import make_server\n"
        "from tests.kit.stage import STEPS, Stage\n"
        'stage = Stage("05", STEPS["05"])\n'
        "app = stage.start(None, MAIL_IN_BACKGROUND=True).app\n"
        'server = make_server("127.0.0.1", 0, app, threaded=True)\n'
        'print(f"http://127.0.0.1:{server.port}", flush=True)\n'
        "server.serve_forever()\n"
    )
    with file.open("w") as output:
        command = [sys.executable, "-c", program]
        process = subprocess.Popen(
            command, cwd=ROOT, stdout=output, stderr=subprocess.DEVNULL
        )
        while not file.read_text():
            assert process.poll() is None
        yield file.read_text().strip(), file
        process.terminate()
        process.wait()


def test_the_mails_of_a_running_server_are_read_from_a_file(mailing_server):
    url, file = mailing_server
    some = "proves_a_new_address or typed_with_blanks"
    command = ["steps/05", "tests/contract/test_verify.py", f"--url={url}", "-k", some]

    status, output = run(*command, f"--mailbox={file}")

    assert status == 0, output
    kept = re.findall(r"^(\d+) of \d+ of (page 05b|step 05),", output, re.MULTILINE)
    assert kept == [("1", "page 05b"), ("1", "step 05")]


def test_a_mail_is_read_when_it_is_whole_and_only_once(tmp_path):
    file = tmp_path / "mails"
    file.write_text("To: old@example.org\nSubject: Old\n\n12345678\n\n", "utf-8")
    mailbox = Mailbox(file)
    with file.open("a", encoding="utf-8") as output:
        output.write("\nTo: kim@example.org\nSubject: New\n\n87654321\n\n")

    [mail] = read_mails(mailbox.new_text())

    assert (mail.to, mail.code) == ("kim@example.org", "87654321")


@pytest.fixture
def own_folder(tmp_path, monkeypatch):
    """Return an empty folder for an app; nothing of it stays in this process."""
    monkeypatch.setattr(sys, "path", sys.path[:])
    monkeypatch.setenv("FLASK_RUN_FROM_CLI", "true")
    yield tmp_path
    sys.modules.pop("app", None)


FLASK = "from flask import Flask\n"
NO_DATABASE = f"{FLASK}app = Flask(__name__)\napp.run()"
OWN_DATABASE = f"{FLASK}def create_app(config): return Flask('x')"
NO_MIGRATIONS = f"""{FLASK}
def create_app(config):
    app = Flask('x')
    app.config.update(config)
    return app
"""


@pytest.mark.parametrize(
    ("number", "file", "text", "words"),
    [
        ("01", "main.py", "", "There is: main.py."),
        ("01", "app/main.py", "", "The folder app needs a file __init__.py."),
        ("01", "app.py", "", "app.py has neither create_app(config=None) nor app"),
        ("01", "app.py", "def create_app(): pass", "has to take one argument"),
        ("01", "app.py", "def create_app(config=None): pass", "create_app returned"),
        ("01", "app.py", "def app(environ, start): pass", "is no Flask app"),
        ("01", "app.py", "def create_app(:", "invalid syntax"),
        ("01", "app.py", "raise SystemExit('no')", "SystemExit: no"),
        ("04", "app.py", NO_DATABASE, "the tests bring a database of their own"),
        ("04", "app.py", OWN_DATABASE, "would write into your own database"),
        ("04", "app.py", NO_MIGRATIONS, "the app has no Flask-Migrate"),
    ],
)
def test_an_app_that_cannot_be_checked_is_told_why(
    own_folder, number, file, text, words
):
    (own_folder / file).parent.mkdir(exist_ok=True)
    (own_folder / file).write_text(text, "utf-8")

    with pytest.raises(pytest.UsageError, match=re.escape(words)):
        own_app.check(own_folder, number)


def test_an_app_without_migrations_names_what_makes_its_tables(own_folder):
    (own_folder / "app.py").write_text(NO_MIGRATIONS, "utf-8")
    own_names = names.ContractMap(app={"create_tables": "app:create_tables"})

    assert own_app.check(own_folder, "04", own_names) == set()


def test_the_package_itself_is_not_the_folder_around_it(own_folder):
    (own_folder / "app").mkdir()
    (own_folder / "app" / "__init__.py").touch()

    with pytest.raises(pytest.UsageError, match="name the folder around it"):
        own_app.check(own_folder / "app", "01")


def test_an_app_that_fails_at_the_start_shows_its_own_lines_and_none_of_ours(
    own_folder,
):
    app = own_folder / "app.py"
    app.write_text("def half():\n    return 1 / 0\n\n\nhalf()\n", "utf-8")

    with pytest.raises(pytest.UsageError) as caught:
        own_app.check(own_folder, "01")

    text = str(caught.value)
    assert text.startswith("--app: the app cannot be imported:\n\nTraceback")
    assert f'File "{app}", line 5, in <module>' in text
    assert text.endswith("ZeroDivisionError: division by zero")
    assert text.count('File "') == 2


def test_every_heading_to_which_a_failure_leads_exists():
    links = {link for of_file in HEADINGS.values() for link in of_file.values()}
    for link in links | set(CHAPTERS.values()):
        file, _, anchor = link.partition("#")
        text = (ROOT / file).read_text("utf-8")
        found = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
        assert anchor in [anchor_of(title) for title in found], link
    assert CHAPTERS.keys() == STEPS.keys()
    for name in HEADINGS:
        assert list((ROOT / "tests").glob(f"*/{name}.py"))


MAPPED = """
[user]
username = "ann@example.org"

[paths]
"/login" = "/signin"
"/reset/<token>" = "/forgotten/<token>/now"

[fields]
username = "mail"
code = "otp"

[fields."/enrol"]
code = "first_code"

[elements]
secret = "code.key"
"""
PAGE = b"""<a href="signin">in</a><code class="key">ABC</code>
<form><input name="mail"></form><form action="/enrol"><input name="first_code"></form>
"""


@pytest.fixture
def mapped(tmp_path):
    """Return the names of an app that has some of its own."""
    file = tmp_path / "map.toml"
    file.write_text(MAPPED, "utf-8")
    return read_names(file)


@pytest.mark.parametrize(
    ("path", "data", "there", "sent"),
    [
        ("/login?next=/x", {"username": "a"}, "/signin?next=/x", {"mail": "a"}),
        ("/login/code", {"code": "1"}, "/login/code", {"otp": "1"}),
        ("/enrol", {"code": "1"}, "/enrol", {"first_code": "1"}),
        ("/reset/abc", b"username=a&x=1", "/forgotten/abc/now", b"mail=a&x=1"),
        ("/login", b'; name="username"', "/signin", b'; name="mail"'),
        ("/login", b"password=username", "/signin", b"password=username"),
        ("/login", ["other"], "/signin", ["other"]),
    ],
)
def test_a_request_goes_out_with_the_names_of_the_app(mapped, path, data, there, sent):
    assert mapped.to_app(path, {"data": data}) == (there, {"data": sent})


def test_an_answer_comes_in_with_the_names_of_the_contract(mapped):
    headers = {"Location": "http://localhost/forgotten/abc/now?x=1"}
    headers["Content-Type"] = "text/html; charset=utf-8"

    _, headers, body = mapped.from_app("/login?next=/x", 200, headers, PAGE)

    assert headers["Location"] == "http://localhost/reset/abc?x=1"
    assert b'<a href="/login">' in body
    assert b'<form action="/login?next=/x"><input name="username">' in body
    assert b'<form action="/enrol"><input name="code">' in body
    assert b'id="secret">ABC<' in body


@pytest.mark.parametrize("address", ["//e.com", "//[::1", "/other", "/\t/e.com"])
def test_an_address_that_is_not_in_the_map_stays_as_it_is(mapped, address):
    assert mapped.contract_path(address, "/signin") == address


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[path]\n"/login" = "/x"', "no table"),
        ('[paths]\n"/signin" = "/login"', "left side"),
        ("[fields]\nusername = 1", "a text in quotes"),
        ("[fields", "Expected"),
    ],
)
def test_a_map_that_cannot_be_understood_says_why(tmp_path, text, words):
    file = tmp_path / "map.toml"
    file.write_text(text, "utf-8")

    with pytest.raises(ValueError, match=words):
        read_names(file)


MAP = '[paths]\r\n"/login" = "/für-alle"\r\n'


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_a_map_is_read_as_editors_of_windows_write_it(tmp_path, encoding):
    file = tmp_path / "map.toml"
    file.write_bytes(MAP.encode(encoding))

    assert read_names(file).to_app("/login", {})[0] == "/für-alle"


@pytest.mark.parametrize("encoding", ["cp1252", "utf-16"])
def test_a_map_that_is_no_utf_8_is_named(tmp_path, encoding):
    file = tmp_path / "map.toml"
    file.write_bytes(MAP.encode(encoding))

    with pytest.raises(ValueError, match="map.toml is not UTF-8: save it as UTF-8"):
        read_names(file)


def test_the_map_that_the_page_shows_is_one(tmp_path):
    page = (ROOT / "docs" / "your-own-app.md").read_text("utf-8")
    [text, _] = re.findall(r"^```toml\n(.+?)^```$", page, re.MULTILINE | re.DOTALL)
    file = tmp_path / "map.toml"
    file.write_text(text, "utf-8")

    assert read_names(file).to_app("/login", {})[0] == "/signin"


def test_the_map_knows_each_path_and_field_of_the_contract():
    text = (ROOT / "docs" / "contract.md").read_text("utf-8")
    rows = re.findall(r"^\| 0\d \| `(/\S*)` \| [A-Z ]+ \|(.*)\|$", text, re.MULTILINE)

    fields = {name for _, cell in rows for name in re.findall(r"`(\w+)`", cell)}
    assert {path for path, _ in rows} == names.PATHS
    assert fields | {"csrf_token", "resend"} == names.FIELDS


FORM_WITH_BOXES = """
<form>
  <input name="username">
  <input name="stay" type="checkbox" value="y">
  <input name="news" type="checkbox" value="y" checked>
</form>
"""


def test_a_box_is_sent_if_it_is_ticked():
    form = LexborHTMLParser(FORM_WITH_BOXES).css_first("form")

    assert contents(form) == {"username": "", "news": "y"}


# An app in which nobody registers

PEOPLE = """
from . import passwords
from . import users
from .db import db


def add_person(username, email, password):
    users.create(username, email, passwords.hash_password(password))
    db.session.commit()
"""
COMPANY = """
[paths]
"/register" = ""

[app]
create_user = "app.people:add_person"
migrations = "db/migrations"
"""


@pytest.fixture
def company(tmp_path):
    """Return the folder of such an app: it is step 04, and its operators add users."""
    shutil.copytree(STEPS["04"] / "app", tmp_path / "app")
    shutil.copytree(STEPS["04"] / "migrations", tmp_path / "db" / "migrations")
    (tmp_path / "app" / "people.py").write_text(PEOPLE, "utf-8")
    factory = tmp_path / "app" / "__init__.py"
    text = factory.read_text("utf-8")
    factory.write_text(text.replace("    registration,\n", "", 1), "utf-8")
    login = tmp_path / "app" / "templates" / "login.html"
    lines = login.read_text("utf-8").splitlines()
    login.write_text("\n".join(x for x in lines if "registration" not in x), "utf-8")
    (tmp_path / "map.toml").write_text(COMPANY, "utf-8")
    return tmp_path


def test_an_app_without_registration_names_what_makes_a_user(company):
    some = "a_recovery_code_works_once or odd_address_is_refused"
    options = [f"--app={company}", f"--map={company / 'map.toml'}", "-k", some]

    status, output = run("steps/04", *options)

    assert status == 0, output
    assert "not offered by this app: /register" in output
