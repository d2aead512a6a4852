"""Passkeys: who has which, and the page that logs in with one."""

import secrets
import time
from urllib.parse import urlsplit

import webauthn
from flask import Blueprint
from flask import current_app
from flask import redirect
from flask import render_template
from flask import session
from sqlalchemy import BigInteger
from sqlalchemy import ForeignKey
from sqlalchemy import String
from sqlalchemy import delete
from sqlalchemy import select
from sqlalchemy import text
from sqlalchemy import update
from sqlalchemy.orm import Mapped
from sqlalchemy.orm import mapped_column
from webauthn.helpers import decode_credential_public_key
from webauthn.helpers import decoded_public_key_to_cryptography
from webauthn.helpers import parse_authentication_credential_json
from webauthn.helpers.structs import PublicKeyCredentialDescriptor
from webauthn.helpers.structs import UserVerificationRequirement
from wtforms import HiddenField

from . import audit
from . import device_cookie
from . import outbox
from . import pending_login
from . import rate_limit
from . import redirects
from . import sessions
from .db import db
from .db import delete_unlocked
from .db import insert_if_absent
from .forms import BaseForm

CHALLENGE_SECONDS = pending_login.PENDING_LOGIN_SECONDS
MAX_CREDENTIAL_ID_BYTES = 1023  # WebAuthn section 7.1
VERIFIED_BY_DEVICE = UserVerificationRequirement.REQUIRED  # finger, face or PIN

INVALID_PASSKEY_MESSAGE = "That passkey did not work. Try again, or log in another way."

# Two tabs may insert at once, and both must show the same challenge: one statement
# keeps the row, or replaces an expired one, and returns what is there then.
UPSERT_CHALLENGE = text("""
    INSERT INTO passkey_challenges AS pending (session_id, challenge, created_at)
    VALUES (:session_id, :challenge, :now)
    ON CONFLICT (session_id) DO UPDATE SET
        challenge = CASE WHEN pending.created_at < :oldest
            THEN excluded.challenge ELSE pending.challenge END,
        created_at = CASE WHEN pending.created_at < :oldest
            THEN excluded.created_at ELSE pending.created_at END
    RETURNING challenge
""")

bp = Blueprint("passkeys", __name__)


def init_app(app):
    app.register_blueprint(bp)


class PasskeyForm(BaseForm):
    """What the browser answers; passkey.js fills it in."""

    credential = HiddenField()


class Passkey(db.Model):
    """The public half of a key pair, with which nobody can sign."""

    __tablename__ = "passkeys"

    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"), index=True)
    name: Mapped[str] = mapped_column(String(64))
    credential_id: Mapped[bytes] = mapped_column(unique=True)
    public_key: Mapped[bytes]
    sign_count: Mapped[int] = mapped_column(BigInteger)


class PasskeyOwner(db.Model):
    """The handle by which passkeys know a user, and whether they alone log in."""

    __tablename__ = "passkey_owners"

    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"), primary_key=True)
    handle: Mapped[bytes] = mapped_column(unique=True)  # random: it leaves the server
    passkeys_only: Mapped[bool]


class PasskeyChallenge(db.Model):
    """What a passkey has to sign next, in one session."""

    __tablename__ = "passkey_challenges"

    session_id: Mapped[str] = mapped_column(String(22), primary_key=True)
    challenge: Mapped[str] = mapped_column(String(43))
    # epoch seconds
    created_at: Mapped[int] = mapped_column(BigInteger, index=True)


def find_passkeys(user):
    """Return the user's passkeys, the oldest first."""
    query = select(Passkey).filter_by(user_id=user.id).order_by(Passkey.id)
    return db.session.scalars(query).all()


def find_handle(user):
    """Return the handle by which passkeys know the user, or None."""
    return db.session.scalar(select(PasskeyOwner.handle).filter_by(user_id=user.id))


def must_use_passkey(user):
    """Return whether the user chose passkeys only, and still has one."""
    query = select(PasskeyOwner.passkeys_only).filter_by(user_id=user.id)
    return bool(db.session.scalar(query) and find_passkeys(user))


def get_or_create_challenge():
    """Return what a passkey has to sign next in this session; store it if needed."""
    now = int(time.time())
    values = {
        "session_id": sessions.get_or_create_session_id(),
        "challenge": secrets.token_urlsafe(32),
        "now": now,
        "oldest": now - CHALLENGE_SECONDS,
    }
    return db.session.scalar(UPSERT_CHALLENGE, values)


def find_challenge():
    """Return the challenge of this session, or None if it expired or was consumed."""
    query = select(PasskeyChallenge.challenge).where(is_valid_in_session())
    return db.session.scalar(query)


def consume_challenge():
    """Delete the challenge of this session and return it; None if there is none."""
    statement = delete(PasskeyChallenge).where(is_valid_in_session())
    return db.session.scalar(statement.returning(PasskeyChallenge.challenge))


def is_valid_in_session():
    """Return the SQL condition of the challenge of this session, while it is valid."""
    oldest = int(time.time()) - CHALLENGE_SECONDS
    own = PasskeyChallenge.session_id == session.get("session_id", "")
    return own & (PasskeyChallenge.created_at >= oldest)


@outbox.hourly
def delete_expired_challenges():
    """Delete the challenges that nobody can answer any more."""
    oldest = int(time.time()) - CHALLENGE_SECONDS
    expired = PasskeyChallenge.created_at < oldest
    delete_unlocked(PasskeyChallenge.session_id, expired)


