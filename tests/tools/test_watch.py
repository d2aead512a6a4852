"""What a reader sees who types with `tutorial.py watch` beside them, or wants a hint.

The apps are those of step 02, with one mistake or none.
"""

import os
import shutil
import signal
import subprocess
import sys
from unittest.mock import Mock

import pytest

from tests.kit.stage import ROOT
from tests.kit.stage import STEPS
from tools import watch

needs_posix = pytest.mark.skipif(os.name == "nt", reason="no such signals on Windows")
SENTENCE = "Next: After a code the one before it is used up as well"
HEADING = "Read: docs/02-totp-verify.md#5-a-code-works-once"


class Reader:
    """Somebody with an app, who asks for help in a terminal."""

    def __init__(self, folder):
        self.app = folder / "my-app"
        self.state = folder / "state.json"
        self.process = None
        shutil.copytree(STEPS["02"] / "app", self.app / "app")

    def command(self, kind):
        words = [kind, "02", "--app=my-app", f"--state={self.state}"]
        return [sys.executable, "-P", "-m", "tools.watch", *words]

    def start(self, kind):
        """Start a command; return the process."""
        return subprocess.Popen(
            self.command(kind),
            cwd=self.app.parent,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def ask(self, kind):
        """Return the lines that a command prints."""
        output, _ = self.start(kind).communicate(timeout=240)
        return output.splitlines()

    def watch(self):
        """Start to watch."""
        self.process = self.start("watch")

    def told(self, last):
        """Return what watching prints, up to a line that begins like this."""
        lines = []
        for line in self.process.stdout:
            lines.append(line.rstrip("\n"))
            if line.startswith(last):
                return lines
        pytest.fail("It ended, and said:\n" + "\n".join(lines))

    def change(self, old, new):
        """Save a change of the second factor."""
        file = self.app / "app" / "second_factor.py"
        text = file.read_text("utf-8")
        assert old in text
        file.write_text(text.replace(old, new), "utf-8")


@pytest.fixture
def reader(tmp_path):
    person = Reader(tmp_path)
    yield person
    if person.process and person.process.poll() is None:
        person.process.terminate()
        person.process.communicate(timeout=60)


@needs_posix
def test_each_save_is_answered_with_the_next_thing_until_all_is_done(reader):
    reader.change("if time_step <= ", "if time_step == ")
    reader.watch()
    lines = reader.told("See the change")
    assert lines[2] == SENTENCE
    assert HEADING in lines
    assert not any("besides" in line for line in lines)

    reader.change("if time_step == ", "if time_step == = ")
    assert "--app: the app cannot be imported:" in reader.told("SyntaxError")

    reader.change("if time_step == = ", "if time_step <= ")
    assert "step 02 complete" in reader.told("Next: step 03")
    reader.process.communicate(timeout=60)
    assert reader.process.returncode == 0


@needs_posix
def test_ctrl_c_ends_it_without_a_traceback(reader):
    reader.change("if time_step <= ", "if time_step <= = ")
    reader.watch()
    reader.told("SyntaxError")

    reader.process.send_signal(signal.SIGINT)
    output, _ = reader.process.communicate(timeout=60)

    assert output == ""
    assert reader.process.returncode == 130


def test_ctrl_c_may_come_when_a_check_has_just_ended(monkeypatch):
    monkeypatch.setattr(watch.os, "waitpid", Mock(side_effect=KeyboardInterrupt))
    monkeypatch.setattr(watch.os, "kill", Mock(side_effect=ProcessLookupError))

    with pytest.raises(KeyboardInterrupt):
        watch.wait_for(12345)


def test_hints_go_from_the_sentence_to_the_heading_to_the_lines(reader):
    reader.change("if time_step <= ", "if time_step == ")

    assert reader.ask("hint")[0] == SENTENCE
    assert reader.ask("hint")[0] == HEADING
    lines = reader.ask("hint")
    assert lines[0] == "app/second_factor.py: consume_time_step"
    assert any("if time_step <= " in line for line in lines)
    assert reader.ask("hint") == lines

    reader.change("if time_step == ", "if time_step == = ")
    assert reader.ask("hint")[0] == "--app: the app cannot be imported:"


def test_a_single_check_finds_the_next_thing_where_nothing_can_fork(reader):
    reader.change("if time_step <= ", "if time_step == ")

    assert SENTENCE in reader.ask("once")


def test_a_folder_that_is_not_there_is_told_in_a_sentence(reader):
    shutil.rmtree(reader.app)

    assert reader.ask("hint") == [f"--app: there is no directory {reader.app}"]
