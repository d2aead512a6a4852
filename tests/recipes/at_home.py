"""What a host's developers type, in a process of their own: see hosts.py.

Prints, in the last line, the cookies of the users whom it was told to make.
"""

import importlib
import json
import sys

from sqlalchemy import create_engine
from sqlalchemy import text

from tests.kit.browser import InProcessBrowser
from tests.kit.visitor import Visitor
from tests.recipes.hosts import ALL
from tests.recipes.hosts import PASSWORD
from tests.recipes.hosts import USERS


def run(app, command):
    """Run a command of the app."""
    if command == ["create-all"]:  # in a shell
        with app.app_context():
            app.extensions["sqlalchemy"].create_all()
        return
    done = app.test_cli_runner().invoke(args=command)
    if done.exit_code:
        raise SystemExit(f"{command}: {done.output} {done.exception!r}")


def insert(config, table, rows):
    """Insert the users."""
    url = config.get("SQLALCHEMY_DATABASE_URI") or f"sqlite:///{config['DATABASE']}"
    columns = ", ".join(rows[0])
    values = ", ".join(f":{column}" for column in rows[0])
    with create_engine(url).begin() as connection:
        statement = f"INSERT INTO {table} ({columns}) VALUES ({values})"
        connection.execute(text(statement), rows)


def cookies_of(app, host, name):
    """Log a user in, with a box ticked if there is one; return the cookies."""
    visitor = Visitor(InProcessBrowser(app), None, host.names)
    values = {"username": host.login_name(name), "password": PASSWORD}
    ticked = {host.remember: "y"} if host.remember else {}
    visitor.open("/login").fill_in(**values, **ticked)
    assert visitor.is_logged_in()
    return {key: cookie.value for key, cookie in visitor.browser.cookies.items()}


def main():
    """Do what was asked for."""
    job = json.loads(sys.argv[1])
    app = importlib.import_module(job["host"]).create_app(job["config"])
    for command in job["commands"]:
        run(app, command)
    cookies = {}
    if "rows" in job:
        insert(job["config"], job["table"], job["rows"])
        host = ALL[job["host"]](job["host"])
        cookies = {name: cookies_of(app, host, name) for name in USERS}
    print(json.dumps(cookies))


if __name__ == "__main__":
    main()
