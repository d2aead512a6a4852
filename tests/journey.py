"""A complete journey: all that a user of a step can do, right and wrong."""

from tests.phone import Phone
from tests.phone import scan
from tests.stage import DEMO_SECRET


class Journey:
    """Somebody who does everything once, right and wrong, and keeps what was seen."""

    def __init__(self, site, clock):
        self.site = site
        self.clock = clock
        self.account = site.newcomer()
        self.visitor = site.visitor()
        self.pages = []
        self.cookies = []
        self.secrets = {self.account.password, "a wrong password"}

    def see(self, page):
        """Keep a page and the cookies that came with it."""
        self.pages.append(page)
        self.cookies.extend(self.visitor.browser.cookies.values())
        return page

    def type_code(self, code):
        """Type a code into the page that is open."""
        self.secrets.add(code)
        return self.see(self.visitor.fill_in(code=code))

    def go(self):
        """Go all the way."""
        page = self.see(self.visitor.open("/login"))
        self.see(
            page.fill_in(username=self.account.username, password="a wrong password")
        )
        page = self.see(self.visitor.give_password(self.account))
        if self.site.stage.number == "02":
            self.account.phone = Phone(DEMO_SECRET, self.clock)
        if self.site.stage.number >= "03":
            self.enrol(page)
            self.use_recovery_code()
        self.type_code("000 000")
        self.type_code(self.account.phone.code())
        self.see(self.visitor.log_out())
        return self

    def enrol(self, page):
        """Set up the phone, and log out."""
        self.account.phone = scan(page, self.clock)
        self.secrets.add(self.account.phone.secret)
        self.type_code("000000")
        page = self.type_code(self.account.phone.code())
        codes = [code.text() for code in page.find_all(".recovery-code")]
        self.account.recovery_codes = codes
        self.secrets.update(codes)
        self.see(self.visitor.log_out())
        self.see(self.visitor.give_password(self.account))

    def use_recovery_code(self):
        """Log in without the phone, log out, and come back."""
        page = self.see(self.visitor.page.follow("I cannot use my phone"))
        page = self.see(page.fill_in(recovery_code="not-a-code-of-ours"))
        self.see(page.fill_in(recovery_code=self.account.recovery_code()))
        self.see(self.visitor.log_out())
        self.see(self.visitor.give_password(self.account))
