"""A second factor for a Flask app that has a login already.

    from two_factor import TwoFactor

    two_factor = TwoFactor(db, User)   # in a module of yours
    two_factor.init_app(app)           # in your factory, after the user loader

Needs Flask, SQLAlchemy 2, Flask-WTF, PyOTP, qrcode and cryptography; SQLite from 3.35,
or PostgreSQL. With Flask-Login and Flask-SQLAlchemy there is nothing more to say.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any

from flask import Flask
from flask import Response
from flask import current_app
from flask import flash
from flask import g
from flask import redirect
from flask import request
from flask import session
from flask import url_for
from flask.sessions import SecureCookieSessionInterface
from sqlalchemy import Engine
from sqlalchemy import MetaData
from sqlalchemy import create_engine
from sqlalchemy import event
from sqlalchemy import inspect
from sqlalchemy import make_url
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from . import account
from . import cli
from . import crypto
from . import device_cookie
from . import rate_limit
from . import redirects
from . import sessions
from . import settings
from . import store
from . import views
from .sessions import LOGIN
from .sessions import PENDING

ATTEMPT = "two_factor.attempt"  # key of the WSGI environment
ON_CONNECT = {
    # milliseconds
    "sqlite": ("PRAGMA busy_timeout = 15000", "PRAGMA foreign_keys = ON"),
    "postgresql": ("SET lock_timeout = '15s'",),
}
LOCKED_MESSAGE = (
    "There were too many wrong codes. Set a new password, then log in again."
)
DISABLED_MESSAGE = "You cannot log in at the moment. Ask the people who run this site."


class TwoFactor:
    """What your app calls, and what a subclass of yours may answer in another way.

    `db` is your Flask-SQLAlchemy object and `User` your model. An app that has neither
    sets TWO_FACTOR_DATABASE_URL, and overrides the hooks.
    """

    def __init__(self, db: Any = None, User: type | None = None) -> None:  # noqa: N803
        self.db = db
        self.User = User
        self.listeners: list[Callable] = []
        key = None
        if User is not None:
            [key] = inspect(User).primary_key  # one column: what a session refers to
            event.listen(User, "before_delete", self._delete_rows, propagate=True)
            # An id may be used again, after a DELETE of which we were not told.
            event.listen(User, "after_insert", self._delete_rows, propagate=True)
            event.listen(User, "before_update", self._keep_key, propagate=True)
        self.metadata = db.metadata if db else MetaData()
        self.tables = store.make_tables(self.metadata, key)

    # Hooks. The defaults suit Flask-Login, Flask-SQLAlchemy, and a model with
    # `username` and `check_password`.

    @property
    def engine(self) -> Engine:
        """Return an engine of our own, on the database of your app.

        Our transactions commit nothing of yours. A request that holds a connection of
        your pool does not wait there for a second one.
        """
        extensions = current_app.extensions
        if "two_factor_engine" not in extensions:
            extensions["two_factor_engine"] = self._make_engine()
        return extensions["two_factor_engine"]

    def load_user(self, user_id: Any) -> Any:
        """Return the user with this primary key, or None."""
        return self.db.session.get(self.User, user_id)

    def find_user(self, name: str) -> Any:
        """Return the user whom an operator names, or None."""
        return self.db.session.scalar(select(self.User).filter_by(username=name))

    def id_of(self, user: Any) -> Any:
        """Return the user's primary key: a number, a text or a UUID.

        Raise TypeError for a user of another model, who may have the same number.
        """
        if not isinstance(user, self.User):
            raise TypeError(f"two_factor guards {self.User.__name__}, not this user")
        mapper = inspect(self.User)
        return getattr(user, mapper.get_property_by_column(mapper.primary_key[0]).key)

    def name_of(self, user: Any) -> str:
        """Return the name that the authenticator app shows."""
        return user.username

    def check_password(self, user: Any, password: str) -> bool:
        """Return whether this is the user's password."""
        return user.check_password(password)

    def must_enrol(self, user: Any) -> bool:
        """Return whether this user needs a second factor."""
        return True

    def may_log_in(self, user: Any) -> bool:
        """Return whether this user may log in, and stay logged in."""
        return getattr(user, "is_active", True)

    def logged_in_user(self) -> Any:
        """Return the user whom your app takes for logged in, or None."""
        from flask_login import current_user  # noqa: PLC0415  not every app has it

        is_in = current_user.is_authenticated
        return current_user._get_current_object() if is_in else None

    def open_session(self, user: Any) -> None:
        """Log the user in, as your app always did."""
        from flask_login import login_user  # noqa: PLC0415

        login_user(user)

    def close_session(self) -> None:
        """Log out, as your app always did."""
        from flask_login import logout_user  # noqa: PLC0415

        logout_user()

    def renew_session_id(self) -> None:
        """Give a session that the server keeps a new id (session fixation).

        Flask's own sessions are in the cookie, and have none; Flask-Session has
        `regenerate`. For other kinds of sessions, override this.
        """
        interface = current_app.session_interface
        if not isinstance(interface, SecureCookieSessionInterface):
            session["two_factor_renewed"] = True  # Flask-Session skips an empty one
            interface.regenerate(session)
            session.pop("two_factor_renewed")

    def guard_user_loader(self, app: Flask) -> None:
        """Let Flask-Login's user loader believe no login that lacks a factor.

        Without Flask-Login override this with `pass`: what loads your user then has to
        ask `has_both_factors`, and what logs out has to call `log_out`.
        """
        from flask_login import user_logged_in  # noqa: PLC0415
        from flask_login import user_logged_out  # noqa: PLC0415

        manager = getattr(app, "login_manager", None)
        load = manager and manager.user_callback
        if load is None:
            raise RuntimeError("two_factor.init_app comes after the user loader")
        if not hasattr(load, "asks_for_both_factors"):
            manager.user_loader(self._guarded(load))
        user_logged_in.connect(self._warn_of_other_door, app, weak=False)
        user_logged_out.connect(self.log_out, app, weak=False)
        app.before_request(self._check_user_loader)

    # What your app calls

    def init_app(self, app: Flask) -> None:
        """Add the pages and the commands, and guard the user loader.

        Call it after the user loader is there. Raise RuntimeError for settings that
        would leave a hole.
        """
        settings.set_defaults(app.config)
        self._check_model(app)
        app.extensions["two_factor"] = self
        crypto.init_app(app)
        app.register_blueprint(views.bp)
        app.register_blueprint(account.bp)
        app.cli.add_command(cli.group)
        app.before_request(self._check_app)
        # The first one runs last: a commit of yours in another one comes before it.
        app.after_request_funcs.setdefault(None, []).insert(0, self._end_logged_out)
        self.guard_user_loader(app)

    def on_event(self, listener: Callable) -> Callable:
        """Register `listener(event, user, **details)`; events are in snake_case.

        `user` is None where nobody is known. A listener that fails is logged, and
        changes nothing.
        """
        self.listeners.append(listener)
        return listener

    def count_attempt_now(self, name: str) -> None:
        """Count an attempt at the password of a typed name; call it before you verify.

        Raise 429 Too Many Requests after five attempts in a quarter of an hour, or 20
        from one network.
        """
        name = clean(name)
        user_id, device_id = device_cookie.find_device(name)
        attempt = {"name": name, "user_id": user_id, "device_id": device_id}
        request.environ[ATTEMPT] = attempt
        network = rate_limit.client_network()
        rate_limit.count_attempt_now("login_password", name, network, device_id)

    def begin_login(
        self, user: Any, remember: bool = False, next_url: str | None = None
    ) -> Response:
        """Begin a pending login, in place of `login_user`; return the redirect.

        It leads to the code page, or on if the user needs no second factor. `next_url`
        is a path of your app, such as "/notes"; others are ignored.
        """
        user_id = self.id_of(user)
        if not self.may_log_in(user):
            flash(DISABLED_MESSAGE)
            return redirect(self.login_url())
        if rate_limit.is_locked("login", user_id):
            flash(LOCKED_MESSAGE)
            return redirect(self.login_url())
        self.tell("password_verified", user)
        row = store.find(user_id)
        row = row if row.session_token else store.get_or_create(user_id)
        if row.encrypted_secret is None and not self._has_to_enrol(user, row):
            self.complete_login(user, row.session_token, row.device_salt, remember)
            return redirect(redirects.next_url(next_url))
        return self.ask_for_code(user, row, remember, next_url)

    def has_both_factors(self, user: Any) -> bool:
        """Return whether this session is this user's, who gave both factors in it."""
        login, row = session.get(LOGIN), None
        if login and not sessions.login_expired(login):
            row = store.find(self.id_of(user))
        if not row or not sessions.is_same(login["session_token"], row.session_token):
            return False
        if row.encrypted_secret is None and self._has_to_enrol(user, row):
            return False
        sessions.touch_login()
        return self.may_log_in(user)

    def is_enrolled(self, user: Any) -> bool:
        """Return whether this user has a second factor."""
        return store.find(self.id_of(user)).encrypted_secret is not None

    def check_code(self, user: Any, code: str) -> bool:
        """Verify and consume a TOTP code or a recovery code; return whether it worked.

        For what is no page of ours: a token for a program, a forgotten password. Raise
        429 after five attempts in a quarter of an hour. After 20 wrong codes in a row
        only recovery codes are valid, until the next login.
        """
        user_id, attempt = self.id_of(user), request.environ.get(ATTEMPT, {})
        row = store.find(user_id)
        if row.encrypted_secret is None or not self.may_log_in(user):
            return False
        rate_limit.count_attempt_now("door_code", str(user_id))
        if not views.verify_and_consume_any_code(user, row, clean(code), "door"):
            return False
        network = rate_limit.client_network()
        rate_limit.reset_after_login(
            user_id, attempt.get("name"), network, flows=("door",)
        )
        return True

    def password_changed(self, user: Any) -> None:
        """End all logins but this one, and all device cookies.

        Call it after your commit. The count of wrong codes in a row begins anew.
        """
        user_id, is_own = self.id_of(user), self.has_both_factors(user)
        token = store.end_sessions(user_id, device_salt=store.new_token())
        rate_limit.reset_lockout("login", user_id)
        self.tell("password_changed", user)
        if is_own:
            sessions.update(LOGIN, session_token=token)

    def end_sessions(self, user: Any) -> None:
        """End all logins and pending logins of a user, on all devices."""
        store.end_sessions(self.id_of(user))

    def forget_user(self, user_id: Any) -> None:
        """Delete a user's rows; needed only after a DELETE that is not the ORM's."""
        with store.transaction() as connection:
            self._delete_all(connection, user_id)

    def log_out(self, *_: Any, **__: Any) -> None:
        """End this login on all devices; `logout_user` of Flask-Login calls it."""
        login = session.get(LOGIN)
        self.clear_session()
        if login:
            g.two_factor_ended = login

    # What our pages call

    def tell(self, event: str, user: Any, **details: Any) -> None:
        """Tell the listeners what happened; if one of them fails, nothing else does."""
        for listener in self.listeners:
            try:
                listener(event, user, **details)
            except Exception:
                current_app.logger.exception("Nobody was told: %s", event)

    def clear_session(self):
        """Forget an earlier login, and what others may know (session fixation)."""
        for key in (PENDING, LOGIN, "csrf_token"):
            session.pop(key, None)
        g.pop("csrf_token", None)  # Flask-WTF caches the token of the old session here
        self.renew_session_id()

    def ask_for_code(self, user, row, remember=False, next_url=None):
        """Begin a pending login: the password was right, the code is still to come."""
        attempt = request.environ.get(ATTEMPT, {})
        is_own_device = attempt.get("user_id") == str(self.id_of(user))
        device_id = attempt["device_id"] if is_own_device else None
        self.clear_session()
        token, name = row.session_token, attempt.get("name")
        sessions.begin_pending_login(self.id_of(user), token, remember, name, device_id)
        next_url = next_url or request.args.get("next")
        return redirect(url_for("two_factor.verify", next=next_url))

    def complete_login(self, user, session_token, device_salt, remember=False, **facts):
        """Log the user in; not for long if the session token was rotated meanwhile."""
        begun = session.get(PENDING) or request.environ.get(ATTEMPT, {})
        user_id, name = self.id_of(user), begun.get("name")
        device_id, network = begun.get("device_id"), rate_limit.client_network()
        rate_limit.reset_after_login(user_id, name, network, device_id)
        self.clear_session()
        sessions.begin_login(user_id, session_token, remember)
        if name:
            device_cookie.issue(user_id, device_salt, name)
        self.open_session(user)
        self.tell("logged_in", user, new_browser=device_id is None, **facts)

    def login_url(self):
        """Return the URL of the password page."""
        endpoint = current_app.config["TWO_FACTOR_LOGIN"]
        return url_for(endpoint or current_app.login_manager.login_view)

    def _has_to_enrol(self, user, row):
        """Return whether a user needs a second factor; after a reset always."""
        return row.reset_at > 0 or self.must_enrol(user)

    def _make_engine(self):
        """Create the engine; a database in memory has one, which is yours."""
        url = current_app.config["TWO_FACTOR_DATABASE_URL"] or self.db.engine.url
        if make_url(url).database in (None, "", ":memory:"):
            return self.db.engine
        # Connections like yours, however your app has set them up.
        options = {"pool": self.db.engine.pool.recreate()} if self.db else {}
        # No secret, not even an encrypted one, in the log of an error.
        engine = create_engine(url, hide_parameters=True, **options)
        limit_waits(engine)
        return engine

    def _end_logged_out(self, response):
        """End the login on the server, if this request has logged out.

        The cookie has to go in any case: a failure is logged, and is no error page.
        """
        try:
            if "two_factor_ended" in g:
                self._end_session(g.pop("two_factor_ended"))
        except SQLAlchemyError:
            current_app.logger.exception("A logout did not end the login elsewhere")
        return response

    def _end_session(self, login):
        """End a login on all devices."""
        user_id = store.parse_user_id(login["user_id"])
        if store.end_session(user_id, login["session_token"]):
            self.tell("logged_out", self.load_user(user_id))

    def _delete_rows(self, mapper, connection, user):
        """Delete a user's rows, in the transaction that your app is in."""
        self._delete_all(connection, self.id_of(user))

    def _delete_all(self, connection, user_id):
        """Delete all that there is of a user; the id may be used again."""
        store.delete_rows(connection, self.tables, user_id)
        rate_limit.delete_lockouts(connection, self.tables, user_id)

    def _keep_key(self, mapper, connection, user):
        """Refuse a new primary key, with which a user would have no second factor."""
        [key] = mapper.primary_key
        key = mapper.get_property_by_column(key).key
        if inspect(user).attrs[key].history.has_changes():
            raise RuntimeError("two_factor: the primary key of a user cannot change")

    def _check_model(self, app):
        """Refuse users who are in another database than our tables."""
        if self.User is None:
            return
        if inspect(self.User).local_table.metadata is not self.metadata:
            raise RuntimeError("two_factor: users have to be in the default database")
        if app.config["TWO_FACTOR_DATABASE_URL"]:
            raise RuntimeError("TWO_FACTOR_DATABASE_URL is for apps without a model")

    def _check_app(self):
        """Serve nobody if a login would end on a page, or in a session, of no use."""
        url_for(current_app.config["TWO_FACTOR_HOME"])
        self.login_url()
        interface = current_app.session_interface
        is_known = isinstance(interface, SecureCookieSessionInterface)
        is_default = type(self).renew_session_id is TwoFactor.renew_session_id
        if is_default and not is_known and not hasattr(interface, "regenerate"):
            raise RuntimeError("override renew_session_id for your kind of sessions")

    # Flask-Login

    def _guarded(self, load):
        """Return a user loader that asks for both factors."""

        @wraps(load)
        def load_with_both_factors(user_id):
            user = load(user_id)
            return user if user and self.has_both_factors(user) else None

        load_with_both_factors.asks_for_both_factors = True
        return load_with_both_factors

    def _check_user_loader(self):
        """Serve nobody if the user loader was replaced after init_app."""
        load = current_app.login_manager.user_callback
        if not hasattr(load, "asks_for_both_factors"):
            raise RuntimeError("two_factor.init_app comes after the user loader")

    def _warn_of_other_door(self, app, user):
        """Log which view has called login_user by itself: nobody is logged in by it."""
        if session.get(LOGIN, {}).get("user_id") != str(self.id_of(user)):
            text = "%s calls login_user: nobody is logged in. Call begin_login there."
            app.logger.warning(text, request.endpoint)


def clean(value):
    """Return what was sent as text that can be hashed; JSON may hold anything."""
    return str(value or "").encode(errors="replace").decode()


def limit_waits(engine):
    """Wait for a lock, but not forever: your app may hold it in the same request."""

    @event.listens_for(engine, "connect")
    def configure_connection(connection, record):
        cursor = connection.cursor()
        for statement in ON_CONNECT[engine.dialect.name]:
            cursor.execute(statement)
        connection.commit()  # or a rollback would take it back
        cursor.close()
