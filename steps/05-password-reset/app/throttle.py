"""How often one may guess."""

import hmac
import time
from ipaddress import ip_address
from ipaddress import ip_network

from flask import current_app
from flask import request
from sqlalchemy import BigInteger
from sqlalchemy import String
from sqlalchemy import delete
from sqlalchemy import select
from sqlalchemy import text
from sqlalchemy import update
from sqlalchemy.orm import Mapped
from sqlalchemy.orm import mapped_column
from werkzeug.exceptions import TooManyRequests

from .db import db
from .users import fold

LIMIT = 5  # guesses in a window
LIMIT_OF_NETWORK = 20
LIMIT_OF_ACCOUNT = 50  # from many networks together
LIMIT_OF_48 = 100
WINDOW = 15 * 60  # seconds
IN_A_ROW = 20  # wrong codes (NIST 800-63B-4 section 3.2.2)
LIMIT_OF_MAIL = 3  # an hour
HOUR = 60 * 60  # seconds
NEVER = 2**40  # seconds: a window that opens there does not end
PURPOSES = ("password", "code", "enrolment", "recovery")

# One statement counts and tells the count: nobody comes in between. Clocks may differ.
COUNT = text("""
    INSERT INTO attempts (bucket, opened, count) VALUES (:bucket, :now, 1)
    ON CONFLICT (bucket) DO UPDATE SET
        count = CASE WHEN attempts.opened BETWEEN :oldest AND :now + 60
            THEN attempts.count ELSE 0 END + 1,
        opened = CASE WHEN attempts.opened BETWEEN :oldest AND :now + 60
            THEN attempts.opened ELSE :now END
    RETURNING count, opened
""")


class Attempts(db.Model):
    """How many guesses fell into a bucket since its window opened."""

    __tablename__ = "attempts"

    bucket: Mapped[str] = mapped_column(String(64), primary_key=True)
    opened: Mapped[int] = mapped_column(BigInteger, index=True)
    count: Mapped[int]


def network():
    """Return the visitor's network: an IPv4 address, or the /64 of an IPv6 address."""
    try:
        address = ip_address(request.remote_addr or "")
    except ValueError:  # a server behind a unix socket knows no address
        return "unknown"
    address = getattr(address, "ipv4_mapped", None) or address
    prefix = 64 if address.version == 6 else 32
    return str(ip_network((address.packed, prefix), strict=False))


def bucket(*names):
    """Return the key of a bucket: what was typed is not stored, and has one length."""
    key = f"throttle {current_app.config['SECRET_KEY']}"  # a key of its own
    return hmac.digest(key.encode(), "\0".join(names).encode(), "sha256").hex()


def buckets(purpose, account, network):
    """Return the limit and the key of each bucket that a guess falls into."""
    if network:
        yield LIMIT_OF_NETWORK, bucket(purpose, "network", network)
    if network and "/64" in network:  # one customer may have the /48 around it
        wide = ip_network(network).supernet(new_prefix=48)
        yield LIMIT_OF_48, bucket(purpose, "wide", str(wide))
    if network and account:
        yield LIMIT, bucket(purpose, "account in network", fold(account), network)
    if account:
        most = LIMIT_OF_ACCOUNT if network else LIMIT
        yield most, bucket(purpose, "account", fold(account))


def spend_attempt(purpose, account, network=None):
    """Count a guess before it is looked at; raise 429 if there were too many."""
    now = int(time.time())
    for limit, key in buckets(purpose, account, network):
        values = {"bucket": key, "now": now, "oldest": now - WINDOW + 1}
        count, opened = db.session.execute(COUNT, values).one()
        if count > limit:
            break
    db.session.commit()  # whatever becomes of the request, the guess is spent
    if count > limit:
        raise TooManyRequests(retry_after=min(opened + WINDOW - now, WINDOW))


def forget_attempts(account, network):
    """Start counting anew, after a complete login from this network."""
    here = bucket("password", "account in network", fold(account), network)
    own = [bucket(purpose, "account", fold(account)) for purpose in PURPOSES]
    taken = delete(Attempts).filter_by(bucket=here)
    for row in db.session.execute(taken.returning(Attempts.count, Attempts.opened)):
        give_back(*row, network)
    own += [wrong_codes("login", account), wrong_codes("account", account)]
    for purpose in ("current password", "account code"):
        own.append(bucket(purpose, "account", fold(account)))
    is_over = Attempts.opened <= int(time.time()) - HOUR
    db.session.execute(delete(Attempts).where(Attempts.bucket.in_(own) | is_over))


def give_back(spent, since, network):
    """Take back from a network what the login spent, or a class would use it up."""
    shared = [key for _, key in buckets("password", None, network)]
    # A window that opened later has not counted it.
    counted = Attempts.bucket.in_(shared) & (Attempts.opened <= since)
    rest = Attempts.count - spent
    db.session.execute(update(Attempts).where(counted, rest >= 0).values(count=rest))


def wrong_codes(route, account):
    """Return the key under which wrong codes in a row are counted, on one route."""
    return bucket("wrong codes", route, fold(account))


def count_wrong_code(route, account):
    """Count a wrong code, and tell whether there were too many in a row."""
    values = {"bucket": wrong_codes(route, account), "now": NEVER, "oldest": NEVER}
    return db.session.execute(COUNT, values).one().count >= IN_A_ROW


def has_too_many_wrong_codes(route, account):
    """Tell whether there were too many wrong codes in a row."""
    same_key = Attempts.bucket == wrong_codes(route, account)
    return (db.session.scalar(select(Attempts.count).where(same_key)) or 0) >= IN_A_ROW


def forget_wrong_codes(route, account):
    """Start counting wrong codes anew."""
    db.session.execute(delete(Attempts).filter_by(bucket=wrong_codes(route, account)))


def is_too_much_mail(kind, about):
    """Count a mail, and tell whether there were too many in the last hour."""
    now = int(time.time())
    key = bucket("mail", kind, about)
    values = {"bucket": key, "now": now, "oldest": now - HOUR + 1}
    return db.session.execute(COUNT, values).one().count > LIMIT_OF_MAIL
