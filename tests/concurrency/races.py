"""The races: each lets visitors loose once, and returns what came of it.

Beside each race stands what has to come of it, in every round.
"""

import itertools
import secrets
from collections import Counter

from sqlalchemy import delete

from tests.kit.answers import token_of
from tests.kit.clock import RealClock
from tests.kit.phone import scan
from tests.kit.servers import PASSWORD
from tests.kit.servers import Shot
from tests.kit.servers import address_of
from tests.kit.servers import fire
from tests.kit.servers import is_logged_in_by
from tests.kit.servers import new_network
from tests.kit.stage import Account
from tests.kit.visitor import NotOfferedError

ROUNDS = 20
MANY = 50  # requests at once
FEW = 10  # are enough where five are verified
SHORT_PASSWORD = "qzvkrwtxjpmhgdf"  # its strength is quickly measured
ENROLLED_ONCE = {
    "enrolled": 1,
    "other secrets shown": 0,
    "factors": 1,
    "codes shown": 10,
    "codes that work": 10,
    "codes": 10,
    "logs in": True,
}
MOVED_ONCE = {
    "told that it is set up": 1,
    "other secrets shown": 0,
    "factors": 1,
    "old authenticator works": False,
    "new authenticators that work": 1,
    "sessions": 1,
}


def expects(outcome):
    """Note what has to come of a race."""

    def note(race):
        race.outcome = outcome
        return race

    return note


def assert_every_round(server, race, rounds=ROUNDS):
    """Run a race often; each time the same has to come of it."""
    for number in range(rounds):
        outcome = race(server)
        assert outcome == race.outcome, f"round {number + 1} of {race.__name__}"


def statuses(pages):
    """Return how many answers had which status."""
    return dict(Counter(page.status for page in pages))


def logged_in(server, pages):
    """Return how many of these answers made their visitor a logged-in one."""
    return sum(page.status == 302 and is_logged_in_by(server, page) for page in pages)


def id_of(server, account):
    """Return the number of a user in the database."""
    question = "SELECT id FROM users WHERE username = ?"
    return server.ask_database(question, account.username)[0][0]


def factors(server, account):
    """Return how many second factors a user has."""
    question = "SELECT count(*) FROM second_factors WHERE user_id = ?"
    return server.ask_database(question, id_of(server, account))[0][0]


def recovery_hashes(server, account):
    """Return the recovery codes of a user, as the database keeps them."""
    question = "SELECT code_hash FROM recovery_codes WHERE user_id = ?"
    return {row[0] for row in server.ask_database(question, id_of(server, account))}


@expects({"logged in": 1})
def same_code(server):
    """Send one right code in many copies of one pending login."""
    account = server.account()
    page = server.visitor().give_password(account)
    shot = Shot.of(page, code=account.authenticator.code_from(0))
    pages = fire(server, [shot] * MANY)
    return {"logged in": logged_in(server, pages)}


@expects({"logged in": 1, "codes left": 9})
def same_recovery_code(server):
    """Send one recovery code in many copies of one pending login."""
    account, visitor = server.account(), server.visitor()
    visitor.give_password(account)
    page = visitor.open("/login/recovery")
    shot = Shot.of(page, recovery_code=account.recovery_code())
    pages = fire(server, [shot] * MANY)
    codes_left = len(recovery_hashes(server, account))
    return {"logged in": logged_in(server, pages), "codes left": codes_left}


@expects({422: 5, 429: 45, "counted": 50})
def wrong_codes(server):
    """Send many wrong codes of one user at once."""
    account = server.account()
    page = server.visitor().give_password(account)
    shot = Shot.of(page, code=account.authenticator.wrong_code())
    pages = fire(server, [shot] * MANY)
    counted = count(server, "login_code", "account", account.username)
    return statuses(pages) | {"counted": counted}


def count(server, *parts, table="rate_limit_counters", column="count"):
    """Return the count of attempts in a bucket of the database."""
    with server.app.app_context():
        bucket = server.door.rate_limit.bucket(*parts)
    question = f"SELECT {column} FROM {table} WHERE bucket = ?"
    found = server.ask_database(question, bucket)
    return found[0][0] if found else 0


def count_in_network(server, network):
    """Return the count of passwords that came from a network."""
    return count(server, "login_password", "network", f"{network}/32")


