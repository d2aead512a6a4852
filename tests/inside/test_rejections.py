"""What rejected requests, and those who typed a command, leave in the audit log."""

import getpass
import json
import sys
from unittest.mock import Mock

import pytest

from tests.kit.accounts import logged_in
from tests.kit.marks import attack
from tests.kit.marks import since
from tests.kit.production import PRODUCTION
from tests.kit.production import HttpsBrowser
from tests.kit.visitor import Visitor

pytestmark = since("06")
LONG = b"x" * 17_000


@pytest.fixture
def audit(capsys):
    """Return a function that returns events and details since it was called last."""

    def lines():
        printed = capsys.readouterr().out.splitlines()
        found = [json.loads(line) for line in printed if line.startswith("{")]
        return [{k: line.get(k) for k in KEYS if k in line} for line in found]

    return lines


KEYS = ("event", "user", "action", "factor", "operator")


def send_without_token(visitor):
    return visitor.ask("POST", "/login", data={"username": "kim", "password": "x"})


def send_too_much(visitor):
    return visitor.ask("GET", "/", data=LONG, content_type="text/plain")


def open_forged_link(visitor):
    return visitor.ask("GET", "/reset/aaaa.bbbb.cccc")


REJECTED = {
    "csrf_rejected": send_without_token,
    "body_rejected": send_too_much,
    "reset_link_rejected": open_forged_link,
}


@attack(154)
@pytest.mark.parametrize("event", REJECTED)
def test_a_rejected_request_is_an_event(site, audit, event):
    REJECTED[event](site.visitor())

    assert audit() == [{"event": event, "user": None}]


@attack(154)
def test_a_request_for_a_host_that_is_not_ours_is_an_event(step, clock, audit):
    site = step.start(clock, **PRODUCTION)
    visitor = Visitor(HttpsBrowser(site.app), site, step.names)
    audit()
    page = visitor.ask("GET", "/login", headers={"Host": "evil.example"})

    assert page.status == 400
    assert audit() == [{"event": "host_rejected", "user": None}]


@since("06e")
@attack(154, 93)
def test_a_form_without_a_token_is_an_event_on_every_path_that_takes_forms(site, audit):
    rules = site.app.url_map.iter_rules()
    paths = [rule.rule for rule in rules if "POST" in rule.methods]
    assert len(paths) >= 10
    for number, path in enumerate(paths):
        page = site.visitor(network=f"192.0.2.{number}").ask("POST", path, data={})

        assert page.status == 400, path
        assert audit() == [{"event": "csrf_rejected", "user": None}], path


@attack(155)
@pytest.mark.parametrize("event", REJECTED)
def test_a_hundred_rejected_requests_of_a_client_are_one_event(site, audit, event):
    for _ in range(100):
        REJECTED[event](site.visitor())

    assert [line["event"] for line in audit()] == [event]


@attack(155)
def test_each_kind_each_network_and_each_window_has_an_event_of_its_own(
    site, audit, clock
):
    for network in ("192.0.2.1", "192.0.2.2"):
        for _ in range(3):
            send_without_token(site.visitor(network=network))
            open_forged_link(site.visitor(network=network))
    assert len(audit()) == 4
    clock.move(15 * 60)
    send_without_token(site.visitor(network="192.0.2.1"))

    assert [line["event"] for line in audit()] == ["csrf_rejected"]


@since("06e")
@attack(154)
def test_a_rejection_is_an_event_after_the_clock_was_ahead_for_a_while(
    site, audit, clock
):
    for ahead, count in ((30 * 24 * 60 * 60, 1), (0, 1), (30, 0)):
        clock.move(ahead)
        send_without_token(site.visitor())
        send_without_token(site.visitor())
        clock.move(-ahead)

        assert len(audit()) == count, ahead


@attack(155)
def test_a_client_over_its_limit_is_one_event_for_each_action(site, audit):
    visitor = site.visitor()
    for _ in range(100):
        visitor.open("/login").fill_in(username="nobody-here", password="wrong")

    events = [line["event"] for line in audit()]
    assert events.count("rate_limited") == 1
    assert events.count("password_rejected") == 5


@attack(154)
@pytest.mark.parametrize("known", [True, False])
def test_a_rate_limit_names_the_user_if_there_is_one(site, account, audit, known):
    name = account.username if known else "nobody-here"
    for _ in range(6):
        site.visitor().open("/login").fill_in(username=name, password="wrong")

    lines = audit()
    assert [line["event"] for line in lines][-1:] == ["rate_limited"]
    limited = lines[-1]
    assert limited["action"] == "login_password"
    assert (limited["user"] is not None) == known


@attack(154)
def test_a_login_says_which_factor_it_had(site, account, audit):
    site.visitor().log_in(account)
    visitor = site.visitor()
    visitor.give_password(account)
    page = visitor.open("/login/recovery")
    page.fill_in(recovery_code=account.recovery_code())

    logins = [line for line in audit() if line["event"] == "logged_in"]
    assert [line["factor"] for line in logins] == ["totp", "recovery_code"]


@attack(154)
def test_an_accepted_reauthentication_is_no_login(site, account, audit):
    visitor = logged_in(site, account)
    audit()
    visitor.open("/account/phone").fill_in(
        current_password=account.password, code=account.authenticator.code()
    )

    events = [line["event"] for line in audit()]
    assert "reauthenticated" in events
    assert "logged_in" not in events


@attack(154)
@pytest.mark.parametrize("sudo_user", ["", "kim"])
def test_a_command_s_event_says_who_typed_it(site, account, monkeypatch, sudo_user):
    monkeypatch.setenv("SUDO_USER", sudo_user)
    arguments = ["user", "disable", account.username, "--reason", "left the company"]
    done = site.app.test_cli_runner().invoke(args=arguments)

    lines = [json.loads(x) for x in done.output.splitlines() if x.startswith("{")]
    operator = sudo_user or getpass.getuser()
    assert [line.get("operator") for line in lines] == [operator]


@attack(154)
@pytest.mark.parametrize("error", [ImportError, KeyError, OSError])
def test_where_users_have_no_names_the_operator_of_a_command_is_unknown(
    site, account, monkeypatch, error
):
    monkeypatch.delenv("SUDO_USER", raising=False)
    monkeypatch.setattr(getpass, "getuser", Mock(side_effect=error))
    arguments = ["user", "disable", account.username, "--reason", "left the company"]
    done = site.app.test_cli_runner().invoke(args=arguments)

    [line] = [json.loads(x) for x in done.output.splitlines() if x.startswith("{")]
    assert line["operator"] == "unknown"


@attack(107)
def test_an_event_of_a_view_that_fails_without_the_database_is_not_written(
    step, clock, audit
):
    site = step.start(clock, TESTING=False, PROPAGATE_EXCEPTIONS=False)
    log = sys.modules.get(f"{site.app.import_name}.audit")
    assert log, "there is no audit log"

    def record_and_fail():
        log.record("something_happened")
        return 1 / 0

    site.app.add_url_rule("/broken", view_func=record_and_fail)
    page = site.visitor().ask("GET", "/broken")

    assert page.status == 500
    assert audit() == []


@attack(137, 154)
@pytest.mark.parametrize("event", ["csrf_rejected", "body_rejected"])
def test_a_rejection_without_a_database_is_still_a_page_and_an_event(
    step, clock, audit, event
):
    nowhere = step.start(clock, SQLALCHEMY_DATABASE_URI="sqlite:////nowhere/door.db")
    audit()
    page = REJECTED[event](nowhere.visitor())

    assert page.status in (400, 413)
    assert audit() == [{"event": event, "user": None}]
