"""What a reader is told to do next, in the states in which apps are half finished."""

import shutil
from types import SimpleNamespace

import pytest

from tests.kit import stops
from tests.kit.report import Progress
from tests.kit.stage import STEPS
from tests.tools.terminal import run
from tools import pages

FEW = "password_alone or code_works_once or one_before_it or sees_their_name"
CHANGE = "See the change: git diff --no-index steps/01-basic-login steps/02-totp-verify"


@pytest.fixture
def typed(tmp_path):
    """Return what writes a reader's app that has the first stops of a chapter."""

    def write(number, count=None):
        wanted = stops.stops(number)[:count]
        places = [lesson.place for stop in wanted for lesson in stop.lessons]
        taken = pages.taken_until(number, lambda lesson: lesson.place in places)
        pages.write_files(pages.files_with(number, taken), tmp_path / "my-app")
        return tmp_path / "my-app"

    return write


def told(app, number="02"):
    """Return the lines that the check of an app ends in, up to the one of pytest."""
    _, output = run(f"steps/{number}", f"--app={app}", "-k", FEW, "-n", "0")
    return output.partition("= your own app =")[2].splitlines()[1:-1]


def test_a_reader_who_typed_nothing_begins_with_the_first_stop(typed):
    lines = told(typed("02", 0))

    assert any(line.startswith("Next: ") for line in lines)
    assert f"Read: {stops.stops('02')[0].heading}" in lines
    assert "Code: app/totp.py" in lines
    assert lines[-1].endswith("(--all shows them)")


def test_a_reader_who_typed_three_stops_goes_on_with_the_fourth(typed):
    lines = told(typed("02", 3))

    assert f"Read: {stops.stops('02')[3].heading}" in lines
    assert CHANGE in lines


def test_a_part_that_is_not_listed_leads_to_the_stop_that_lists_it(typed):
    factory = typed("02") / "app" / "__init__.py"
    lines = factory.read_text("utf-8").splitlines(keepends=True)
    left_out = ("    second_factor,\n", "    pending_login,\n")
    factory.write_text("".join(line for line in lines if line not in left_out), "utf-8")

    lines = told(factory.parents[1])

    assert f"Read: {stops.stops('02')[-1].heading}" in lines
    assert "Code: app/__init__.py: MODULES" in lines


def test_a_missing_template_leads_to_the_stop_that_shows_it(typed):
    app = typed("02")
    (app / "app" / "templates" / "code.html").unlink()

    assert "Code: app/templates/code.html: title, main" in told(app)


def test_the_app_of_the_next_chapter_is_sent_to_its_tests(tmp_path):
    shutil.copytree(STEPS["03"] / "app", tmp_path / "my-app" / "app")

    lines = told(tmp_path / "my-app")

    assert "This app has /enrol, /login/recovery, which step 03 adds." in lines
    assert "If it is the app of that step: pytest steps/03 --app=my-app" in lines


def after(target="02", **outcomes):
    """Return the progress of an app after some tests: a_01 is one of step 01."""
    progress = Progress(target, is_whole=True, shows_all=False)
    progress.expect([fact(name) for name in outcomes])
    for name, outcome in outcomes.items():
        report = SimpleNamespace(nodeid=name, when="call", failed=False, skipped=False)
        report.fact = fact(name)
        report.longrepr = ("test_next.py", 1, "Skipped: no clock")
        if outcome:
            setattr(report, outcome, True)
            progress.pytest_runtest_logreport(report)
    return progress


def fact(name):
    """Return what is known about a test such as a_01; fuzz_02 is found by chance."""
    plain = {"nodeid": name, "file": "test_next", "name": name, "heading": "docs/x.md"}
    return plain | {
        "since": name[-2:],
        "sentence": name[:-3].upper(),
        "is_fuzz": name.startswith("fuzz"),
    }


def test_a_fuzz_failure_is_never_the_next_thing():
    lines = after(fuzz_01="failed", b_02="failed").next_lines()

    assert lines[0] == "Next: B"
    assert "Also not kept yet: 1 (--all shows them)" in lines


def test_when_a_step_is_complete_the_next_one_is_named():
    progress = after(a_01="passed", b_02="passed")

    assert list(progress.step_lines()) == ["step 01 complete", "step 02 complete"]
    assert progress.next_lines()[0] == "Next: step 03"
    assert after(a_01="passed", b_02="skipped").next_lines() == []


@pytest.mark.parametrize("number", list(STEPS)[1:])
def test_each_chapter_leads_through_its_stops_one_by_one(typed, number):
    last = stops.stops(number)[-1]
    app = typed(number, -1)

    heading, _ = stops.first_below(number, app, stops.TYPED)

    assert heading == last.heading
