"""The page Try it here, as a reader uses it."""

import re

from tests.kit.real_browser import missing
from tests.kit.stage import GOOD_PASSWORD as PASSWORD
from tests.kit.stage import ROOT

PACKS = ROOT / "docs" / "assets" / "packs"
START_MILLISECONDS = 90_000  # Python has to start, on a machine that may be busy
MILLISECONDS = 30_000
WHOLE_MILLISECONDS = 600_000  # hundreds of tests
HOST = "http://127.0.0.1:5000"
# The editor's own way to change a document; typing would depend on its auto-indent.
REPLACE = """([old, fresh]) => {
  const content = document.querySelector(".cm-content");
  const {view} = content.cmTile ?? content.cmView;
  const from = view.state.doc.toString().indexOf(old);
  view.dispatch({changes: {from, to: from + old.length, insert: fresh}});
}"""


def need_packs():
    """Skip what needs the packs, if nobody has made them."""
    if not (PACKS / "made-of.txt").exists():
        missing("the packs of Try it here (python -m live.pack)")


class TryIt:
    """A tab with the page Try it here."""

    def __init__(self, screen):
        self.screen = screen
        self.tab = screen.tab
        screen.context.set_default_timeout(MILLISECONDS)
        self.typed_code = ""

    @property
    def app(self):
        """Return the frame of the app, which is the first of the page."""
        return self.tab.frame_locator("iframe >> nth=0")

    def part(self, name):
        """Return a part of the page."""
        return self.tab.locator(f"[data-live={name}]")

    def open(self, step, **query):
        """Open the page with a step chosen."""
        words = "".join(f"&{name}={value}" for name, value in query.items())
        self.screen.open(f"/try-it/?step={step}{words}")
        return self

    def start(self, step, **query):
        """Open the page with a step, press Start and wait for the app."""
        self.open(step, **query)
        self.tab.get_by_role("button", name=re.compile("^Start")).click()
        ready = f"[data-live=live][data-ready='{step}']"
        self.tab.wait_for_selector(ready, timeout=START_MILLISECONDS)
        return self

    def others(self):
        """Return the addresses of requests to other hosts than the site's."""
        outside = self.screen.requests_to_others()
        return [url for url in outside if not url.startswith("blob:")]

    def sees(self, words):
        """Wait until the heading of the app's page contains these words."""
        self.app.locator("h1", has_text=words).wait_for()
        return self

    def says(self, words):
        """Wait until the app's page contains these words anywhere."""
        self.app.locator("body", has_text=words).wait_for()
        return self

    def go_to(self, path):
        """Type an address into the address bar."""
        pages = self.part("live").get_attribute("data-pages")
        self.part("address").fill(HOST + path)
        self.part("address").press("Enter")
        self.tab.wait_for_selector(f"[data-live=live]:not([data-pages='{pages}'])")
        return self

    def send(self, **values):
        """Fill in fields of the app by their names, and press Enter in the last."""
        for name, text in values.items():
            field = self.app.locator(f"[name={name}]")
            field.fill(text)
        field.press("Enter")
        return self

    def press(self, words):
        """Press a button of the page around the app."""
        self.tab.get_by_role("button", name=words, exact=True).click()
        return self

    def press_in_app(self, words):
        """Press a button or follow a link of the app."""
        pattern = re.compile(words, re.IGNORECASE)
        found = self.app.get_by_role("button", name=pattern)
        found.or_(self.app.get_by_role("link", name=pattern)).first.click()
        return self

    def code(self):
        """Return the code that the phone shows first."""
        return (
            self.part("accounts").locator("output").first.inner_text().replace(" ", "")
        )

    def type_code(self):
        """Let the phone type its code, send it, and keep it in mind."""
        self.part("accounts").get_by_role("button").first.click()
        field = self.app.locator("[name=code]:valid")  # as soon as it is filled in
        self.typed_code = field.input_value()
        field.press("Enter")
        return self

    def next_code(self):
        """Move both clocks on, so that there is a new code."""
        old = self.code()
        self.press("Both 30 seconds on")
        self.tab.wait_for_function(
            "old => !document.querySelector('[data-live=accounts] output')"
            ".textContent.replace(' ', '').includes(old)",
            arg=old,
        )
        return self

    def be(self, who):
        """Look at your own browser, or at the thief's."""
        self.tab.locator(f"[name=live-browser][value={who}]").check()
        return self

    def status(self, words):
        """Wait until the status line contains these words."""
        self.part("status").filter(has_text=words).wait_for()
        return self

    def register(self, name="kim"):
        """Create an account, with the email code where one is asked for."""
        self.go_to("/register")
        values = {"username": name, "email": f"{name}@example.org"}
        self.sees("Create")
        self.send(**values, password=PASSWORD, confirm=PASSWORD)
        return self

    def verify_email(self):
        """Let the mailbox type the code of its newest email."""
        self.sees("Check your email")
        self.part("emails").get_by_role("button", name="Type its code").first.click()
        self.app.locator("[name=email_code]:valid").press("Enter")
        return self

    def edit(self, file, old, new):
        """Change a text of a file in the editor."""
        self.part("file").select_option(file)
        self.tab.evaluate(REPLACE, [old, new])
        return self

    def test(self, chosen=None):
        """Press Test it, perhaps after choosing what; return the verdict."""
        if chosen:
            self.part("attack").select_option(label=chosen)
        self.part("test").click()
        self.tab.wait_for_selector(
            "[data-live=verdict][data-status]", timeout=WHOLE_MILLISECONDS
        )
        return self.part("verdict").inner_text()
