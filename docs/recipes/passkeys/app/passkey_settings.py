"""Settings of passkeys: add one, remove one, log in with them only."""

import secrets

import webauthn
from flask import Blueprint
from flask import abort
from flask import current_app
from flask import flash
from flask import redirect
from flask import render_template
from flask import url_for
from flask_login import current_user
from flask_login import login_required
from sqlalchemy import delete
from sqlalchemy import update
from webauthn.helpers.structs import AuthenticatorSelectionCriteria
from webauthn.helpers.structs import ResidentKeyRequirement
from wtforms import StringField
from wtforms.validators import DataRequired
from wtforms.validators import Length

from . import account
from . import audit
from . import passkeys
from . import sessions
from .db import db
from .db import insert_if_absent
from .forms import render_form_page
from .forms import strip
from .passkeys import Passkey
from .passkeys import PasskeyForm
from .passkeys import PasskeyOwner

PASSKEY_NOT_ADDED_MESSAGE = "That passkey was not added. Start again."
# "preferred", because some phones synchronise no others.
STORED_ON_DEVICE = AuthenticatorSelectionCriteria(
    resident_key=ResidentKeyRequirement.PREFERRED,
    user_verification=passkeys.VERIFIED_BY_DEVICE,
)

bp = Blueprint("passkey_settings", __name__, url_prefix="/account/passkeys")


def init_app(app):
    app.register_blueprint(bp)


class NewPasskeyForm(PasskeyForm):
    """A new passkey, and what its owner calls it."""

    name = StringField(
        "Name",
        description="Something you will recognise, such as “Laptop”.",
        filters=[strip],
        validators=[
            DataRequired("Enter a name."),
            Length(max=64, message="Use at most 64 characters."),
        ],
        render_kw={"autocomplete": "off"},
    )


@bp.get("")
@login_required
def overview():
    """Show the passkeys of the user."""
    return render_template(
        "passkeys.html",
        passkeys=passkeys.find_passkeys(current_user),
        passkeys_only=passkeys.must_use_passkey(current_user),
    )


@bp.route("/new", methods=["GET", "POST"])
@login_required
def add():
    """Reauthenticate the user, then let the browser make a passkey."""
    if challenge := passkeys.find_challenge():
        return add_reauthenticated(current_user._get_current_object(), challenge)
    form = account.ReauthenticationForm()
    user = account.reauthenticate_or_abort(form)
    if user:
        handle = secrets.token_bytes(32)
        owner = {"user_id": user.id, "handle": handle, "passkeys_only": False}
        insert_if_absent(PasskeyOwner, **owner)
        sessions.log_in(user)
        # The reauthentication is valid for as long as this challenge is.
        passkeys.get_or_create_challenge()
        return redirect(url_for("passkey_settings.add"))
    return render_reauthentication(form, "Add a passkey")


def add_reauthenticated(user, challenge):
    """Let the browser make a passkey, store it, and end all other sessions."""
    form = NewPasskeyForm()
    if not form.validate_on_submit():
        options = creation_options(user, challenge)
        return passkeys.render_passkey_form(form, "create", options, "Add a passkey")
    account.lock_user_or_abort(user)
    credential = form.credential.data
    if not passkeys.verify_and_store_passkey(user, form.name.data, credential):
        audit.record("passkey_rejected", user, flow="account")
        flash(PASSKEY_NOT_ADDED_MESSAGE)
        return redirect(url_for("passkey_settings.add"))
    return finish(user, "passkey_added", "Your passkey has been added.")


def creation_options(user, challenge):
    """Return what a browser has to know to make a passkey."""
    return webauthn.generate_registration_options(
        rp_id=passkeys.rp_id(),
        rp_name=current_app.config["ISSUER"],
        user_id=passkeys.find_handle(user),
        user_name=user.username,
        challenge=challenge.encode(),
        timeout=passkeys.CHALLENGE_SECONDS * 1000,  # milliseconds
        exclude_credentials=passkeys.descriptors(user),
        authenticator_selection=STORED_ON_DEVICE,
    )


def render_reauthentication(form, title):
    """Render the form that asks for password and code."""
    return render_form_page(form, title, "Continue", current_user.username)


def finish(user, event, message):
    """Notify the user, end all other sessions, and go back to the passkeys."""
    account.notify_and_end_other_sessions(user, event)
    flash(f"{message} You've been logged out on all other devices.")
    return redirect(url_for("passkey_settings.overview"))


@bp.route("/<int:passkey_id>/remove", methods=["GET", "POST"])
@login_required
def remove(passkey_id):
    """Remove a passkey; without the last one, codes log in again."""
    own = {passkey.id: passkey for passkey in passkeys.find_passkeys(current_user)}
    if passkey_id not in own:
        abort(404)
    form = account.ReauthenticationForm()
    user = account.reauthenticate_or_abort(form)
    if user:
        db.session.execute(delete(Passkey).filter_by(id=passkey_id))
        if not passkeys.find_passkeys(user):
            set_passkeys_only(user, False)
        return finish(user, "passkey_removed", "That passkey has been removed.")
    return render_reauthentication(form, f"Remove “{own[passkey_id].name}”")


@bp.route("/only", methods=["GET", "POST"])
@login_required
def use_passkeys_only():
    """Let passkeys alone log in: a page that looks like ours would ask for a code."""
    if not passkeys.find_passkeys(current_user):
        abort(404)
    form = account.ReauthenticationForm()
    user = account.reauthenticate_or_abort(form)
    if user:
        set_passkeys_only(user, True)
        return finish(user, "passkeys_only_enabled", "Codes are switched off.")
    return render_reauthentication(form, "Log in with passkeys only")


@bp.route("/codes", methods=["GET", "POST"])
@login_required
def use_codes_again():
    """Let codes log in again, besides passkeys."""
    form = account.ReauthenticationForm()
    user = account.reauthenticate_or_abort(form)
    if user:
        set_passkeys_only(user, False)
        return finish(user, "passkeys_only_disabled", "Codes are switched on.")
    return render_reauthentication(form, "Log in with codes again")


def set_passkeys_only(user, passkeys_only):
    """Set whether passkeys alone log the user in."""
    own = update(PasskeyOwner).filter_by(user_id=user.id)
    db.session.execute(own.values(passkeys_only=passkeys_only))
