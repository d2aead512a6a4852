"""Makes the pictures of the site anew: python -m tools.pictures

Starts the steps, drives Chromium through them, and writes docs/assets. Needs what
requirements/test.in lists, and Chromium.
"""

import secrets
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit

from qrcode import QRCode
from qrcode.image.svg import SvgPathFillImage

from tests.kit.clock import RealClock
from tests.kit.phone import scan
from tests.kit.real_browser import launch
from tests.kit.real_browser import serve
from tests.kit.stage import DEMO_SECRET
from tests.kit.stage import GOOD_PASSWORD
from tests.kit.stage import STEPS
from tests.kit.stage import Stage
from tests.kit.visitor import Page
from tools import recipes

ASSETS = Path(__file__).parent.parent / "docs" / "assets"
CARD = Path(__file__).with_name("card.html")
KIM = {"username": "kim", "email": "kim@example.org"}
KIM |= {"password": GOOD_PASSWORD, "confirm": GOOD_PASSWORD}
SIZE = {"width": 480, "height": 240}
CODE = "287082"  # that of the chapter, and of RFC 6238
EDGE_PIXELS = 12  # what is left around the part of a page that matters


class Camera:
    """A browser tab in front of a step, which takes each picture light and dark."""

    def __init__(self, tab, address, site):
        self.tab = tab
        self.address = address
        self.site = site
        self.number = site.stage.number

    def open(self, path):
        """Open a page of the step."""
        self.tab.goto(self.address + path)

    def type_in(self, **values):
        """Fill in the form of the page, because an empty one shows nothing."""
        for name, text in values.items():
            self.tab.fill(f"[name={name}]", text)

    def fill_in(self, **values):
        """Fill in the form of the page and send it."""
        self.type_in(**values)
        with self.tab.expect_navigation():
            self.tab.press(f"[name={[*values][-1]}]", "Enter")

    def give_password(self):
        """Log in as the demo user, as far as the password goes."""
        self.open("/login")
        self.fill_in(username="admin", password="password")  # noqa: S106

    def register(self):
        """Fill in the registration of kim, and send it."""
        self.open("/register")
        self.fill_in(**KIM)

    def set_up_authenticator(self):
        """Confirm the phone, and go on to the protected page; return the phone."""
        authenticator = scan(self.page(), RealClock())
        self.fill_in(code=authenticator.code())
        self.open("/")
        return authenticator

    def page(self):
        """Return the page as the tests read it."""
        return Page(None, "/", 200, {}, self.tab.content().encode())

    def area(self, first, last):
        """Return the part of the page from one element to another."""
        first = self.tab.locator(first).first.bounding_box()
        last = self.tab.locator(last).last.bounding_box()
        top = max(0, first["y"] - EDGE_PIXELS)
        bottom = last["y"] + last["height"] + EDGE_PIXELS
        return {"x": 0, "y": top, "width": SIZE["width"], "height": bottom - top}

    def shoot(self, name, first="header", last="main"):
        """Take a picture of the part that matters, in light and in dark colours."""
        self.tab.set_viewport_size(SIZE)
        self.tab.evaluate("document.activeElement.blur(); scrollTo(0, 0)")
        clip = self.area(first, last)
        for scheme in ("light", "dark"):
            self.tab.emulate_media(color_scheme=scheme)
            path = ASSETS / f"{self.number}-{name}-{scheme}.png"
            self.tab.screenshot(path=path, full_page=True, clip=clip)


def shoot_01(camera):
    """The password page."""
    camera.open("/login")
    camera.type_in(username="admin", password="password")  # noqa: S106
    camera.shoot("login")


def shoot_02(camera):
    """The code page."""
    camera.give_password()
    camera.type_in(code=CODE)
    camera.shoot("code")


def shoot_03(camera):
    """The enrolment page, and the recovery codes."""
    camera.give_password()
    authenticator = scan(camera.page(), RealClock())
    camera.shoot("enrol", first="h2", last="#secret")
    camera.fill_in(code=authenticator.code())
    camera.shoot("recovery-codes", first="h1", last=".codes")


