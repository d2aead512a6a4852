"""A real browser, in front of an app that this process serves over the network."""

import base64
import os
import re
import shutil
import threading
from contextlib import closing
from contextlib import contextmanager
from importlib import import_module
from urllib.parse import parse_qs
from urllib.parse import urlsplit

import pytest
from werkzeug.serving import WSGIRequestHandler
from werkzeug.serving import make_server

from tests.kit.phone import Authenticator
from tests.kit.visitor import NotOfferedError

NAMES = (
    "chromium-headless-shell",  # the same without what it takes to open a window
    "chromium",
    "chromium-browser",
    "google-chrome",
    "chrome",
    "msedge",
)
PATHS = (
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "C:/Program Files/Google/Chrome/Application/chrome.exe",
    "C:/Program Files (x86)/Microsoft/Edge/Application/msedge.exe",
)
ARGUMENTS = (
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # whatever a page asks for: nothing leaves this machine
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE *.localhost",
)
AXE = "axe-playwright-python"
WAIT_MILLISECONDS = 8_000  # two hashes may take long on a busy machine
GREY_OF_PHOTO = """async photo => {
  const bytes = Uint8Array.from(atob(photo), letter => letter.charCodeAt(0));
  const image = await createImageBitmap(new Blob([bytes]));
  const {width, height} = image;
  const canvas = new OffscreenCanvas(width, height).getContext("2d");
  canvas.drawImage(image, 0, 0);
  const {data} = canvas.getImageData(0, 0, width, height);
  const reds = data.filter((_, index) => index % 4 == 0);
  return [width, height, Array.from(reds, red => String.fromCharCode(red)).join("")];
}"""

WIDTHS = (320, 1280)


def missing(part):
    """Skip what needs a part that is not there; if all parts have to be, fail."""
    say = pytest.fail if os.environ.get("TUTORIAL_PARTS") == "all" else pytest.skip
    say(f"not installed: {part}")


def need(module, package):
    """Return a module that not everybody has."""
    try:
        return import_module(module)
    except ImportError:
        return missing(f"{module} (pip install {package})")


def find_chromium():
    """Return the path of a Chromium, or of a browser made from it."""
    found = filter(None, map(shutil.which, NAMES))
    path = next(found, None) or next(filter(os.path.exists, PATHS), None)
    return path or missing("Chromium (apt install chromium, or Chrome from its site)")


@contextmanager
def launch():
    """Start the browser, without a window."""
    playwright = need("playwright.sync_api", "playwright")
    path = find_chromium()
    is_root = hasattr(os, "geteuid") and os.geteuid() == 0
    arguments = [*ARGUMENTS, *(["--no-sandbox"] if is_root else [])]
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(
            executable_path=path,
            args=arguments,
            # Back shall show what it shows to people: a page may still be in memory
            ignore_default_args=["--disable-back-forward-cache"],
        )
        yield browser
        browser.close()


class SilentHandler(WSGIRequestHandler):
    """Answers requests without a line for each."""

    def log(self, kind, message, *values):
        """Say nothing."""


@contextmanager
def in_background(server):
    """Run a server in a thread, which polls often so that it ends at once."""
    thread = threading.Thread(target=server.serve_forever, args=[0.01])
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def in_one_piece(app):
    """Give out whole answers: the server closes no file when the browser hangs up."""

    def wsgi_app(environ, start_response):
        with closing(app(environ, start_response)) as answer:
            return [b"".join(answer)]

    return wsgi_app


@contextmanager
def serve(app):
    """Serve an app from this process, where the test moves the clock."""
    server = make_server(
        "127.0.0.1",
        0,
        in_one_piece(app),
        threaded=True,
        request_handler=SilentHandler,
    )
    with in_background(server):
        yield f"http://127.0.0.1:{server.server_port}"


