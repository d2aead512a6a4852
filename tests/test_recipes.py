"""The recipes: what a page tells you to copy and to set does what the page says."""

import json
import re
import shutil
import subprocess
import sys
import textwrap
from http.server import BaseHTTPRequestHandler
from http.server import HTTPServer
from threading import Thread

import pytest

from tests.clock import RealClock
from tests.real_browser import Screen
from tests.real_browser import launch
from tests.real_browser import missing
from tests.real_browser import serve
from tests.stage import ROOT
from tests.stage import Stage
from tests.test_docs_commands import COMMAND
from tests.test_docs_commands import FENCE

RECIPES = ROOT / "docs" / "recipes"
JUNK = shutil.ignore_patterns("instance", "__pycache__", ".env")


def commands_of(page):
    """Return the commands of a page for Linux and macOS, in their order."""
    text = (RECIPES / page).read_text("utf-8")
    blocks = [textwrap.dedent(code) for _, kind, code in FENCE.findall(text)]
    return [command for code in blocks for command, _ in COMMAND.findall(code)]


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    """Return the folder of a service that was made as the page says."""
    root = tmp_path_factory.mktemp("recipe") / "two-steps-in"
    for path in ("steps/06-deploy", "docs/recipes/ai-service"):
        shutil.copytree(ROOT / path, root / path, ignore=JUNK)
    if not shutil.which("git"):
        missing("git")
    *commands, last = commands_of("your-own-service.md")
    assert last == "python -m pytest tests"
    for command in commands:
        if command.startswith("cd "):
            root = root / command.removeprefix("cd ")
        else:
            subprocess.run(["sh", "-c", command], cwd=root, check=True)
    return root


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
    with HTTPServer(("127.0.0.1", 0), Model) as server:
        thread = Thread(target=server.serve_forever, args=[0.01])
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/v1"
        server.shutdown()
        thread.join()


@pytest.mark.browser
def test_a_question_on_the_page_is_answered_on_the_page(service, model):
    site = Stage("06", service).start(RealClock(), AI_URL=model)
    account = site.account()
    with serve(site.app) as address, launch() as browser:
        screen = Screen(site, address, browser.new_context()).open("/")
        screen.log_in(account)
        screen.find("#question").fill("<b>Knock</b>")
        screen.find("#ask button").click()
        screen.tab.wait_for_function("answer.ariaBusy == 'false'")

        assert screen.find("#answer").inner_text() == "You said <b>Knock</b>"
        assert screen.complaints() == []
        screen.context.clear_cookies()
        screen.find("#ask button").click()
        screen.tab.wait_for_function("answer.textContent.includes('too old')")
