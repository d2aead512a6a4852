"""The paths that each step answers."""


def pages_of(step):
    """Return the addresses that a step has, as far as they need no token."""
    pages = {
        "01": ["/", "/login"],
        "02": ["/login/code"],
        "03": ["/enrol", "/login/recovery"],
        "04": ["/register"],
        "05": [
            "/register/verify",
            "/reset",
            "/reset/new",
            "/account",
            "/account/password",
            "/account/phone",
            "/account/recovery-codes",
        ],
    }
    return [path for n, paths in pages.items() if n <= step.number for path in paths]


def addresses_of(step):
    """Return the addresses that a step answers, be it with a page or otherwise."""
    others = ["/healthz", "/readyz", "/.well-known/change-password"]
    return pages_of(step) + (others if step.number >= "06" else [])


def everything_seen(step, visitor, account):
    """Return the pages that a visitor sees before, in and after a login."""
    pages = [visitor.open(path) for path in pages_of(step)]
    for enter in (visitor.give_password, visitor.log_in):
        enter(account)
        pages += [visitor.open(path) for path in pages_of(step)]
    return pages
