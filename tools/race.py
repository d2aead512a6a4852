"""Sends one right code fifty times at once: python -m tools.race 03

Fifty copies of one pending login bring the same code to the app of a step, and their
threads give way at each line of the modules that decide. So what a busy server meets
now and then happens at once. Nothing of the app is changed; its database, where it has
one, is new and is thrown away.
"""

import logging
import re
import secrets
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from pathlib import Path

from tools.steps import TutorialError
from tools.steps import find_step
from tools.steps import number_of
from tools.totp import RFC_KEY
from tools.totp import TIME_STEP
from tools.totp import totp

MANY = 50
NAME, PASSWORD = "admin", "password"
SECRET = RFC_KEY
DECIDING = ("second_factor.py", "rate_limit.py")
PAUSE = 0.05  # seconds, at each line


def start(step, folder):
    """Make the app of a step, with a user who is enrolled."""
    sys.path.insert(0, str(step))
    sys.dont_write_bytecode = True
    logging.disable()
    config = {
        "SECRET_KEY": secrets.token_hex(32),
        "TOTP_KEYS": secrets.token_hex(32),
        "SQLALCHEMY_DATABASE_URI": f"sqlite:///{folder}/race.db",
        "SQLALCHEMY_ENGINE_OPTIONS": {"pool_size": 2 * MANY},
        "MAIL_IN_BACKGROUND": False,
    }
    app = import_module("app").create_app(config)
    with app.app_context():
        set_up_user(app)
    return app


def set_up_user(app):
    """Enrol the user; where users are kept in a table, make both first."""
    users, second_factor = map(import_module, ("app.users", "app.second_factor"))
    if "migrate" not in app.extensions:
        second_factor.activate(users.DUMMY_USER, SECRET, 0)
        return
    import_module("flask_migrate").upgrade()
    hashed = import_module("app.passwords").hash_password(PASSWORD)
    user = users.create(NAME, "admin@example.org", hashed)
    second_factor.activate(user, SECRET, 0)
    import_module("app.db").db.session.commit()


def token_in(answer):
    """Return the CSRF token of a page."""
    return re.search(r'name="csrf_token"[^>]*value="([^"]+)"', answer.text)[1]


def give_password(app):
    """Log in as far as the password goes; return the cookie and the form's token."""
    client = app.test_client()
    token = token_in(client.get("/login"))
    form = {"csrf_token": token, "username": NAME, "password": PASSWORD}
    page = client.post("/login", data=form, follow_redirects=True)
    name = app.config["SESSION_COOKIE_NAME"]
    return client.get_cookie(name).value, token_in(page)


def give_way(frame, event, value):
    """Let other threads go on at each line of the modules that decide."""
    if event == "line":
        time.sleep(PAUSE)
    return give_way if frame.f_code.co_filename.endswith(DECIDING) else None


def send_at_once(app, cookie, form):
    """Send a form in fifty copies of one session; return the answers."""
    everybody_is_here = threading.Barrier(MANY)

    def send(_):
        client = app.test_client()
        client.set_cookie(app.config["SESSION_COOKIE_NAME"], cookie)
        everybody_is_here.wait()
        return client.post("/login/code", data=form)

    threading.settrace(give_way)
    with ThreadPoolExecutor(MANY) as threads:
        return list(threads.map(send, range(MANY)))


def race(step):
    """Let fifty requests loose on a step, and say what became of them."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        app = start(step, Path(folder))
        cookie, token = give_password(app)
        code = totp(SECRET, int(time.time()) // TIME_STEP)
        answers = send_at_once(app, cookie, {"csrf_token": token, "code": code})
        if "sqlalchemy" in app.extensions:
            with app.app_context():
                app.extensions["sqlalchemy"].engine.dispose()
    return [answer.status_code for answer in answers]


def main():
    """Show how often one code was good."""
    try:
        step = find_step("".join(sys.argv[1:]))
    except TutorialError as error:
        sys.exit(str(error))
    if number_of(step) not in (3, 4):
        sys.exit("Name 03 or 04, which differ in this.")
    statuses = race(step)
    print(f"{MANY} requests brought the same right code.")
    print(f"logged in: {statuses.count(302)}")
    print(f"rejected: {statuses.count(422)}")
    print(f"too many attempts: {statuses.count(429)}")


if __name__ == "__main__":
    main()
