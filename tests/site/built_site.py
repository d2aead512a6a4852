"""The site, built once for all tests that look at it."""

import shutil
import subprocess
import sys
from functools import partial
from http.server import SimpleHTTPRequestHandler
from http.server import ThreadingHTTPServer
from threading import Thread

import pytest
from selectolax.lexbor import LexborHTMLParser

from tests.kit.real_browser import need
from tests.kit.stage import ROOT

DOCS_IN = "-r requirements/docs.in"

OF_THE_THEME = {"landmark-unique": {"enabled": False}}  # its copy buttons are


@pytest.fixture(scope="session")
def source(tmp_path_factory):
    """Return a folder with all that the site is built from."""
    for module in ("mkdocs", "material", "tools.stepdocs"):
        need(module, DOCS_IN)
    folder = tmp_path_factory.mktemp("source")
    shutil.copytree(ROOT / "docs", folder / "docs")
    shutil.copy(ROOT / "mkdocs.yml", folder)
    # MkDocs checks that they are there, because it could watch them.
    for name in ("live", "steps", "tools", "tests"):
        (folder / name).mkdir()
    shutil.copytree(ROOT / "tools" / "theme", folder / "tools" / "theme")
    return folder


def run(folder, *command):
    """Run a builder as a maintainer does, but in another folder."""
    environment = {"PYTHONPATH": str(ROOT), "NO_MKDOCS_2_WARNING": "1"}
    return subprocess.run(
        [sys.executable, "-m", *command],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="session")
def built(source):
    """Return the site as MkDocs builds it."""
    done = run(source, "mkdocs", "build", "--strict", "-d", "site")
    assert done.returncode == 0, done.stderr
    return source / "site"


class Silent(SimpleHTTPRequestHandler):
    """Gives out files without a line for each."""

    def log_message(self, *values):
        """Say nothing."""


@pytest.fixture(scope="session")
def address(built):
    """Serve the site from this process."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Silent, directory=built))
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def pages_of(site):
    """Return the pages of a site by their paths, without those that only redirect."""
    pages = {
        path.relative_to(site).as_posix(): LexborHTMLParser(path.read_text("utf-8"))
        for path in sorted(site.rglob("*.html"))
        if path.name != "404.html"
    }
    return {name: page for name, page in pages.items() if page.css("article")}