class Screen:
    """What somebody sees in a tab of the browser, and what goes wrong in it."""

    def __init__(self, site, address, context):
        context.set_default_timeout(WAIT_MILLISECONDS)
        self.site = site
        self.address = address
        self.context = context
        self.tab = context.new_page()
        self.status = None
        self.requests = []
        self.answers = set()
        self.messages = []
        self.tab.on("request", lambda request: self.requests.append(request.url))
        self.tab.on("response", self._keep_answer)
        self.tab.on("console", self._keep_message)
        self.tab.on("pageerror", lambda error: self.messages.append((str(error), "")))

    def _keep_answer(self, response):
        if response.request.is_navigation_request():
            self.answers.add((response.url, response.status))

    def _keep_message(self, message):
        if message.type in ("error", "warning"):
            self.messages.append((message.text, message.location.get("url")))

    def __repr__(self):
        return f"<{self.status} {self.path}: {self.tab.title()!r}>"

    @property
    def path(self):
        """Return the path of the page that is open."""
        return urlsplit(self.tab.url).path

    @property
    def text(self):
        """Return the text that is visible, with single blanks."""
        return " ".join(self.tab.locator("body").inner_text().split())

    @property
    def focused(self):
        """Return the element that has the focus."""
        return self.tab.locator(":focus")

    def find_all(self, selector):
        """Return the elements that a CSS selector names."""
        return self.tab.locator(selector).all()

    def find(self, selector, words=None):
        """Return the one element that a CSS selector names, perhaps by its words."""
        found = self.tab.locator(selector, has_text=words)
        if not found.count():
            what = f"{selector} {words!r}" if words else selector
            raise NotOfferedError(f"{self!r} shows nothing that matches {what}")
        return found.first

    def open(self, path):
        """Type an address of the site."""
        self.status = self.tab.goto(self.address + path).status
        return self

    def press(self, button):
        """Press a button or link that leads to another page."""
        return self._go_on(button.click)

    def _go_on(self, action):
        with self.tab.expect_navigation() as navigation:
            action()
        self.status = navigation.value.status
        return self

    def follow(self, words):
        """Follow the link with these words."""
        return self.press(self.find("a[href]", words))

    def form(self, *names):
        """Return the form that has visible fields of these names."""
        return self.find("".join(["form", *(f":has([name={name}])" for name in names)]))

    def fill_in(self, **values):
        """Type into the fields of a form, and press Enter in the last one."""
        form = self.form(*values)
        for name, text in values.items():
            field = form.locator(f"[name={name}]")
            field.fill(text)
        return self._go_on(lambda: field.press("Enter"))

    def send(self, form):
        """Press the button that sends a form."""
        return self.press(form.locator("button:not([type=button]), [type=submit]"))

    def give_password(self, account, to="/login"):
        """Open the password page and give the account's name and password."""
        self.open(to)
        return self.fill_in(username=account.username, password=account.password)

    def log_in(self, account, to="/login"):
        """Log in with all that the account has."""
        self.give_password(account, to)
        if account.authenticator:
            self.fill_in(code=account.authenticator.code())
        return self

    def log_out(self):
        """Press the button that logs out."""
        return self.send(self.find("form[action$='/logout']"))

    def scan(self, selector="svg"):
        """Photograph the QR code off the screen; return what it says."""
        photo = base64.b64encode(self.find(selector).screenshot()).decode()
        width, height, grey = self.tab.evaluate(GREY_OF_PHOTO, photo)
        pixels = memoryview(grey.encode("latin-1")).cast("B", (height, width))
        found = need("zxingcpp", "zxing-cpp").read_barcodes(pixels)
        assert len(found) == 1, f"{self!r}: no authenticator can read the QR code"
        return found[0].text

    def requests_to_others(self):
        """Return the addresses outside the site that the browser asked for."""
        return [url for url in self.requests if not url.startswith(self.address + "/")]

    def complaints(self):
        """Return what the browser's console complains about, and forget it."""
        messages, self.messages = self.messages, []
        return [text for text, url in messages if not self._is_our_answer(text, url)]

    def _is_our_answer(self, text, url):
        # The console calls each page a failure that comes with an error's status.
        failure = re.match(r"Failed to load resource: .* status of (\d+)", text)
        return failure and (url, int(failure[1])) in self.answers

    def resize(self, width):
        """Make the window so many pixels wide."""
        self.tab.set_viewport_size({"width": width, "height": 800})

    def prefer(self, scheme):
        """Ask for light or dark colours."""
        self.tab.emulate_media(color_scheme=scheme)


def axe_faults(screen, parts=("html",), **options):
    """Return the rules of accessibility that a page breaks, or some parts of it."""
    screen.tab.evaluate(need("axe_playwright_python.base", AXE).AXE_SCRIPT)
    options |= {"resultTypes": ["violations"]}
    run = "how => axe.run(...how).then(found => found.violations)"
    found = screen.tab.evaluate(run, [list(parts), options])
    return [f"{rule['id']}: {node['html']}" for rule in found for node in rule["nodes"]]


def is_wider_than_the_window(screen):
    """Tell whether a page has to be moved sideways."""
    return screen.tab.evaluate(
        "document.documentElement.scrollWidth > document.documentElement.clientWidth"
    )


def scanned_authenticator(screen):
    """Return an authenticator that scanned the enrolment page, and what it read."""
    uri = urlsplit(screen.scan())
    fields = parse_qs(uri.query)
    return Authenticator(fields["secret"][0], screen.site.clock), uri


def recovery_codes_on(screen):
    """Return the recovery codes that can be seen."""
    codes = screen.find_all(".recovery-code")
    return [code.inner_text() for code in codes if code.is_visible()]


def enrol(screen, account):
    """Enrol in the browser; the page with the recovery codes is open."""
    screen.give_password(account)
    account.authenticator, _ = scanned_authenticator(screen)
    screen.fill_in(code=account.authenticator.code())
    account.recovery_codes = recovery_codes_on(screen)
