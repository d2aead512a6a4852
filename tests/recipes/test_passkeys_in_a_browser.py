"""The recipe with passkeys in a real browser: at our address, and at one like it."""

from contextlib import contextmanager

import pytest
from werkzeug.test import Client
from werkzeug.wrappers import Request

from tests.kit.real_browser import Screen
from tests.kit.real_browser import launch
from tests.kit.real_browser import serve

pytestmark = pytest.mark.browser

DEVICE = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
}


class LookAlike:
    """Shows an app of this process at another address, and keeps the cookies.

    It is handed the app itself and no address, so it can stand before nothing else.
    """

    def __init__(self, app):
        self.thief = Client(app)

    def __call__(self, environ, start_response):
        sent = Request(environ)
        how = {"method": sent.method, "content_type": sent.content_type}
        answer = self.thief.open(sent.full_path, data=sent.get_data(), **how)
        answer.headers.remove("Set-Cookie")
        return answer(environ, start_response)

    def is_logged_in(self):
        """Return whether the protected page opens for the thief."""
        return self.thief.get("/").status_code == 200


def named(address, name):
    """Return an address of this machine under another name."""
    return address.replace("127.0.0.1", name)


class Device:
    """A virtual authenticator of the browser."""

    def __init__(self, screen):
        self.session = screen.context.new_cdp_session(screen.tab)
        self.session.send("WebAuthn.enable")
        self.id = self.session.send(
            "WebAuthn.addVirtualAuthenticator", {"options": DEVICE}
        )["authenticatorId"]

    def set_verified(self, is_verified):
        """Have the person at the device recognised by it, or not."""
        values = {"authenticatorId": self.id, "isUserVerified": is_verified}
        self.session.send("WebAuthn.setUserVerified", values)


@pytest.fixture
def site(service_with, clock):
    """Return the running app with passkeys."""
    return service_with("passkeys").start(clock)


@contextmanager
def at_the_screen(site):
    """Yield a screen at our address, its device, and the browser."""
    with serve(site.app) as address, launch() as browser:
        site.app.config["BASE_URL"] = named(address, "door.localhost")
        screen = Screen(site, site.app.config["BASE_URL"], browser.new_context())
        yield screen, Device(screen)


def add_passkey(screen, account, name="Laptop"):
    """Log in with a code, and add a passkey."""
    screen.log_in(account).open("/account").follow("Your passkeys")
    screen.follow("Add a passkey")
    code = account.authenticator.code()
    screen.fill_in(current_password=account.password, code=code)
    screen.fill_in(name=name)
    assert f"Remove “{name}”" in screen.text


def use_passkey(screen, account):
    """Give the password and go to the page that asks for a passkey."""
    screen.give_password(account).follow("Use a passkey instead")


def notice_of(screen):
    """Press the button, and return what the page says then."""
    screen.find("main form button").click()
    screen.tab.locator("[role=alert]").wait_for()
    return screen.find("[role=alert]").inner_text()


def test_a_passkey_logs_in_and_the_browser_complains_of_nothing(site):
    account = site.account()
    with at_the_screen(site) as (screen, _):
        add_passkey(screen, account)
        screen.log_out()
        use_passkey(screen, account)
        screen.send(screen.find("main form"))

        assert screen.path == "/"
        assert screen.requests_to_others() == []
        assert screen.complaints() == []


def test_a_device_that_does_not_verify_its_owner_is_not_used(site):
    account = site.account()
    with at_the_screen(site) as (screen, device):
        add_passkey(screen, account)
        screen.log_out()
        use_passkey(screen, account)
        device.set_verified(False)

        assert "Nothing was sent" in notice_of(screen)
        device.set_verified(True)
        screen.send(screen.find("main form"))
        assert screen.path == "/"


def test_a_device_that_has_a_passkey_makes_no_second_one(site):
    account = site.account()
    with at_the_screen(site) as (screen, _):
        add_passkey(screen, account)
        screen.follow("Add a passkey")
        code = account.authenticator.code()
        screen.fill_in(current_password=account.password, code=code)
        screen.find("[name=name]").fill("Again")

        assert "already has a passkey" in notice_of(screen)


@pytest.mark.parametrize("passkeys_only", [False, True])
def test_a_page_that_only_looks_like_ours_gets_no_signature(site, passkeys_only):
    account, false = site.account(), LookAlike(site.app)
    with at_the_screen(site) as (screen, _), serve(false) as theirs:
        add_passkey(screen, account)
        if passkeys_only:
            screen.follow("Log in with passkeys only")
            code = account.authenticator.code()
            screen.fill_in(current_password=account.password, code=code)
        screen.log_out()

        screen.address = named(theirs, "d00r.localhost")
        screen.give_password(account)
        if not passkeys_only:
            screen.follow("Use a passkey instead")
        assert "not at the address" in notice_of(screen)
        assert not false.is_logged_in()

        screen.open("/login/code")
        assert bool(screen.find_all("[name=code]")) != passkeys_only
        if not passkeys_only:  # then the page asks for the code instead
            screen.fill_in(code=account.authenticator.code())
        assert false.is_logged_in() != passkeys_only
