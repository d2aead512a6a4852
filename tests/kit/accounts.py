"""What users do with their accounts: change them, and log in without the phone."""

from tests.kit.phone import scan
from tests.kit.stage import add_second_factor
from tests.kit.stage import codes_on
from tests.kit.stage import register

ADDRESS = "kim@example.org"
NEW_PASSWORD = "nine boats over a quiet lake"
CHANGES = ["/account/password", "/account/phone", "/account/recovery-codes"]


def logged_in(site, account):
    """Return a visitor with a new browser, who is logged in."""
    visitor = site.visitor()
    visitor.log_in(account)
    return visitor


def prove(visitor, account, path, **values):
    """Fill in a form of the account page, with good values for the rest."""
    page = visitor.open(path)
    usual = {"current_password": account.password}
    if "code" not in values:
        usual["code"] = account.authenticator.code()
    if path == "/account/password":
        password = values.get("password", NEW_PASSWORD)
        usual |= {"password": password, "confirm": password}
    return page.fill_in(**usual | values)


def move(visitor, account, **values):
    """Move to a new authenticator app; return it, the page, and the code it took."""
    page = prove(visitor, account, "/account/phone", **values)
    authenticator = scan(page, account.authenticator.clock)
    code = authenticator.code()
    return authenticator, page.fill_in(code=code), code


def change(visitor, account, path, **values):
    """Make one of the changes, all the way; the account knows what is new."""
    if path == "/account/phone":
        account.authenticator, page, _ = move(visitor, account, **values)
        return page
    page = prove(visitor, account, path, **values)
    if path == "/account/password":
        account.password = values.get("password", NEW_PASSWORD)
    else:
        account.recovery_codes = codes_on(page)
    return page


def register_kim(site):
    """Return the account of somebody whose address we know."""
    return site.cached_account(begin_as_kim)


def begin_as_kim(site):
    """Register kim, and set up a phone; return the account."""
    visitor = site.visitor()
    return add_second_factor(site, register(visitor, username="kim", email=ADDRESS))


def ask_for_a_code(visitor, account):
    """Give the password and open the page that asks for a recovery code."""
    visitor.give_password(account)
    return visitor.open("/login/recovery")


def recover(site, account, code):
    """Log in with a recovery code, from a new browser; return where that leads."""
    return ask_for_a_code(site.visitor(), account).fill_in(recovery_code=code)
