"""What the page knows about the steps is true of the steps."""

import gzip
import io
import json
import re
import zipfile

import pytest

from live.contents import describe_steps
from tests.kit.stage import ROOT
from tests.kit.stage import STEPS
from tests.live.page import PACKS
from tests.live.page import need_packs

SCENARIOS = json.loads((ROOT / "docs/assets/live/scenarios.json").read_text("utf-8"))
NAMED = [(step, name) for step, found in SCENARIOS.items() for name in found]


@pytest.fixture(scope="module")
def described():
    """Return what the page is told about each step."""
    return describe_steps()


def test_each_step_has_attacks_and_mistakes(described):
    assert set(described) == set(STEPS)
    for number, step in described.items():
        assert len(step["mistakes"]) >= 10, number
        assert len(step["attacks"]) >= 5, number


def test_the_changed_lines_are_those_of_the_step(described):
    lines = described["02"]["changed"]["app/second_factor.py"]
    text = (STEPS["02"] / "app/second_factor.py").read_text("utf-8")

    assert lines == list(range(1, len(text.splitlines()) + 1))  # the file is new
    assert described["01"]["changed"] == {}


def test_the_replay_is_among_the_attacks_of_02(described):
    [replay] = [row for row in described["02"]["attacks"] if row["number"] == 12]

    assert not replay["works"]
    assert "test_a_code_works_once" in {name for _, name in replay["tests"]}


@pytest.mark.parametrize(("number", "name"), NAMED)
def test_a_scenario_is_about_a_line_that_is_there(number, name):
    scenario = SCENARIOS[number][name]

    assert scenario["label"].startswith("Try it")
    assert 0 <= scenario["right"] < len(scenario["choices"])
    file = STEPS[number] / scenario.get("file", "app/__init__.py")
    assert scenario.get("find", "") in file.read_text("utf-8")


def test_every_chapter_has_a_button():
    chapters = {path.name[:2] for path in (ROOT / "docs").glob("0*.md")}
    texts = {path: path.read_text("utf-8") for path in (ROOT / "docs").glob("0*.md")}
    with_buttons = {p.name[:2] for p, text in texts.items() if "\n::: try " in text}
    used = {
        pair for t in texts.values() for pair in re.findall(r"::: try (\d\d) (\S+)", t)
    }

    assert with_buttons == chapters
    assert used <= set(NAMED)


@pytest.mark.site
def test_the_suite_is_compiled_and_what_a_reader_may_change_is_not():
    need_packs()
    packed = gzip.decompress((PACKS / "suite.zip.bin").read_bytes())
    names = zipfile.ZipFile(io.BytesIO(packed)).namelist()
    compiled = [name for name in names if name.endswith(".pyc")]

    assert [name for name in compiled if name.startswith("tests/kit/")]
    assert [name for name in compiled if "test_code_page" in name]
    assert [name for name in compiled if name.startswith("steps/")] == []
