"""A complete journey: all that a user of a step can do, right and wrong."""

import re
from urllib.parse import urlsplit

from tests.kit.phone import Authenticator
from tests.kit.phone import scan
from tests.kit.stage import DEMO_SECRET
from tests.kit.stage import FIRST_WITH_MAIL
from tests.kit.stage import codes_on
from tests.kit.stage import fill_in_registration


def found_in(place, secrets):
    """Return the secrets that a text or a file holds.

    Six digits may stand in a hash by chance, so a code counts if it stands alone.
    """
    text = place if isinstance(place, str) else place.decode("latin-1")
    alone = r"(?<![0-9a-f])%s(?![0-9a-f])"
    return [
        secret
        for secret in secrets
        if re.search((alone if secret.isdigit() else "%s") % re.escape(secret), text)
    ]


def bytes_of(site):
    """Return all that the files of a database hold."""
    files = site.database.parent.glob(f"{site.database.name}*")
    return b"".join(file.read_bytes() for file in files)


class Journey:
    """Somebody who does everything once, right and wrong, and keeps what was seen."""

    def __init__(self, site, clock):
        self.site = site
        self.clock = clock
        self.account = site.account_without_factor()
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
            self.account.authenticator = Authenticator(DEMO_SECRET, self.clock)
        if self.site.stage.number >= "03":
            self.enrol(page)
            self.use_recovery_code()
        self.type_code("000 000")
        self.type_code(self.account.authenticator.code())
        self.see(self.visitor.log_out())
        if self.site.stage.number >= FIRST_WITH_MAIL:
            self.register_another()
            self.change_everything()
            self.forget_the_password()
        return self

    def enrol(self, page):
        """Set up the phone, and log out."""
        self.account.authenticator = scan(page, self.clock)
        self.secrets.add(self.account.authenticator.secret)
        self.type_code("000000")
        page = self.type_code(self.account.authenticator.code())
        self.account.recovery_codes = codes_on(page)
        self.secrets.update(self.account.recovery_codes)
        self.see(self.visitor.log_out())
        self.see(self.visitor.give_password(self.account))

    def use_recovery_code(self):
        """Log in without the phone, log out, and come back."""
        page = self.see(self.visitor.page.follow("Use a recovery code instead"))
        page = self.see(page.fill_in(recovery_code="not-a-code-of-ours"))
        self.see(page.fill_in(recovery_code=self.account.recovery_code()))
        self.see(self.visitor.log_out())
        self.see(self.visitor.give_password(self.account))

    def register_another(self):
        """Register a second account, as far as its phone."""
        address = "second@example.org"
        page = self.see(fill_in_registration(self.visitor, email=address))
        self.secrets.add(self.mailed(address).code)
        page = self.see(page.fill_in(email_code="00000000"))
        page = self.see(page.press("resend"))
        code = self.mailed(address).code
        self.secrets.add(code)
        page = self.see(page.fill_in(email_code=code))
        self.secrets.add(scan(page, self.clock).secret)

    def mailed(self, address):
        """Return the one mail that was sent to an address."""
        [mail] = [mail for mail in self.site.mails() if mail.to == address]
        return mail

    def prove(self, path, code, **values):
        """Fill in a form of the account page."""
        self.secrets |= {code, *values.values()}
        values |= {"current_password": self.account.password, "code": code}
        return self.see(self.see(self.visitor.open(path)).fill_in(**values))

    def change_everything(self):
        """Log in and use each page of the account, right and wrong."""
        self.see(self.visitor.log_in(self.account))
        self.see(self.visitor.open("/account"))
        self.prove("/account/phone", "000000")
        page = self.prove("/account/phone", self.account.authenticator.code())
        self.account.authenticator = scan(page, self.clock)
        self.secrets.add(self.account.authenticator.secret)
        self.type_code("000000")
        self.type_code(self.account.authenticator.code())
        new = "nine boats over a quiet lake"
        code = self.account.recovery_code()
        self.prove("/account/password", code, password=new, confirm=new)
        self.account.password = new
        page = self.prove("/account/recovery-codes", self.account.authenticator.code())
        self.account.recovery_codes = codes_on(page)
        self.secrets.update(self.account.recovery_codes)
        self.see(self.visitor.log_out())
        self.site.mails()

    def forget_the_password(self):
        """Reset the password, and log in with the new one."""
        statement = "SELECT email FROM users WHERE username = ?"
        [[address]] = self.site.sql(statement, self.account.username)
        self.see(self.see(self.visitor.open("/reset")).fill_in(email=address))
        link = urlsplit(self.mailed(address).link).path
        self.secrets.add(link.removeprefix("/reset/"))
        page = self.see(self.visitor.open(link))
        new = "five crows on a red tractor"
        for code in ("000000", self.account.authenticator.code()):
            self.secrets |= {code, new}
            page = self.see(page.fill_in(password=new, confirm=new, code=code))
        self.account.password = new
        self.see(self.visitor.log_in(self.account))
        self.see(self.visitor.log_out())