def rp_id():
    """Return the host for which passkeys are made; it never comes from a request."""
    return urlsplit(current_app.config["BASE_URL"]).hostname


def expected_origin():
    """Return the origin at which browsers have to sign, as they write it."""
    base_url = urlsplit(current_app.config["BASE_URL"].lower())
    default_port = {"http": ":80", "https": ":443"}[base_url.scheme]
    return f"{base_url.scheme}://{base_url.netloc.removesuffix(default_port)}"


def consume_challenge_and_verify(verify, credential, **expected):
    """Consume the challenge, and return what a function of webauthn verifies, or None.

    The library does not ask for user verification unless it is told to.
    """
    challenge = consume_challenge()
    if challenge is None:
        return None
    try:
        return verify(
            credential=credential,
            expected_challenge=challenge.encode(),
            expected_rp_id=rp_id(),
            expected_origin=expected_origin(),
            require_user_verification=True,
            **expected,
        )
    except Exception:  # odd bytes lead to other exceptions than the documented one
        return None


def find_signing_passkey(user, credential):
    """Return the user's passkey of which an answer speaks, or None."""
    try:
        answer = parse_authentication_credential_json(credential)
    except Exception:  # as above
        return None
    # The library ignores the handle, which WebAuthn section 7.2 has us compare.
    if answer.response.user_handle not in (None, b"", find_handle(user)):
        return None
    query = select(Passkey).filter_by(user_id=user.id, credential_id=answer.raw_id)
    return db.session.scalar(query)


def verify_and_consume_signature(user, credential):
    """Consume the challenge, and store the count of a valid signature.

    Return whether one of the user's passkeys signed the challenge, for this site.
    """
    passkey = find_signing_passkey(user, credential)
    if passkey is None:
        return False
    verified = consume_challenge_and_verify(
        webauthn.verify_authentication_response,
        credential,
        credential_public_key=passkey.public_key,
        credential_current_sign_count=0,  # store_sign_count compares it, atomically
    )
    return bool(verified) and store_sign_count(user, passkey, verified.new_sign_count)


def store_sign_count(user, passkey, sign_count):
    """Store how often a passkey has signed; return whether the count rose.

    Otherwise somebody has a copy, and an event is recorded. Passkeys that several
    devices share do not count: 0 may follow 0.
    """
    stored = db.session.execute(
        update(Passkey)
        .filter_by(id=passkey.id)
        .where(Passkey.sign_count < max(sign_count, 1))
        .values(sign_count=sign_count)
    )
    if stored.rowcount == 1:
        return True
    audit.record("passkey_copy_suspected", user)
    return False


def verify_and_store_passkey(user, name, credential):
    """Consume the challenge, verify a new passkey and insert it; return it, or None."""
    verified = consume_challenge_and_verify(verify_new_passkey, credential)
    if verified is None:
        return None
    return insert_if_absent(
        Passkey,
        user_id=user.id,
        name=name,
        credential_id=verified.credential_id,
        public_key=verified.credential_public_key,
        sign_count=verified.sign_count,
    )


def verify_new_passkey(**expected):
    """Return what the library verifies; raise for a key with which nothing verifies."""
    verified = webauthn.verify_registration_response(**expected)
    public_key = decode_credential_public_key(verified.credential_public_key)
    decoded_public_key_to_cryptography(public_key)
    if len(verified.credential_id) > MAX_CREDENTIAL_ID_BYTES:
        raise ValueError("the credential id is too long")
    return verified


def descriptors(user):
    """Return the user's passkeys as browsers want them named."""
    return [
        PublicKeyCredentialDescriptor(id=passkey.credential_id)
        for passkey in find_passkeys(user)
    ]


def render_passkey_form(form, ceremony, options, title, passkeys_only=False):
    """Render a form that passkey.js sends when the browser has its answer."""
    form.credential.render_kw = {
        "value": "",  # an answer is good for one challenge, and that is consumed
        "data-ceremony": ceremony,
        "data-options": webauthn.options_to_json(options),
    }
    html = render_template(
        "passkey_form.html", form=form, title=title, passkeys_only=passkeys_only
    )
    return html, form.status_code


@bp.route("/login/passkey", methods=["GET", "POST"])
@pending_login.pending_login_required
def verify(user):
    """Verify a passkey in place of a code, and log in."""
    if not find_passkeys(user):
        return redirects.redirect_keeping_next("second_factor.verify")
    form = PasskeyForm()
    if form.validate_on_submit():
        device_id = device_cookie.get_pending_device_id()
        name = user.username
        rate_limit.count_attempt_now("login_passkey", name, device_id=device_id)
        if verify_and_consume_signature(user, form.credential.data):
            if not pending_login.pending_user():  # ended meanwhile
                return redirects.redirect_keeping_next("auth.login")
            audit.record("logged_in", user, factor="passkey")
            device_cookie.notify_of_new_browser(user)
            sessions.log_in(user)
            return redirect(redirects.next_url())
        audit.record("passkey_rejected", user, flow="login")
        form.add_error(INVALID_PASSKEY_MESSAGE)
    options = webauthn.generate_authentication_options(
        rp_id=rp_id(),
        challenge=get_or_create_challenge().encode(),
        timeout=CHALLENGE_SECONDS * 1000,  # milliseconds
        allow_credentials=descriptors(user),
        user_verification=VERIFIED_BY_DEVICE,
    )
    passkeys_only = must_use_passkey(user)
    return render_passkey_form(form, "get", options, "Use your passkey", passkeys_only)
