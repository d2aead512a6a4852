"""Our own suite against each app with the package, by its map.

The suite asks for a whole service; here are the files about the second factor. What
fails in them is listed, each with its reason: the app or the package is different.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.kit.stage import ROOT
from tests.recipes.hosts import HOSTS
from tests.recipes.hosts import developed

FILES = (
    "test_code_page",
    "test_enrolment",
    "test_recovery",
    "test_next",
    "test_sessions_end",
)
LEAST_PASSED = 75  # tests, of those in FILES

SECOND_CLICK = (
    "a second click leads to the app's page for an old form, or to its password page; "
    "test_add_it asks whether the user stays logged in"
)
OF_ALL = {
    "test_odd_text_as_a_code_is_refused_in_words_and_spends_nothing": (
        "the app sets no MAX_CONTENT_LENGTH: a form of megabytes is 422, and not 413"
    ),
    "test_a_second_click_is_taken_on_to_where_the_first_one_led": SECOND_CLICK,
    "test_a_recovery_code_is_sent_twice_and_logs_in_once": SECOND_CLICK,
    "test_a_thief_s_open_enrolment_is_over_once_the_owner_has_enrolled": (
        "the pending login of the thief is over as well: it is back at the password"
    ),
    "test_the_page_with_the_recovery_codes_has_a_log_out_that_works": (
        "the base template of the app has no button that logs out"
    ),
}
NO_TOKEN = "the app has no CSRFProtect, and no token in its own forms"
TOKEN_OF_OURS = (
    "without CSRFProtect a form of ours with a wrong token is 422, and not 400"
)
BACK_AT_THE_PASSWORD = (
    "without CSRFProtect a form leads to the password page, if no login is pending: "
    "302, and not 400"
)
WITHOUT_CSRF_PROTECT = {
    "test_a_thief_who_sends_the_form_again_from_elsewhere_is_not_logged_in": (
        BACK_AT_THE_PASSWORD
    ),
    "test_a_second_click_is_no_way_to_another_site": BACK_AT_THE_PASSWORD,
    "test_of_those_who_are_in_only_the_login_s_forms_are_taken_on": NO_TOKEN,
    "test_a_recovery_code_without_the_password_opens_nothing": NO_TOKEN,
    "test_enrolment_cannot_be_confirmed_from_another_site": TOKEN_OF_OURS,
}
EXPECTED = {
    "shop": OF_ALL,
    "clinic": OF_ALL
    | WITHOUT_CSRF_PROTECT
    | {
        "test_of_two_copies_sent_at_once_one_logs_in_and_the_other_changes_nothing": (
            "both copies are one session on the server, which the first one renews"
        ),
        "test_a_key_that_was_stolen_and_replaced_opens_nothing": (
            "SECRET_KEY signs no session: they are rows, with random ids"
        ),
    },
    "wiki": OF_ALL
    | WITHOUT_CSRF_PROTECT
    | {
        "test_a_tab_that_is_confirmed_while_another_one_loads_is_no_failure_of_ours": (
            "the test listens to the app's SQLAlchemy; this one has sqlite3 alone"
        ),
    },
    "tracker": OF_ALL | WITHOUT_CSRF_PROTECT,
}

pytestmark = pytest.mark.races  # it takes a minute


@pytest.mark.parametrize("host", EXPECTED)
def test_our_suite_finds_what_the_app_itself_lacks_and_nothing_else(host, tmp_path):
    database, _ = developed(host)
    folder = tmp_path / "app-with-package"
    shutil.copytree(Path(database).parent / "after", folder)
    shutil.copy(ROOT / f"tests/recipes/suite_apps/{host}.py", folder / "app.py")
    files = [f"tests/contract/{name}.py" for name in FILES]
    options = ["--all", f"--app={folder}", f"--map={HOSTS / host / 'map.toml'}"]

    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "steps/04",
    ]
    environment = os.environ | {"COLUMNS": "200"}
    pipes = {"capture_output": True, "text": True, "env": environment, "cwd": ROOT}
    output = subprocess.run([*command, *files, *options], **pipes).stdout

    failed = set(re.findall(r"^FAILED \S+::(\w+)", output, re.MULTILINE))
    assert failed == set(EXPECTED[host]), output
    assert int(re.search(r"(\d+) passed", output)[1]) >= LEAST_PASSED, output
