"""What each test is given: a step, its site, a visitor, an account, a clock."""

import logging
import os
import ssl
from contextlib import ExitStack
from functools import cache

import pytest
import time_machine
from qrcode import QRCode

from tests.kit.accounts import register_kim
from tests.kit.clock import MovableClock
from tests.kit.clock import RealClock
from tests.kit.mailbox import Mailbox
from tests.kit.real_browser import Screen
from tests.kit.real_browser import launch
from tests.kit.real_browser import serve
from tests.kit.running import RemoteSite
from tests.kit.running import RemoteStage
from tests.kit.stage import Stage
from tests.kit.stage import close_databases
from tests.kit.stage import folder_of

# tests with one of these see what the app writes: the registration as well
READS = {"log", "caplog", "capsys", "capfd"}
NOON = 1_780_000_020  # the beginning of a time step
BEST_MASK_PATTERN = QRCode.best_mask_pattern  # before it is made quick


@pytest.fixture(autouse=True, scope="session")
def quick_qr_codes():
    """Draw QR codes without looking for the prettiest one; readers do not mind."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(QRCode, "best_mask_pattern", lambda code: 0)
        yield


@pytest.fixture(autouse=True, scope="session")
def quick_certificates():
    """Read the certificates that this computer trusts once, not for each email."""
    make_context = ssl.create_default_context

    @cache
    def context_of(trusted_file):
        return make_context()

    def create_context(**how):
        return make_context(**how) if how else context_of(os.getenv("SSL_CERT_FILE"))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ssl, "create_default_context", create_context)
        yield


@pytest.fixture(autouse=True)
def closed_databases():
    """Leave no connection open."""
    yield
    close_databases()


@pytest.fixture
def step(request):
    """Return the stage that the test runs against: the number is its parameter."""
    own, url = (request.config.getoption(option) for option in ("--app", "--url"))
    number, folder = request.param[:2], own and own.resolve()
    stage = Stage(number, folder or folder_of(request.param), own=bool(own))
    if url:
        stage = RemoteStage(number)
    stage.names = request.config.getoption("--map") or stage.names
    return stage


@pytest.fixture
def clock(request):
    """Return the clock: it stands still, except in front of a running server."""
    if request.config.getoption("--url"):
        yield RealClock()
        return
    with time_machine.travel(NOON, tick=False) as traveller:
        yield MovableClock(traveller)


@pytest.fixture
def site(request, step, clock):
    """Return the running app, with nothing in its memory."""
    url, file = (request.config.getoption(o) for o in ("--url", "--mailbox"))
    if url:
        may_lock = request.node.get_closest_marker("last") is not None
        return RemoteSite(step, url, clock, Mailbox(file) if file else None, may_lock)
    site = step.start(clock)
    if READS.intersection(request.fixturenames):
        site.is_fresh = False
    return site


@pytest.fixture
def log(request, caplog):
    """Return all that the app writes to its log."""
    if request.config.getoption("--url"):
        pytest.skip("not run with --url: the test reads the log")
    caplog.set_level(logging.DEBUG)
    return caplog


@pytest.fixture
def visitor(site):
    """Return a visitor who was never here."""
    return site.visitor()


@pytest.fixture
def account_without_factor(site):
    """Return an account without a second factor."""
    return site.account_without_factor()


@pytest.fixture
def account(site):
    """Return an account with all that the step asks for."""
    return site.account()


@pytest.fixture
def kim(site):
    """Return the account of kim, whose address and mails we know."""
    return register_kim(site)


@pytest.fixture
def authenticator(account):
    """Return the phone of the account."""
    return account.authenticator


@pytest.fixture(scope="module")
def browser(request):
    """Return the browser; it starts before any clock stands still."""
    if request.config.getoption("--url"):
        pytest.skip("not run with --url: the test serves the app itself")
    with launch() as browser:
        yield browser


@pytest.fixture(scope="module")
def profile(browser):
    """Return a profile for all tests: its renderer is warm, its cookies are cleared."""
    with browser.new_context() as context:
        context.new_page()  # keeps the renderer
        yield context


@pytest.fixture
def new_screen(profile, step, clock, monkeypatch):
    """Return a function that serves the step afresh and opens a tab in front of it."""
    # QR codes as the apps draw them: here they are scanned
    monkeypatch.setattr(QRCode, "best_mask_pattern", BEST_MASK_PATTERN)
    profile.clear_cookies()
    profile.clear_permissions()
    with ExitStack() as stack:

        def open_screen(context=profile, **config):
            site = step.start(clock, **config)
            address = stack.enter_context(serve(site.app))
            screen = Screen(site, address, context)
            stack.callback(screen.tab.close)
            return screen

        yield open_screen


@pytest.fixture
def screen(new_screen):
    """Return a tab in front of the step, as it comes."""
    return new_screen()
