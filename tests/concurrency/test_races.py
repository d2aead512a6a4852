"""Many requests at once: four processes with eight threads each, and one database.

A race is a function that lets visitors loose once and returns what came of it. That has
to be the same in every round. Mutants show that it could be otherwise: copies of the
step in which one function looks first and writes later.
"""

from contextlib import ExitStack
from typing import NamedTuple

import pytest

from tests.concurrency import races
from tests.concurrency.races import assert_every_round
from tests.kit.marks import attack
from tests.kit.marks import never_red
from tests.kit.marks import once
from tests.kit.marks import since
from tests.kit.marks import until
from tests.kit.marks import value
from tests.kit.programs import WAIT_SECONDS
from tests.kit.servers import Server
from tests.kit.servers import ServerFailedError
from tests.kit.servers import changed_copy
from tests.kit.servers import need_gunicorn

ROUNDS_AGAIN = 5  # on the steps after the one that brought what they race for
IN_A_PROCESS = "the step before counts in its process: four of them cannot serve it"

pytestmark = [pytest.mark.races, since("04")]  # and some say a later step


@pytest.fixture(scope="module")
def servers():
    """Keep one server for each step, and end them all."""
    running = {}
    with ExitStack() as stack:

        def server_of(stage):
            if stage.folder not in running:
                running[stage.folder] = stack.enter_context(Server(stage))
            return running[stage.folder]

        yield server_of


@pytest.fixture
def server(request, step, servers):
    """Return four processes that serve the step; they have nothing to complain of."""
    need_gunicorn(request.config)
    server = servers(step)
    yield server
    assert not server.complaints(), server.log


@pytest.fixture
def rounds(request, step):
    """Return how often a race is run on this step."""
    is_new = step.number == value(request.node, "since")
    return races.ROUNDS if is_new else ROUNDS_AGAIN


@never_red(IN_A_PROCESS)
@attack(13, 18)
def test_a_code_that_is_sent_fifty_times_at_once_logs_in_once(server, rounds):
    assert_every_round(server, races.same_code, rounds)


@never_red(IN_A_PROCESS)
@attack(56)
def test_a_recovery_code_that_is_sent_fifty_times_at_once_logs_in_once(server, rounds):
    assert_every_round(server, races.same_recovery_code, rounds)


@never_red(IN_A_PROCESS)
@attack(69, 70)
def test_of_fifty_wrong_codes_at_once_five_are_verified(server, rounds):
    assert_every_round(server, races.wrong_codes, rounds)


@never_red(IN_A_PROCESS)
@attack(69, 26)
def test_beyond_the_rate_limit_a_right_code_does_not_show(server, rounds):
    assert_every_round(server, races.right_code_beyond_the_limit, rounds)


@never_red(IN_A_PROCESS)
@attack(63, 70)
def test_of_fifty_passwords_at_once_five_are_verified(server, rounds):
    assert_every_round(server, races.wrong_passwords, rounds)


@never_red(IN_A_PROCESS)
@attack(121)
def test_own_logins_at_once_refund_the_network_what_they_counted(server, rounds):
    assert_every_round(server, races.own_logins, rounds)


@until("04")
@never_red(IN_A_PROCESS)
@attack(6)
def test_a_name_or_address_that_many_want_at_once_is_given_once(server, rounds):
    assert_every_round(server, races.same_name_and_same_address, rounds)


@never_red(IN_A_PROCESS)
@attack(116)
def test_an_enrolment_that_is_confirmed_fifty_times_at_once_happens_once(
    server, rounds
):
    assert_every_round(server, races.same_enrolment, rounds)


@never_red(IN_A_PROCESS)
@attack(116)
def test_of_two_authenticators_that_are_confirmed_at_once_one_is_the_user_s(
    server, rounds
):
    assert_every_round(server, races.two_enrolments, rounds)


@never_red(IN_A_PROCESS)
@attack(30, 33)
def test_a_logout_ends_a_login_that_happens_at_the_same_moment(server, rounds):
    assert_every_round(server, races.logout_during_login, rounds)


@since("05")
@attack(48)
def test_an_email_code_that_is_sent_fifty_times_at_once_makes_one_user(server, rounds):
    assert_every_round(server, races.same_email_code, rounds)


@since("05")
@attack(48, 71)
def test_of_ten_wrong_email_codes_at_once_five_are_verified(server, rounds):
    assert_every_round(server, races.wrong_email_codes, rounds)


@since("05")
@attack(6, 142)
def test_a_name_or_address_that_many_verify_at_once_is_given_once(server, rounds):
    assert_every_round(server, races.verified_at_once, rounds)


@since("05")
@attack(85)
def test_a_reset_link_that_is_used_fifty_times_at_once_works_and_costs_once(
    server, rounds
):
    assert_every_round(server, races.same_reset_link, rounds)


