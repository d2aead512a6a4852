"""Makes the pictures of the site anew: python -m tools.pictures

Starts the steps, drives Chromium through them, and writes docs/assets. Needs what
requirements/test.in lists, and Chromium.
"""

import secrets
from pathlib import Path

from qrcode import QRCode
from qrcode.image.svg import SvgPathFillImage

from tests.clock import RealClock
from tests.phone import scan
from tests.real_browser import launch
from tests.real_browser import serve
from tests.stage import DEMO_SECRET
from tests.stage import STEPS
from tests.stage import load_step
from tests.visitor import Page

ASSETS = Path(__file__).parent.parent / "docs" / "assets"
SIZE = {"width": 480, "height": 240}


class Camera:
    """A browser tab in front of a step, which takes each picture light and dark."""

    def __init__(self, tab, address, number):
        self.tab = tab
        self.address = address
        self.number = number

    def open(self, path):
        """Open a page of the step."""
        self.tab.goto(self.address + path)

    def fill_in(self, **values):
        """Fill in the form of the page and send it."""
        for name, text in values.items():
            self.tab.fill(f"[name={name}]", text)
        with self.tab.expect_navigation():
            self.tab.press(f"[name={name}]", "Enter")

    def give_password(self):
        """Log in as the demo user, as far as the password goes."""
        self.open("/login")
        self.fill_in(username="admin", password="password")  # noqa: S106

    def page(self):
        """Return the page as the tests read it."""
        return Page(None, "/", 200, {}, self.tab.content().encode())

    def shoot(self, name):
        """Take a picture in light and in dark colours."""
        self.tab.set_viewport_size(SIZE)
        self.tab.evaluate("document.activeElement.blur()")
        for scheme in ("light", "dark"):
            self.tab.emulate_media(color_scheme=scheme)
            path = ASSETS / f"{self.number}-{name}-{scheme}.png"
            self.tab.screenshot(path=path, full_page=True)


def shoot_01(camera):
    """The password page."""
    camera.open("/login")
    camera.shoot("login")


def shoot_02(camera):
    """The code page."""
    camera.give_password()
    camera.shoot("code")


def shoot_03(camera):
    """The enrolment page, and the recovery codes."""
    camera.give_password()
    phone = scan(camera.page(), RealClock())
    camera.shoot("enrol")
    camera.fill_in(code=phone.code())
    camera.shoot("recovery-codes")


def draw_demo_key():
    """Draw the QR code of the demo key of step 02."""
    code = QRCode(image_factory=SvgPathFillImage)
    code.add_data(
        f"otpauth://totp/Door%2002:admin?secret={DEMO_SECRET}&issuer=Door%2002"
    )
    code.make_image().save(ASSETS / "02-demo-key.svg")


def main():
    """Make all pictures."""
    draw_demo_key()
    with launch() as browser:
        for number, shoot in (("01", shoot_01), ("02", shoot_02), ("03", shoot_03)):
            config = {"ISSUER": f"Door {number}", "SECRET_KEY": secrets.token_hex(32)}
            app = load_step(STEPS[number]).create_app(config)
            with serve(app) as address, browser.new_page() as tab:
                shoot(Camera(tab, address, number))


if __name__ == "__main__":
    main()
