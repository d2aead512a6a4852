"""The recipes: what a page tells you to copy and to set does what the page says."""

import json
import os
import re
import shutil
import subprocess
import sys
from http.server import BaseHTTPRequestHandler
from http.server import HTTPServer
from io import StringIO

import pytest
import yaml
from dotenv import dotenv_values
from flask import request

from tests.kit.clock import RealClock
from tests.kit.console import commands_of
from tests.kit.production import SETTINGS
from tests.kit.real_browser import Screen
from tests.kit.real_browser import in_background
from tests.kit.real_browser import launch
from tests.kit.real_browser import missing
from tests.kit.real_browser import serve
from tests.kit.stage import ROOT
from tests.kit.stage import STEPS
from tests.kit.stage import Stage
from tests.kit.stage import load_step

RECIPES = ROOT / "docs" / "recipes"
STEP = STEPS["06"]
JUNK = shutil.ignore_patterns("instance", "__pycache__", ".env")
GIT = os.environ | {
    f"GIT_{who}_{what}": "kim@example.org"
    for who in ("AUTHOR", "COMMITTER")
    for what in ("NAME", "EMAIL")
}


def type_in(root, commands):
    """Type commands into a terminal; return the folder that they lead to."""
    if not shutil.which("git"):
        missing("git")
    for command in commands:
        if command.startswith("cd "):
            root = root / command.removeprefix("cd ")
        else:
            subprocess.run(["sh", "-c", command], cwd=root, env=GIT, check=True)
    return root


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    """Return the folder of a service that was made as the page says."""
    root = tmp_path_factory.mktemp("recipe") / "two-steps-in"
    for path in ("steps/06-deploy", "docs/recipes/ai-service"):
        shutil.copytree(ROOT / path, root / path, ignore=JUNK)
    *commands, last = commands_of(RECIPES / "your-own-service.md")
    assert last == "python -m pytest tests"
    return type_in(root, commands)


def test_a_service_of_your_own_keeps_its_promises(service):
    command = [sys.executable, "-W", "error", "-m", "pytest", "-q", "tests"]
    done = subprocess.run(command, cwd=service, capture_output=True, text=True)

    assert done.returncode == 0, done.stdout + done.stderr
    assert int(re.search(r"(\d+) passed", done.stdout)[1]) >= 30
    assert "skipped" not in done.stdout


class Model(BaseHTTPRequestHandler):
    """A server of a model that repeats the question, in two pieces."""

    def do_POST(self):
        """Answer as OpenAI's server does."""
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(200)
        self.end_headers()
        for piece in ("You said ", body["messages"][0]["content"]):
            event = {"choices": [{"delta": {"content": piece}}]}
            self.wfile.write(b"data: %s\n\n" % json.dumps(event).encode())
        self.wfile.write(b"data: [DONE]\n\n")

    def log_message(self, *values):
        """Say nothing."""


@pytest.fixture
def model():
    """Serve the model; return its address."""
    with in_background(HTTPServer(("127.0.0.1", 0), Model)) as server:
        yield f"http://127.0.0.1:{server.server_port}/v1"


@pytest.mark.browser
def test_a_question_on_the_page_is_answered_on_the_page(service, model):
    site = Stage("06", service).start(RealClock(), AI_URL=model)
    account = site.account()
    with serve(site.app) as address, launch() as browser:
        screen = Screen(site, address, browser.new_context()).open("/")
        screen.log_in(account)
        screen.find("#question").fill("<b>Knock</b>")
        screen.find("#ask button").click()
        screen.tab.locator("#answer[aria-busy=false]").wait_for()

        assert screen.find("#answer").inner_text() == "You said <b>Knock</b>"
        assert screen.complaints() == []
        screen.context.clear_cookies()
        screen.find("#ask button").click()
        screen.tab.locator("#answer", has_text="too old").wait_for()


# Settings