@since("05")
@attack(91)
def test_fifty_who_ask_at_once_for_a_reset_cause_one_email(server, rounds):
    assert_every_round(server, races.reset_requests, rounds)


@since("05")
@attack(109)
def test_two_senders_at_once_deliver_each_of_fifty_emails_once(server, rounds):
    assert_every_round(server, races.two_senders, rounds)


@since("05")
@attack(57)
def test_recovery_codes_that_are_regenerated_at_once_several_times_are_one_set(
    server, rounds
):
    assert_every_round(server, races.regenerations, rounds)


@since("05")
@attack(49)
def test_a_new_authenticator_that_is_confirmed_ten_times_at_once_is_set_up_once(
    server, rounds
):
    assert_every_round(server, races.same_new_authenticator, rounds)


@since("05")
@attack(49)
def test_of_two_new_authenticators_that_are_confirmed_at_once_one_is_set_up(
    server, rounds
):
    assert_every_round(server, races.two_new_authenticators, rounds)


@since("05")
@attack(34, 85)
def test_of_several_password_changes_at_once_one_happens(server, rounds):
    assert_every_round(server, races.password_changes, rounds)


@since("05")
@attack(72)
def test_wrong_codes_that_come_at_once_are_counted_one_by_one(server, rounds):
    assert_every_round(server, races.wrong_codes_in_a_row, rounds)


class Mutant(NamedTuple):
    """A mistake that a learner makes, and the race that finds it."""

    mistake: str
    race: object
    file: str
    old: str
    new: str


INSERT_IF_ABSENT = """\
    return insert_if_absent(
        User,
        username=username,
        normalised_username=normalise_identifier(username),
        email=normalise_identifier(email),
        password_hash=password_hash,
    )
"""
INSERT = """\
    user = User(
        username=username,
        normalised_username=normalise_identifier(username),
        email=normalise_identifier(email),
        password_hash=password_hash,
    )
    db.session.add(user)
    db.session.flush()
    return user
"""
LOOK = """\
    query = select(User).filter_by(email=normalise_identifier(email))
    if find_by_username(username) or db.session.scalar(query):
        return None
"""
MUTANTS = {
    "code": Mutant(
        "compares with what was read some time ago, and then writes",
        races.same_code,
        "app/second_factor.py",
        """\
    consumed = db.session.execute(
        update(SecondFactor)
        .filter_by(
            user_id=user.id,
            encrypted_secret=user.second_factor.encrypted_secret,
        )
        .where(SecondFactor.last_time_step < time_step)
        .values(last_time_step=time_step)
    )
    return consumed.rowcount == 1
""",
        """\
    second_factor = user.second_factor
    unused = second_factor.last_time_step < time_step
    second_factor.last_time_step = time_step
    return unused
""",
    ),
    "recovery code": Mutant(
        "looks whether the code is there, and then deletes it",
        races.same_recovery_code,
        "app/recovery_codes.py",
        """\
    consumed = db.session.execute(
        delete(RecoveryCode).filter_by(code_hash=hash_code(code), user_id=user.id)
    )
    return consumed.rowcount == 1
""",
        """\
    row = {"code_hash": hash_code(code), "user_id": user.id}
    found = db.session.query(RecoveryCode).filter_by(**row).count() == 1
    db.session.execute(delete(RecoveryCode).filter_by(**row))
    return found
""",
    ),
    "name": Mutant(
        "looks whether the name is taken, and then inserts",
        races.same_name_and_same_address,
        "app/users.py",
        INSERT_IF_ABSENT,
        LOOK + INSERT,
    ),
}
NAIVE_COUNT = (
    "app/rate_limit.py",
    """\
        count, window_started_at = db.session.execute(UPSERT_COUNTER, values).one()
""",
    """\
        READ = text(
            "SELECT count, window_started_at FROM rate_limit_counters "
            "WHERE bucket = :bucket"
        )
        count, window_started_at = db.session.execute(READ, values).first() or (0, now)
        count += 1
        values |= {"count": count, "window_started_at": window_started_at}
        WRITE = text(
            "REPLACE INTO rate_limit_counters (bucket, window_started_at, count) "
            "VALUES (:bucket, :window_started_at, :count)"
        )
        db.session.execute(WRITE, values)
""",
)
READS_THE_COUNT = "reads the count, adds one, and writes it"
MUTANTS["count of codes"] = Mutant(READS_THE_COUNT, races.wrong_codes, *NAIVE_COUNT)
MUTANTS["count of passwords"] = Mutant(
    READS_THE_COUNT, races.wrong_passwords, *NAIVE_COUNT
)
MUTANTS["enrolment"] = Mutant(
    "trusts the look that the view took when the request began",
    races.same_enrolment,
    "app/enrolment.py",
    """\
        db.session.refresh(user, ["second_factor"])
""",
    "",
)