@expects({"first": {422: 5}, "then": {429: 10}})
def right_code_beyond_the_limit(server):
    """Send right and wrong codes at once when the limit is reached."""
    account = server.account()
    page = server.visitor().give_password(account)
    wrong = Shot.of(page, code=account.authenticator.wrong_code())
    right = Shot.of(page, code=account.authenticator.code_from(0))
    verified = fire(server, [wrong] * 5)
    return {
        "first": statuses(verified),
        "then": statuses(fire(server, [wrong, right] * 5)),
    }


@expects(
    {
        422: 5,
        429: 45,
        "counted in the network": 50,
        "right": 429,
        "right, from elsewhere": "/login/code",
    }
)
def wrong_passwords(server):
    """Send many wrong passwords at once from one network; then the right one."""
    account, visitor = server.account(), server.visitor()
    page = visitor.open("/login")
    shot = Shot.of(
        page, username=account.username, password="a lamp and four umbrellas"
    )
    pages = fire(server, [shot] * MANY)
    attempts = count_in_network(server, shot.network)
    return statuses(pages) | {
        "counted in the network": attempts,
        "right": visitor.give_password(account).status,
        "right, from elsewhere": server.visitor().give_password(account).path,
    }


def spellings(name):
    """Return as many spellings of a name as half of the visitors need."""
    either = itertools.product(*((letter, letter.upper()) for letter in name))
    return ["".join(letters) for letters in itertools.islice(either, MANY // 2)]


@expects({302: 2, 422: 48, "name": 1, "address": 1})
def same_name_and_same_address(server):
    """Register one name with many addresses, and many names with one address."""
    page, name, other = server.visitor().open("/register"), new_word(), new_word()
    shots = [
        registration(page, spelling, f"{number}@{name}.example.org")
        for number, spelling in enumerate(spellings(name))
    ]
    shots += [
        registration(page, f"{other}{number}", f"{spelling}@example.org")
        for number, spelling in enumerate(spellings(other))
    ]
    pages = fire(server, shots)
    users = "SELECT count(*) FROM users WHERE"
    address = f"{other}@example.org"
    return statuses(pages) | {
        "name": server.ask_database(f"{users} normalised_username = ?", name)[0][0],
        "address": server.ask_database(f"{users} email = ?", address)[0][0],
    }


def new_word():
    """Return ten letters, a to j."""
    return "".join(secrets.choice("abcdefghij") for _ in range(10))


def registration(page, username, email):
    """Return a registration that is ready to be sent, from a network of its own."""
    values = {"username": username, "email": email}
    shot = Shot.of(page, **values, password=SHORT_PASSWORD, confirm=SHORT_PASSWORD)
    return shot._replace(network=new_network())


@expects(ENROLLED_ONCE)
def same_enrolment(server):
    """Confirm a first authenticator in many copies of one session."""
    account = server.account_without_factor()
    page = server.visitor().give_password(account)
    account.authenticator = scan(page, RealClock())
    shot = Shot.of(page, code=account.authenticator.code_from(0))
    pages = fire(server, [shot] * MANY)
    return came_of_enrolment(server, account, pages)


@expects(ENROLLED_ONCE)
def two_enrolments(server):
    """Confirm two authenticators for one user, in two sessions."""
    account = server.account_without_factor()
    opened = [server.visitor().give_password(account) for _ in range(2)]
    authenticators = [scan(page, RealClock()) for page in opened]
    shots = [
        Shot.of(page, code=authenticator.code_from(0))
        for page, authenticator in zip(opened, authenticators, strict=True)
    ]
    pages = fire(server, shots * 2)
    for page, authenticator in zip(pages, authenticators * 2, strict=True):
        if page.status == 200:
            account.authenticator = authenticator
    return came_of_enrolment(server, account, pages)


def came_of_enrolment(server, account, pages):
    """Return what a user has who enrolled: one answer showed codes, and they work."""
    shown = [page for page in pages if page.status == 200]
    codes = set().union(*(codes_shown(server, page) for page in shown))
    return {
        "enrolled": len(shown),
        "other secrets shown": sum(bool(page.find_all("#secret")) for page in pages),
        "factors": factors(server, account),
        "codes shown": len(codes),
        "codes that work": len(codes & recovery_hashes(server, account)),
        "codes": len(recovery_hashes(server, account)),
        "logs in": is_let_in(server, account, account.authenticator),
    }


@expects({"logged in afterwards": 0})
def logout_during_login(server):
    """Log out while copies of a pending login bring the right code."""
    account, owner, thief = server.account(), server.visitor(), server.visitor()
    owner.give_password(account).fill_in(code=account.authenticator.code_from(0))
    shot = Shot.of(
        thief.give_password(account), code=account.authenticator.code_from(1)
    )
    form = Shot.of(owner.open("/"), csrf_token=token_of(owner.page))
    pages = fire(server, [shot, shot, form._replace(target="/logout"), shot, shot])
    return {"logged in afterwards": logged_in(server, pages) + owner.is_logged_in()}


@expects({"logged in": 4, "attempts": 6})
def own_logins(server):
    """Send wrong passwords from a network; then log in there several times at once."""
    account, network = server.account(), new_network()
    for _ in range(6):
        server.visitor(network).give_password(Account(new_word(), PASSWORD))
    shots = []
    for code in account.recovery_codes[:4]:
        visitor = server.visitor(network)
        visitor.give_password(account)
        shots.append(Shot.of(visitor.open("/login/recovery"), recovery_code=code))
    pages = fire(server, shots)
    attempts = count_in_network(server, network)
    return {"logged in": logged_in(server, pages), "attempts": attempts}


@expects({"users": 1, "led to the enrolment": 1, "told that the name is taken": 0})
def same_email_code(server):
    """Send the code that was emailed to a new address in many copies."""
    page, name = begin_registration(server, new_word())
    code = server.mails_to(f"{name}@example.org")[-1].code
    pages = fire(server, [Shot.of(page, email_code=code)] * MANY)
    return {
        "users": count_users(server, name),
        "led to the enrolment": sum(leads_to(page, "/enrol") for page in pages),
        "told that the name is taken": sum("taken" in page.text for page in pages),
    }


def begin_registration(server, name, email=None):
    """Register; return the page that asks for the email code, and the name."""
    page = server.visitor().open("/register")
    values = {"username": name, "email": email or f"{name}@example.org"}
    page = page.fill_in(**values, password=SHORT_PASSWORD, confirm=SHORT_PASSWORD)
    assert page.path == "/register/verify", page.text
    return page, name


def count_users(server, name):
    """Return how many users have a name."""
    question = "SELECT count(*) FROM users WHERE normalised_username = ?"
    return server.ask_database(question, name.lower())[0][0]


def leads_to(page, path):
    """Return whether an answer sends its visitor to a page, with something new."""
    sent = page.status == 302 and page.headers["Location"] == path
    return sent and "Set-Cookie" in page.headers


@expects({422: 5, 429: 5, "right": 429})
def wrong_email_codes(server):
    """Send many wrong email codes at once, and then the right one."""
    page, name = begin_registration(server, new_word())
    code = server.mails_to(f"{name}@example.org")[-1].code
    wrong = f"{(int(code) + 1) % 10**8:08}"
    pages = fire(server, [Shot.of(page, email_code=wrong)] * FEW)
    return statuses(pages) | {"right": page.fill_in(email_code=code).status}


@expects(
    {
        302: 2,
        422: 8,
        "name": 1,
        "address": 1,
        "others are told": 4,  # the code of the one address is consumed
    }
)
def verified_at_once(server):
    """Verify addresses of one name, and of one address, that several registered."""
    name, other = new_word(), new_word()
    wanted = [(name, f"{number}@{name}.example.org") for number in range(5)]
    wanted += [(f"{other}{number}", f"{other}@example.org") for number in range(5)]
    shots = []
    for username, email in wanted:
        page, _ = begin_registration(server, username, email)
        shots.append(Shot.of(page, email_code=server.mails_to(email)[-1].code))
    pages = fire(server, shots)
    with_address = "SELECT count(*) FROM users WHERE email = ?"
    return statuses(pages) | {
        "name": count_users(server, name),
        "address": server.ask_database(with_address, f"{other}@example.org")[0][0],
        "others are told": sum("taken" in page.text for page in pages),
    }


@expects(
    {
        "told that it is changed": 1,
        "passwords that work": 1,
        "codes consumed": 1,
        "old password works": False,
        "link": "/reset",
    }
)
def same_reset_link(server):
    """Use one link many times, with ten codes and a new password for each."""
    account = server.account()
    page = server.follow_reset_link(account)
    codes = [*account.recovery_codes[:9], account.authenticator.code_from(0)]
    passwords = [f"{SHORT_PASSWORD} {number}" for number in range(MANY)]
    shots = [
        Shot.of(page, password=password, confirm=password, code=code)
        for password, code in zip(passwords, itertools.cycle(codes), strict=False)
    ]
    pages = fire(server, shots)
    told = [
        password
        for password, page in zip(passwords, pages, strict=True)
        if leads_to(page, "/login")
    ]
    return {
        "told that it is changed": len(told),
        "passwords that work": len(that_work(server, account, [PASSWORD, *told])),
        "codes consumed": codes_consumed(server, account),
        "old password works": bool(that_work(server, account, [PASSWORD])),
        "link": page.visitor.open("/reset/new").path,
    }


def that_work(server, account, passwords):
    """Return the passwords that lead on to the code page."""
    return [
        password
        for password in passwords
        if server.visitor().give_password(Account(account.username, password)).path
        == "/login/code"
    ]


def codes_consumed(server, account):
    """Return how many of ten recovery codes and one TOTP code are consumed."""
    question = "SELECT last_time_step > 0 FROM second_factors WHERE user_id = ?"
    totp_codes = server.ask_database(question, id_of(server, account))[0][0]
    return 10 - len(recovery_hashes(server, account)) + totp_codes


@expects({302: 50, "emails": 1})
def reset_requests(server):
    """Ask for one user's reset email from many networks at once."""
    account, page = server.account(), server.visitor().open("/reset")
    address = address_of(account)
    shots = [Shot.of(page, email=spelling) for spelling in spellings(address)] * 2
    shots = [shot._replace(network=new_network()) for shot in shots]
    pages = fire(server, shots)
    return statuses(pages) | {"emails": len(server.mails_to(address))}


@expects({"addresses": 50, "emails": 50, "left": 0})
def two_senders(server):
    """Let two processes send fifty emails at once."""
    if not server.has_mail:
        raise NotOfferedError("this step sends no email")
    name = new_word()
    with server.app.app_context():
        for number in range(MANY):
            address = f"{number}@{name}.example.org"
            server.door.outbox.enqueue("password_changed", address)
        server.door.db.db.session.commit()
    sent = server.let_senders_loose()
    ours = [mail.to for mail in sent if mail.to.endswith(f"@{name}.example.org")]
    left = "SELECT count(*) FROM outbox_emails WHERE recipient LIKE ?"
    return {
        "addresses": len(set(ours)),
        "emails": len(ours),
        "left": server.ask_database(left, f"%@{name}.example.org")[0][0],
    }


@expects({"were shown codes": True, "codes": 10, "sets that work": 1, "sessions": 1})
def regenerations(server):
    """Regenerate the recovery codes in up to five requests at once."""
    account = server.account()
    visitor = server.logged_in(account)
    page = visitor.open("/account/recovery-codes")
    codes = [*account.recovery_codes[:3], account.authenticator.code_from(0)]
    codes += [account.authenticator.code_from(1)]
    codes = codes[: 2 + secrets.randbelow(4)]
    shots = [Shot.of(page, current_password=PASSWORD, code=code) for code in codes]
    pages = fire(server, shots)
    shown = [codes_shown(server, page) for page in pages if page.status == 200]
    return {
        "were shown codes": len(shown) >= 1,
        "codes": len(recovery_hashes(server, account)),
        "sets that work": sum(recovery_hashes(server, account) == s for s in shown),
        "sessions": live_sessions(server, pages),
    }


def codes_shown(server, page):
    """Return the hashes of the recovery codes that an answer shows."""
    found = page.find_all(".recovery-code")
    return {server.door.recovery_codes.hash_code(element.text()) for element in found}


def live_sessions(server, pages):
    """Return how many answers brought a cookie that opens the protected page."""
    return sum(is_logged_in_by(server, page) for page in pages)


@expects(MOVED_ONCE)
def same_new_authenticator(server):
    """Confirm the new authenticator in many copies of one session."""
    account = server.account()
    page, authenticator = begin_move(server, account)
    pages = fire(server, [Shot.of(page, code=authenticator.code_from(0))] * FEW)
    return came_of_move(server, account, [authenticator], pages)


def begin_move(server, account):
    """Reauthenticate; return the page with the new secret, and the authenticator."""
    page = server.logged_in(account).open("/account/phone")
    values = {"current_password": PASSWORD, "code": account.recovery_code()}
    page = page.fill_in(**values)
    return page, scan(page, RealClock())


def came_of_move(server, account, authenticators, pages):
    """Return what a user has who moved to a new authenticator, and what was told."""
    secrets = {authenticator.secret for authenticator in authenticators}
    shown = [
        element.text(strip=True) for p in pages for element in p.find_all("#secret")
    ]
    return {
        "told that it is set up": sum(leads_to(page, "/account") for page in pages),
        "other secrets shown": len(set(shown) - secrets),
        "factors": factors(server, account),
        "old authenticator works": is_let_in(server, account, account.authenticator),
        "new authenticators that work": sum(
            is_let_in(server, account, p) for p in authenticators
        ),
        "sessions": live_sessions(server, pages),
    }


def is_let_in(server, account, authenticator):
    """Return whether an authenticator's next code completes a login."""
    page = server.visitor().give_password(account)
    return page.fill_in(code=authenticator.code_from(1)).path == "/"


@expects(MOVED_ONCE)
def two_new_authenticators(server):
    """Confirm two new authenticators of one user, in two sessions."""
    account = server.account()
    moves = [begin_move(server, account) for _ in range(2)]
    shots = [
        Shot.of(page, code=authenticator.code_from(0)) for page, authenticator in moves
    ]
    authenticators = [authenticator for _, authenticator in moves]
    return came_of_move(server, account, authenticators, fire(server, shots * 2))


@expects(
    {
        "told that it is changed": 1,
        "passwords that work": 1,
        "are the same": True,
        "sessions": 1,
        "link": "/reset",
    }
)
def password_changes(server):
    """Change the password in two sessions, and by a reset link, in one moment."""
    account = server.account()
    opened = [server.logged_in(account).open("/account/password") for _ in range(2)]
    link = server.follow_reset_link(account)
    first, second, third = (f"{SHORT_PASSWORD} {number}" for number in range(3))
    shots = [
        Shot.of(page, current_password=PASSWORD, **new_password(account, password))
        for page, password in zip(opened, (first, second), strict=True)
    ]
    shots.append(Shot.of(link, **new_password(account, third)))
    pages = fire(server, shots)
    passwords = {first: "/account", second: "/account", third: "/login"}
    told = [
        password
        for (password, path), page in zip(passwords.items(), pages, strict=True)
        if leads_to(page, path)
    ]
    works = that_work(server, account, [PASSWORD, *passwords])
    return {
        "told that it is changed": len(told),
        "passwords that work": len(works),
        "are the same": told == works,
        "sessions": live_sessions(server, pages) + (works == [third]),
        "link": link.visitor.open("/reset/new").path,
    }


def new_password(account, password):
    """Return what is typed for a new password, with a recovery code."""
    code = account.recovery_code()
    return {"password": password, "confirm": password, "code": code}


@expects({"counted": [10, 20], "emails": 1, "right password": 422})
def wrong_codes_in_a_row(server):
    """Send wrong codes of both kinds, until the login is locked."""
    account = server.account()
    visitor = server.visitor()
    page = visitor.give_password(account)
    shots = [Shot.of(page, code=account.authenticator.wrong_code())]
    shots += [Shot.of(visitor.open("/login/recovery"), recovery_code="not-a-code")]
    counted, where = [], {"table": "lockouts", "column": "attempts"}
    for _ in range(2):
        fire(server, shots * 5)
        counted.append(count(server, "lockout", "login", account.username, **where))
        reset_rate_limits(server, account)
    emails = server.mails_to(address_of(account))
    return {
        "counted": counted,
        "emails": len(emails),
        "right password": server.visitor().give_password(account).status,
    }


def reset_rate_limits(server, account):
    """Delete an account's counters, because the clock of the server cannot be moved."""
    with server.app.app_context():
        rate_limit, db = server.door.rate_limit, server.door.db.db
        buckets = [
            rate_limit.bucket(action, "account", account.username)
            for action in ("login_code", "login_recovery_code")
        ]
        own = rate_limit.RateLimitCounter.bucket.in_(buckets)
        db.session.execute(delete(rate_limit.RateLimitCounter).where(own))
        db.session.commit()