def shoot_04(camera):
    """The registration, the protected page, and the pause after six wrong codes."""
    camera.open("/register")
    camera.type_in(**KIM)
    camera.shoot("register", first="h1", last="main form")
    camera.register()
    authenticator = camera.set_up_authenticator()
    camera.shoot("welcome")
    camera.tab.click("text=Log out")
    camera.open("/login")
    camera.fill_in(username="kim", password=GOOD_PASSWORD)
    for _ in range(6):
        camera.fill_in(code=authenticator.wrong_code())
    camera.shoot("paused")


def shoot_05(camera):
    """The code by mail, the account, and the new password."""
    camera.register()
    [mail] = camera.site.mails()
    camera.type_in(email_code=mail.code)
    camera.shoot("verify")
    camera.fill_in(email_code=mail.code)
    camera.set_up_authenticator()
    camera.open("/account")
    camera.shoot("account")
    camera.tab.click("text=Log out")
    camera.open("/reset")
    camera.fill_in(email="kim@example.org")
    [mail] = camera.site.mails()
    camera.tab.goto(camera.address + urlsplit(mail.link).path)
    camera.type_in(password=GOOD_PASSWORD, confirm=GOOD_PASSWORD, code=CODE)
    camera.shoot("new-password", first="h1", last="main form")


def shoot_06(camera):
    """The page that asks for patience while the database is away."""
    camera.open("/login")
    with camera.site.app.app_context():
        camera.site.app.extensions["sqlalchemy"].drop_all()
    camera.fill_in(username="kim", password=GOOD_PASSWORD)
    camera.shoot("away")


def shoot_passkeys(camera):
    """The passkeys of an account, and the page at the login."""
    session = camera.tab.context.new_cdp_session(camera.tab)
    session.send("WebAuthn.enable")
    device = {"protocol": "ctap2", "transport": "internal", "hasResidentKey": True}
    device |= {"hasUserVerification": True, "isUserVerified": True}
    session.send("WebAuthn.addVirtualAuthenticator", {"options": device})
    account = camera.site.account()
    camera.open("/login")
    camera.fill_in(username=account.username, password=account.password)
    camera.fill_in(code=account.authenticator.code())
    camera.open("/account/passkeys/new")
    code = account.authenticator.code()
    camera.fill_in(current_password=account.password, code=code)
    camera.fill_in(name="Laptop")
    camera.open("/account/passkeys")
    camera.shoot("overview")
    camera.tab.click("text=Log out")
    camera.open("/login")
    camera.fill_in(username=account.username, password=account.password)
    camera.shoot("code")


def shoot_recipe(browser):
    """Make the pictures of the recipe with passkeys."""
    with TemporaryDirectory() as folder:
        stage = Stage("06", recipes.apply(Path(folder, "app"), ["passkeys"]))
        site = stage.start(RealClock(), SECRET_KEY=secrets.token_hex(32))
        stage.number = "passkeys"  # what the pictures' names begin with
        with serve(site.app) as address, browser.new_page() as tab:
            address = address.replace("127.0.0.1", "door.localhost")
            site.app.config["BASE_URL"] = address
            shoot_passkeys(Camera(tab, address, site))


def draw_demo_key():
    """Draw the QR code of the demo key of step 02."""
    code = QRCode(image_factory=SvgPathFillImage)
    code.add_data(
        f"otpauth://totp/Door%2002:admin?secret={DEMO_SECRET}&issuer=Door%2002"
    )
    code.make_image().save(ASSETS / "02-demo-key.svg")


def shoot_card(tab):
    """The picture that is shown where somebody shares a link to the site."""
    tab.set_viewport_size({"width": 1280, "height": 640})
    tab.goto(CARD.as_uri())
    tab.screenshot(path=ASSETS / "card.png")


def main():
    """Make all pictures."""
    draw_demo_key()
    shoots = (shoot_01, shoot_02, shoot_03, shoot_04, shoot_05, shoot_06)
    with launch() as browser:
        with browser.new_page() as tab:
            shoot_card(tab)
        for number, shoot in zip(STEPS, shoots, strict=False):
            config = {"ISSUER": f"Door {number}", "SECRET_KEY": secrets.token_hex(32)}
            site = Stage(number, STEPS[number]).start(RealClock(), **config)
            with serve(site.app) as address, browser.new_page() as tab:
                shoot(Camera(tab, address, site))
        shoot_recipe(browser)


if __name__ == "__main__":
    main()