MUTANTS_OF_EMAIL = {
    "email code": Mutant(
        "compares with what was read some time ago, and then deletes",
        races.same_email_code,
        "app/registration.py",
        """\
    consumed = db.session.execute(delete(EmailCode).filter_by(nonce=email_code.nonce))
    return consumed.rowcount == 1
""",
        """\
    db.session.execute(delete(EmailCode).filter_by(nonce=email_code.nonce))
    return True
""",
    ),
    "name that is verified": Mutant(
        "trusts the look that the registration page took, and inserts",
        races.verified_at_once,
        "app/users.py",
        INSERT_IF_ABSENT,
        INSERT,
    ),
    "reset link": Mutant(
        "trusts the look that the view took when the request began",
        races.same_reset_link,
        "app/password_reset.py",
        """\
    deleted = db.session.execute(
        delete(PasswordReset).filter_by(token_id=reset.token_id)
    )
    return deleted.rowcount == 1
""",
        """\
    db.session.execute(delete(PasswordReset).filter_by(token_id=reset.token_id))
    return True
""",
    ),
    "reset in parts": Mutant(
        "commits what it did so far",
        races.same_reset_link,
        "app/recovery_codes.py",
        """\
        verified = consume_code(user, code)
""",
        """\
        verified = consume_code(user, code)
        db.session.commit()
""",
    ),
    "reset request": Mutant(
        "looks whether an email is queued, and then adds one",
        races.reset_requests,
        "app/outbox.py",
        """\
    db.session.execute(UPSERT_EMAIL, values)
""",
        """\
    if db.session.get(OutboxEmail, (kind, recipient)) is None:
        email = OutboxEmail(
            kind=kind,
            recipient=recipient,
            created_at=values["now"],
            next_attempt_at=values["now"],
            delivery_attempts=0,
            request_count=1,
        )
        db.session.add(email)
""",
    ),
    "claim": Mutant(
        "claims an email that another sender may have claimed",
        races.two_senders,
        "app/outbox.py",
        """\
            next_attempt_at=email.next_attempt_at,
        )
""",
        """\
        )
""",
    ),
    "ended session": Mutant(
        "goes on with a session that another request has ended",
        races.password_changes,
        "app/sessions.py",
        """\
    return user.get_id() == session_token
""",
        """\
    return session_token is not None
""",
    ),
    "wrong codes in a row": Mutant(
        READS_THE_COUNT,
        races.wrong_codes_in_a_row,
        "app/lockout.py",
        """\
    attempts = db.session.execute(UPSERT_LOCKOUT, values).scalar_one()
""",
        """\
    READ = text("SELECT attempts FROM lockouts WHERE bucket = :bucket")
    attempts = (db.session.scalar(READ, values) or 0) + 1
    WRITE = text(
        "REPLACE INTO lockouts (bucket, attempts, updated_at) "
        "VALUES (:bucket, :attempts, :now)"
    )
    db.session.execute(WRITE, values | {"attempts": attempts})
""",
    ),
}


def assert_a_race_finds(mutant, step, folder):
    """Let visitors loose on a copy with a mistake until something else comes of it."""
    _, race, *change = mutant
    changed_copy(step.folder, folder, *change)
    with Server(step, folder, workers=2) as server:
        for number in range(races.ROUNDS):
            outcome = outcome_of(race, server)
            if outcome != race.outcome:
                print(f"round {number + 1}: {outcome}")
                # SIGINT can hang: Gunicorn's handler shuts a thread pool down, whose
                # lock it may hold because all connections were closed a moment ago.
                server.process.terminate()
                server.process.wait(timeout=WAIT_SECONDS)
                return
    pytest.fail(f"{races.ROUNDS} rounds did not find it: {mutant.mistake}")


def outcome_of(race, server):
    """Return what comes of a race, even if it is an error of the database."""
    try:
        return race(server)
    except ServerFailedError as failure:
        if "sqlalchemy.exc." not in str(failure):
            pytest.fail(f"it stumbles over a typing mistake: {failure}")
        return failure


@never_red(IN_A_PROCESS)
@once
@pytest.mark.parametrize("name", MUTANTS)
def test_a_race_finds_the_mistake_of_looking_first(request, step, tmp_path, name):
    need_gunicorn(request.config)
    assert_a_race_finds(MUTANTS[name], step, tmp_path / step.folder.name)


@since("05")
@never_red("it is about mistakes in what is new")
@once
@pytest.mark.parametrize("name", MUTANTS_OF_EMAIL)
def test_a_race_finds_the_mistakes_of_email_and_account(request, step, tmp_path, name):
    need_gunicorn(request.config)
    assert_a_race_finds(MUTANTS_OF_EMAIL[name], step, tmp_path / step.folder.name)
