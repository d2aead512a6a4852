"""Our own suite against the ordinary app with the package, by its map.

The suite asks for a whole service; here are the files about the second factor. What
fails in them is listed, each with its reason.
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

FILES = ("test_code_page", "test_verify", "test_enrolment", "test_recovery")
SECOND_CLICK = "an error page of the app's own answers a second click; nothing is lost"
EXPECTED = {
    "test_odd_text_as_a_code_is_refused_in_words_and_spends_nothing": (
        "the app sets no MAX_CONTENT_LENGTH: a form of megabytes is 422, and not 413"
    ),
    "test_a_second_click_is_taken_on_to_where_the_first_one_led": SECOND_CLICK,
    "test_a_recovery_code_is_sent_twice_and_logs_in_once": SECOND_CLICK,
    "test_an_issuer_may_have_any_letters": "the setting is TWO_FACTOR_ISSUER",
    "test_a_thief_s_open_enrolment_is_over_once_the_owner_has_enrolled": (
        "the pending login of the thief is over as well: it is back at the password"
    ),
    "test_the_page_with_the_recovery_codes_has_a_log_out_that_works": (
        "the base template of the app has no button that logs out"
    ),
}

pytestmark = pytest.mark.races  # it takes a minute


def test_our_suite_finds_what_the_app_itself_lacks_and_nothing_else(tmp_path):
    database, _ = developed("shop")
    folder = tmp_path / "app-with-package"
    shutil.copytree(Path(database).parent / "after", folder)
    shutil.copy(ROOT / "tests/recipes/suite_app.py", folder / "app.py")
    files = [f"tests/contract/{name}.py" for name in FILES]
    options = ["--all", f"--app={folder}", f"--map={HOSTS / 'shop' / 'map.toml'}"]

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
    assert failed == set(EXPECTED), output
    assert int(re.search(r"(\d+) passed", output)[1]) > 60, output