def settings_of(page):
    """Return the settings that a page tells you to write into .env."""
    text = (RECIPES / page).read_text("utf-8")
    [block] = re.findall(r'^```ini title=".env"\n(.*?)^```$', text, re.M | re.S)
    return dotenv_values(stream=StringIO(block))


@pytest.fixture
def start(monkeypatch):
    """Return a function that starts the last step in production with settings."""
    for name in dotenv_values(STEP / ".env.example"):
        monkeypatch.delenv(name, raising=False)

    def start(settings):
        for name, value in settings.items():
            monkeypatch.setenv(name, value)
        app = load_step(STEP).create_app({"SQLALCHEMY_DATABASE_URI": "sqlite://"})
        with app.app_context():
            app.extensions["sqlalchemy"].create_all()
        return app

    return start


def test_through_a_tunnel_the_site_has_the_name_of_the_tunnel_alone(start):
    settings = settings_of("show-it-to-your-phone.md")
    keys = {name: SETTINGS[name] for name in ("SECRET_KEY", "TOTP_KEYS")}
    client = start(settings | keys).test_client()
    name = settings["BASE_URL"].removeprefix("https://")
    headers = {"X-Forwarded-For": "192.0.2.1", "X-Forwarded-Proto": "https"}
    with client:
        page = client.get("/login", headers=headers | {"Host": name})

        assert page.status_code == 200
        assert page.headers["Set-Cookie"].startswith("__Host-session=")
        assert request.remote_addr == "192.0.2.1"
    assert client.get("/login", headers={"Host": "127.0.0.1:5000"}).status_code == 400


def test_the_settings_of_a_mail_provider_are_understood(start):
    settings = settings_of("send-mail.md")
    mail = start(SETTINGS | settings | {"MAIL_PASSWORD": "a-key"}).extensions["mail"]

    assert (mail.server, mail.port) == ("smtp.sendgrid.net", 587)
    assert (mail.use_tls, mail.username, mail.password) == (True, "apikey", "a-key")


def test_the_containers_are_told_all_that_the_app_asks_for(start):
    compose = yaml.safe_load((STEP / "compose.yaml").read_text("utf-8"))
    keys = {name: SETTINGS[name] for name in ("SECRET_KEY", "TOTP_KEYS")}

    for name in ("migrate", "web", "worker"):
        told = compose["services"][name]["environment"]
        url = re.sub(
            r"\$\{POSTGRES_PASSWORD:\?.*?\}", "a-password", told["DATABASE_URL"]
        )
        assert start(keys | told | {"DATABASE_URL": url})


def test_the_page_about_deployment_copies_and_sets_all_that_is_needed():
    commands = commands_of(RECIPES / "deploy.md")
    copied = [c for c in commands if c.startswith(("cp door-web", "cp error"))]
    files = [name for c in copied for name in c.split()[1:-1]]

    assert sorted([*files, "nginx.conf", "database.sql"]) == sorted(
        path.name for path in (STEP / "deploy").iterdir()
    )
    told = re.findall(r"(\w+)=", " ".join(c for c in commands if "config:set" in c))
    assert {*SETTINGS} <= {*told, "DATABASE_URL"}


def test_a_repository_of_your_own_holds_the_app_and_no_secret(tmp_path):
    shutil.copytree(STEP, tmp_path / "here/steps/06-deploy", ignore=JUNK)
    (tmp_path / "here/steps/06-deploy/.env").write_text("SECRET_KEY=a-secret")
    commands = commands_of(RECIPES / "deploy.md")
    until = next(n for n, c in enumerate(commands) if c.startswith("git commit"))
    root = type_in(tmp_path / "here", commands[: until + 1])
    listed = ["git", "ls-files"]
    files = subprocess.run(listed, cwd=root, capture_output=True, text=True).stdout

    assert {"Dockerfile", ".dockerignore", ".env.example", "Procfile"} <= {
        *files.splitlines()
    }
    assert ".env" not in files.splitlines()
