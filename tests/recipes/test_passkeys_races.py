"""Passkeys, used many times at once: four processes and one database."""

import html
import json
import sys

import pytest

from tests.concurrency.races import logged_in
from tests.kit.servers import Server
from tests.kit.servers import Shot
from tests.kit.servers import fire
from tests.kit.servers import need_gunicorn
from tests.kit.stage import ROOT

pytestmark = pytest.mark.races

MANY = 50
ROUNDS = 5
SITE = "http://127.0.0.1:5000"  # BASE_URL, unless it is set


@pytest.fixture(scope="module")
def device_class():
    """Return the device of the recipe's own tests."""
    sys.path.insert(0, str(ROOT / "docs/recipes/passkeys/tests"))
    try:
        import passkey_device  # noqa: PLC0415
    finally:
        sys.path.pop(0)
    return passkey_device.Device


@pytest.fixture
def server(request, service_with):
    """Return four processes that serve the recipe; they have nothing to complain of."""
    need_gunicorn(request.config)
    with Server(service_with("passkeys")) as server:
        yield server
        assert not server.complaints(), server.log


def options_of(page):
    """Return what a page has the browser ask a device."""
    field = page.find("[name=credential]").attributes
    return json.loads(html.unescape(field["data-options"]))


def reauthenticated(server, account, path):
    """Return a logged-in visitor's form for a change, filled in with a fresh code."""
    page = server.logged_in(account).open(path)
    code = account.recovery_code()
    return Shot.of(page, current_password=account.password, code=code)


def with_passkey(server, device):
    """Return an account that has a passkey, and the visitor who added it."""
    account = server.account()
    visitor = server.logged_in(account)
    page = visitor.open("/account/passkeys/new")
    code = account.recovery_code()
    page = page.fill_in(current_password=account.password, code=code)
    answer = device.create(options_of(page))
    page = page.fill_in(name="Laptop", credential=answer)
    assert page.path == "/account/passkeys", page.text
    return account, visitor


def pending(server, account):
    """Give the password, and return the page that asks for a passkey."""
    visitor = server.visitor()
    visitor.give_password(account)
    return visitor.open("/login/passkey")


def test_of_fifty_copies_of_a_signature_one_logs_in(server, device_class):
    for _ in range(ROUNDS):
        device = device_class(SITE)
        account, _ = with_passkey(server, device)
        page = pending(server, account)
        shot = Shot.of(page, credential=device.get(options_of(page)))

        assert logged_in(server, fire(server, [shot] * MANY)) == 1


def test_of_two_devices_with_one_count_one_logs_in(server, device_class):
    for _ in range(ROUNDS):
        device = device_class(SITE)
        account, _ = with_passkey(server, device)
        shots = []
        for _ in range(4):  # four copies of the device, which count on from 7
            page, device.count = pending(server, account), 7
            shots.append(Shot.of(page, credential=device.get(options_of(page))))

        assert logged_in(server, fire(server, shots)) == 1


def test_a_passkey_that_is_added_many_times_at_once_is_there_once(server, device_class):
    device = device_class(SITE)
    account = server.account()
    page = server.logged_in(account).open("/account/passkeys/new")
    code = account.recovery_code()
    page = page.fill_in(current_password=account.password, code=code)
    answer = device.create(options_of(page))
    fire(server, [Shot.of(page, name="Laptop", credential=answer)] * MANY)

    assert server.ask_database("SELECT count(*) FROM passkeys") == [(1,)]


def test_removing_the_last_one_and_passkeys_only_lock_nobody_out(server, device_class):
    for _ in range(ROUNDS):
        account, _ = with_passkey(server, device_class(SITE))
        [(number,)] = server.ask_database("SELECT max(id) FROM passkeys")
        paths = (f"/account/passkeys/{number}/remove", "/account/passkeys/only")
        fire(server, [reauthenticated(server, account, path) for path in paths])
        visitor = server.visitor()
        page = visitor.give_password(account)

        is_there = server.ask_database("SELECT 1 FROM passkeys WHERE id = ?", number)
        assert page.path == ("/login/passkey" if is_there else "/login/code")
