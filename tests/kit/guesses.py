"""Wrong passwords and wrong codes, as many as the limits let through."""

LIMIT = 5
WINDOW = 15 * 60
MAX_WRONG_CODES_IN_A_ROW = 20


def guess_password(visitor, username, password="wrong"):
    """Try a password; return the status of the answer."""
    page = visitor.open("/login")
    return page.fill_in(username=username, password=password).status


def guess_wrong_codes(site, account, clock, number):
    """Guess codes with the password, as fast as the pauses let one."""
    guesser = site.visitor(network="192.0.2.66")
    for count in range(number):
        if count % LIMIT == 0:
            clock.move(WINDOW)
            guesser.give_password(account)
        page = guesser.open("/login/code").fill_in(
            code=account.authenticator.wrong_code()
        )
        assert page.status == 422, count
