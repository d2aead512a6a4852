"""What tutorial.py promises, tried in a copy with small steps and a stand-in Python."""

import ast
import functools
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import types
from pathlib import Path
from unittest.mock import Mock

import pytest

from tests.kit.phone import RFC_6238
from tools import steps
from tools.totp import RFC_KEY
from tools.totp import TIME_STEP
from tools.totp import totp

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "tutorial.py"
LIBRARY = ("tools/steps.py", "tools/totp.py")
URI = f"otpauth://totp/Door:kim%20w?secret={RFC_KEY}&issuer=Door"
STEP = "steps/03-phone/requirements.txt"
FILES = {
    "requirements/constraints.txt": "flask==3.1.3\n",
    "requirements/docs.in": "# nothing\n",
    "requirements/test.in": "-r ../steps/03-phone/requirements.txt\npytest # runs\n",
    "steps/01-door/requirements.txt": "flask==3.1.3\n",
    "steps/01-door/app/auth.py": "one\ntwo\nthree\n",
    "steps/01-door/app/old.py": "gone\n",
    "steps/01-door/instance/key": "junk",
    "steps/01-door/app.db": "junk",
    "steps/02-code/requirements.txt": "flask==3.1.3\n",
    "steps/02-code/app/auth.py": "one\n2\n\N{CHECK MARK}\nthree\n",
    "steps/02-code/app/totp.py": "new\nfile\n",
    "steps/02-code/.env": "JUNK=1\n",
    "steps/03-phone/requirements.txt": "flask==3.1.3\n",
    "tests/test_all.py": "",
}
# Notes what it is asked to do; `behaviour` says what goes wrong, and when. It starts
# a hundred times, so it imports little.
STAND_IN = """
import os, sys
root, me, words = sys.argv[1], sys.argv[2], sys.argv[3:]
kind = "probe" if "-m" not in words else words[words.index("-m") + 1]
kind = "upgrade" if "db" in words else "config" if "config" in words else kind
kind = "found" if "distributions" in words[-1] else kind
call = dict(kind=kind, words=words, folder=os.getcwd(), env=dict(os.environ))
with open(root + "/calls", "a") as calls:
    print(dict(call, pid=os.getpid()), file=calls)
with open(root + "/behaviour") as file:
    behaviour = eval(file.read()).get(kind, "")
if kind == "venv":
    os.makedirs(words[-1] + "/bin")
    os.symlink(me, words[-1] + "/bin/python")
if kind == "found":
    print(behaviour or "Flask PyTest Flask.Login")
    behaviour = ""
if kind == "probe":
    print(behaviour or sys.implementation.cache_tag)
    behaviour = ""
if behaviour == "ctrl-c":
    import signal
    signal.signal(signal.SIGINT, lambda *_: sys.exit(0))
    os.killpg(0, signal.SIGINT)
if behaviour == "end my parent":
    import signal, time
    os.kill(os.getppid(), signal.SIGTERM)
    time.sleep(60)
if behaviour:
    print(behaviour)
    sys.exit(7)
"""


class Copy:
    """A tutorial of three small steps, in which no real .venv is ever made."""

    def __init__(self, root):
        self.root = root
        for name, text in FILES.items():
            self.write(name, text)
        (root / "tools").mkdir()
        for name in ("tutorial.py", *LIBRARY):
            shutil.copy(ROOT / name, root / name)
        self.goes_wrong()
        self.write("stand_in.py", STAND_IN)
        words = [sys.executable, "-I", "-S", str(root / "stand_in.py"), str(root)]
        self.write("python", f'#!/bin/sh\nexec {shlex.join(words)} "$0" "$@"\n')
        (root / "python").chmod(0o755)
        self.module = load(root / "tutorial.py")
        self.module.base_python = lambda: str(root / "python")

    def write(self, name, text):
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    def goes_wrong(self, **behaviour):
        self.write("behaviour", repr(behaviour))

    def do(self, *words):
        return self.module.main(list(words))

    def run(self, number, port):
        """Start a step that is installed already; return how Flask was called."""
        self.with_venv(
            f"{steps.find_step(number).relative_to(self.root)}/requirements.txt"
        )
        self.do("run", number, "--port", port)
        (flask,) = self.calls("flask")
        return flask

    def with_venv(self, *requirements):
        """Make a .venv that holds what the files list, faster than by a first start."""
        self.write(".venv/bin/python", (self.root / "python").read_text())
        (self.root / ".venv" / "bin" / "python").chmod(0o755)
        stamp = [self.module.fingerprint(), *requirements]
        self.module.STAMP.write_text("\n".join(stamp))

    def calls(self, *kinds):
        """Return what was asked of Python since the last look."""
        path = self.root / "calls"
        lines = path.read_text().splitlines() if path.exists() else []
        path.unlink(missing_ok=True)
        calls = [ast.literal_eval(line) for line in lines]
        return [call for call in calls if call["kind"] in kinds]

    def kinds(self):
        kinds = ("venv", "pip", "upgrade", "flask", "pytest", "mkdocs")
        return [call["kind"] for call in self.calls(*kinds)]

    def process(self, *words, **settings):
        """Run the real script in a session of its own, as a terminal does."""
        return subprocess.run(
            [sys.executable, str(self.root / "tutorial.py"), *words],
            capture_output=True,
            env={**os.environ, **settings},
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            timeout=30,
        )


@functools.cache
def compiled():
    return compile(SOURCE.read_text(encoding="utf-8"), SOURCE, "exec")


def load(path):
    """Import the copy as what it is: a file in another folder."""
    module = types.ModuleType("tutorial_copy")
    module.__file__ = str(path)
    exec(compiled(), vars(module))
    return module


@pytest.fixture
def bare(tmp_path, monkeypatch):
    """Return a copy for what starts no other Python."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(steps, "ROOT", tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    for name in ("ISSUER", "BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    return Copy(tmp_path)


@pytest.fixture
def copy(bare):
    """Return a copy in which the stand-in is started."""
    if os.name == "nt":
        pytest.skip("the stand-in for Python is a shell script")
    return bare


@pytest.fixture
def port():
    """Return a port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


# The code


@pytest.mark.parametrize(("seconds", "code"), RFC_6238)
def test_the_codes_are_those_of_the_rfc(seconds, code):
    assert totp(RFC_KEY, seconds // TIME_STEP) == code


def test_it_starts_where_python_does_not_look_beside_the_script(bare):
    result = bare.process("code", PYTHONSAFEPATH="1")
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["gezd gnbv-GY3T", "qojq", "gezdgnbvgy3tqojq"],
        [URI],
        [URI + "&algorithm=SHA1&digits=6&period=30"],
    ],
)
def test_the_code_is_printed_with_the_seconds_left_and_needs_no_venv(
    bare, capsys, monkeypatch, words
):
    monkeypatch.setattr(bare.module.time, "time", lambda: 59.9)
    assert bare.do("code", *words) == 0
    assert capsys.readouterr().out == "287082 (1 second left)\n"
    assert not (bare.root / ".venv").exists()


@pytest.mark.parametrize(
    ("typed", "key"),
    [
        ("gezd gnbv", "GEZDGNBV"),
        ("gezd-gnbv", "GEZDGNBV"),
        (" GEZDGNBV\n", "GEZDGNBV"),
        ("GEZDGNBV========", "GEZDGNBV"),
        ("MFRGG", "MFRGG==="),
        # 0 for O and 8 for B, and what copying adds
        ("g0bgb8oz", "GOBGBBOZ"),
        ("G0BG\u2013B8OZ", "GOBGBBOZ"),
        ("\u200bgobg\u00a0bboz\u200b", "GOBGBBOZ"),
        ("\ufeffGOBG\u2212BBOZ", "GOBGBBOZ"),
    ],
)
def test_a_key_may_be_written_as_people_write_it(typed, key):
    assert totp(typed, 1) == totp(key, 1)


@pytest.mark.parametrize(
    ("key", "problem"),
    [
        ("GEZD1NBV", "letters A to Z"),
        ("GEZD!", "letters A to Z"),
        ("GEZDGN\N{LATIN SMALL LETTER E WITH ACUTE}", "letters A to Z"),
        ("===", "letters A to Z"),
        ("G", "not complete"),
        (URI + "&algorithm=SHA256", "another kind of code"),
        (URI + "&digits=8", "another kind of code"),
        (URI + "&period=60", "another kind of code"),
        (URI.replace("totp", "hotp") + "&counter=0", "another kind of code"),
        ("otpauth-migration://offline?data=CjEKCkhl", "another kind of code"),
        ("otpauth://totp/Door:kim?issuer=Door", "put quotes around"),
        ("otpauth://totp/Door:kim?secret=1", "letters A to Z"),
    ],
)
def test_a_bad_key_is_refused_in_a_sentence(bare, capsys, key, problem):
    assert bare.do("code", key) == 1
    output = capsys.readouterr()
    assert output.out == ""
    assert problem in output.err
    assert "Copy it again" in output.err


# Steps and their differences


@pytest.mark.parametrize(
    "word",
    [
        "2",
        "02",
        "02-code",
        "steps/02-code",
        "steps/02-code/",
        "./steps/02",
        ".\\steps\\02-code\\",
    ],
)
def test_a_step_is_found_by_number_name_or_path(bare, word):
    assert steps.find_step(word).name == "02-code"


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ("run 9", "There is no step 9. The steps are 01-door, 02-code, 03-phone."),
        ("run steps", "There is no step steps."),
        ("run --port 65536", "from 1 to 65535"),
        ("test 02-phone", "There is no step 02-phone."),
        ("diff 01", "diff 01 02"),
        ("diff 1 2 app/none.py", "There is no app/none.py in 01-door or 02-code."),
        ("page 04b", "Name a page and a new folder"),
        ("docs", "Read the README.md of each step"),
        ("start", "There is no command start. The commands are run, test, watch,"),
    ],
)
def test_a_command_that_cannot_be_run_says_so_in_a_sentence(
    bare, capsys, typed, sentence
):
    assert bare.do(*typed.split()) == 1
    assert sentence in capsys.readouterr().err
    assert not (bare.root / ".venv").exists()


def test_a_difference_is_told_in_words_and_lines(bare, capsys):
    assert bare.do("diff", "01", "02") == 0
    output = capsys.readouterr().out
    heads = [line for line in output.splitlines() if " added, " in line]
    assert heads == [
        "app/auth.py: 2 lines added, 1 deleted",
        "app/old.py: deleted file, 0 lines added, 1 deleted",
        "app/totp.py: new file, 2 lines added, 0 deleted",
        "3 files changed: 4 lines added, 2 deleted",
    ]
    assert "--- steps/01-door/app/auth.py\n+++ steps/02-code/app/auth.py\n" in output
    assert "\n one\n-two\n+2\n" in output
    assert "--- /dev/null\n+++ steps/02-code/app/totp.py\n" in output
    assert "junk" not in output.lower()


def test_one_file_can_be_compared_alone(bare, capsys):
    assert bare.do("diff", "2", "1", "app/totp.py") == 0
    output = capsys.readouterr().out
    assert output.startswith("app/totp.py: deleted file, 0 lines added, 2 deleted\n")
    assert "auth" not in output
    bare.do("diff", "01", "02", "requirements.txt")
    output = capsys.readouterr().out
    assert output == "0 files changed: 0 lines added, 0 deleted\n"


def test_a_line_of_dashes_is_counted_as_well(bare, capsys):
    bare.write("steps/02-code/app/auth.py", "one\ntwo\nthree\n++ four\n")
    bare.do("diff", "01", "02", "auth.py")
    assert capsys.readouterr().out.startswith("app/auth.py: 1 line added, 0 deleted\n")


def test_a_console_without_the_character_prints_another(bare):
    result = bare.process("diff", "01", "02", PYTHONIOENCODING="cp1252")
    assert result.returncode == 0, result.stderr
    assert b"+?" in result.stdout
    assert result.stderr == b""


# Starting a step


def test_the_first_start_makes_venv_and_runs_the_last_step(copy, capfd, port):
    assert copy.do("run", "--port", port) == 0
    venv, pip, flask = copy.calls("venv", "pip", "flask")
    assert venv["words"][-1] == str(copy.root / ".venv")
    place = pip["words"].index("-r")
    assert pip["words"][place:] == [
        "-r",
        str(copy.root / "steps/03-phone/requirements.txt"),
        "-c",
        str(copy.root / "requirements/constraints.txt"),
    ]
    assert {"--disable-pip-version-check", "--no-user"} <= {*pip["words"]}
    assert flask["words"] == ["-m", "flask", "run", "--port", port]
    assert flask["folder"] == str(copy.root / "steps" / "03-phone")
    output = capfd.readouterr().out
    assert "Making .venv" in output
    assert "Installing what steps/03-phone/requirements.txt lists" in output
    assert "    cd steps/03-phone\n" in output
    assert f"    ../../.venv/bin/python -m flask run --port {port}\n" in output
    assert f"http://127.0.0.1:{port} " in output
    assert "admin with the password password" in output


def test_the_printed_commands_hold_where_they_are_typed(copy, capfd, port, monkeypatch):
    monkeypatch.chdir(copy.write("else where/file", "").parent)
    copy.run("01", port)
    assert "    cd ../steps/01-door\n" in capfd.readouterr().out


def test_nothing_is_installed_twice(copy, port):
    copy.do("run", "03", "--port", port)
    copy.do("test")
    assert copy.kinds() == ["venv", "pip", "flask", "pip", "pytest"]
    copy.do("run", "03", "--port", port)
    copy.do("test")
    assert copy.kinds() == ["flask", "pytest"]


@pytest.mark.parametrize(
    "name", ["steps/03-phone/requirements.txt", "requirements/constraints.txt"]
)
def test_a_changed_requirement_is_installed(copy, port, name):
    copy.with_venv(STEP, "requirements/test.in")
    copy.write(name, "flask==3.1.4\n")
    copy.do("run", "03", "--port", port)
    copy.do("test")
    assert copy.kinds() == ["pip", "flask", "pip", "pytest"]


def test_going_back_to_old_requirements_installs_them_again(copy, port):
    copy.with_venv(STEP, "requirements/test.in")
    copy.write("requirements/constraints.txt", "flask==3.1.4\n")
    copy.do("run", "--port", port)
    copy.write("requirements/constraints.txt", FILES["requirements/constraints.txt"])
    copy.calls()
    copy.do("test")
    assert copy.kinds() == ["pip", "pytest"]


DAMAGES = {
    "it is of another Python": lambda copy: copy.goes_wrong(probe="cpython-27"),
    "its Python was removed": lambda copy: copy.module.PYTHON.unlink(),
    "the folder was moved": lambda copy: copy.module.HOME.write_text("/old/.venv"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_venv_that_is_not_whole_is_made_anew(copy, capfd, damage):
    copy.do("test")
    copy.calls()
    DAMAGES[damage](copy)
    assert copy.do("test") == 0
    assert copy.kinds() == ["venv", "pip", "pytest"]
    assert "it is made again" in capfd.readouterr().out
    copy.goes_wrong()
    assert copy.do("test") == 0
    assert copy.kinds() == ["pytest"]


@pytest.mark.parametrize("stage", ["venv", "pip"])
def test_an_interrupted_first_start_does_not_break_the_next(copy, monkeypatch, stage):
    real = copy.module.wait_for

    def interrupted(child, *rest):
        real(child, *rest)
        if stage in child.args:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(copy.module, "wait_for", interrupted)
        assert copy.do("test") == 130
    assert not copy.module.at_work()  # so the next start has nothing to wait for
    copy.calls()
    assert copy.do("test") == 0
    assert copy.kinds() == ["venv", "pip", "pytest"]


def test_a_second_terminal_waits_for_the_first(copy, capfd, monkeypatch):
    copy.with_venv("requirements/test.in")
    copy.module.UNFINISHED.touch()
    pauses = []

    def pause(seconds):
        pauses.append(seconds)
        copy.module.UNFINISHED.unlink()

    monkeypatch.setattr(copy.module.time, "sleep", pause)
    assert copy.do("test") == 0
    assert len(pauses) == 1
    assert copy.kinds() == ["pytest"]
    assert "waiting" in capfd.readouterr().out


@pytest.mark.parametrize(
    ("wrong", "sentences"),
    [
        ({"venv": "ensurepip is not available"}, ["sudo apt install {package}"]),
        ({"venv": "the disk is full"}, ["the disk is full", "could not make {venv}"]),
        (
            {"pip": "WARNING: Retrying\nERROR: No matching distribution"},
            [
                "WARNING: Retrying",
                "It ended with:\nERROR: No matching distribution\n",
                "check your connection and try again",
            ],
        ),
        (
            {
                "pip": "ERROR: Hashes are required",
                "config": "global.index-url='https://me:secret@example'\n"
                ":env:.require-hashes='1'",
            },
            ["settings of yours: global.index-url, PIP_REQUIRE_HASHES."],
        ),
        (
            {"found": "pip setuptools", "config": ":env:.target='/elsewhere'"},
            ["pip has not put pytest into {venv}", "settings of yours: PIP_TARGET."],
        ),
    ],
)
def test_a_set_up_that_fails_says_why_in_sentences(copy, capfd, wrong, sentences):
    copy.goes_wrong(**wrong)
    assert copy.do("test") == 1
    error = capfd.readouterr().err
    package = "python{}.{}-venv".format(*sys.version_info)
    for sentence in sentences:
        assert sentence.format(package=package, venv=copy.root / ".venv") in error
    assert "secret" not in error
    copy.goes_wrong()
    assert copy.do("test") == 0
    kinds = copy.kinds()
    assert kinds.count("venv") == 1
    assert kinds[-2:] == ["pip", "pytest"]


@pytest.mark.parametrize(
    ("line", "is_missing"),
    [
        ("Flask-Login==1", False),
        ("flask_login[x]==1  # why", False),
        ("Flask-Mail ; python_version < '3'", False),
        ("# Flask-Mail", False),
        ("", False),
        ("Flask-Mail==1", True),
    ],
)
def test_names_of_packages_are_compared_as_the_registry_does(copy, line, is_missing):
    copy.with_venv()
    file = copy.write("requirements/some.in", line)
    assert bool(copy.module.not_installed(file)) == is_missing


def test_a_folder_whose_name_no_venv_can_have_is_named(bare, capsys, monkeypatch):
    home = bare.root / f"a{os.pathsep}b"
    monkeypatch.setattr(bare.module, "VENV", home / ".venv")
    assert bare.do("test") == 1
    error = capsys.readouterr().err
    assert f"cannot have {os.pathsep} in its path" in error
    assert "rename the folder" in error


def test_a_folder_that_cannot_be_written_is_named(bare, capsys, monkeypatch):
    def refuse(path, *_, **__):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(bare.module.Path, "mkdir", refuse)
    assert bare.do("test") == 1
    error = capsys.readouterr().err
    assert "Permission denied" in error
    assert f"cannot work in {bare.root}" in error


def test_the_settings_of_another_project_stay_outside(copy, monkeypatch, port):
    foreign = ["PYTHONPATH", "PYTHONOPTIMIZE", "PYTHONWARNINGS", "VIRTUAL_ENV"]
    foreign += ["FLASK_APP", "FLASK_DEBUG", "FLASK_RUN_CERT", "FLASK_ENV_FILE"]
    for name in [*foreign, "PYTHON_DOTENV_DISABLED"]:
        monkeypatch.setenv(name, "theirs")
    monkeypatch.setenv("PIP_INDEX_URL", "https://mirror.example/simple")
    copy.do("run", "--port", port)
    calls = copy.calls("venv", "pip", "flask")
    assert len(calls) == 3
    for call in calls:
        assert "theirs" not in call["env"].values()
        assert call["env"]["PIP_INDEX_URL"] == "https://mirror.example/simple"
        assert call["env"]["FLASK_SKIP_DOTENV"] == "1"  # no .env of a folder above


def test_settings_in_your_environment_are_named(copy, monkeypatch, port, capfd):
    copy.write("steps/02-code/.env.example", "# its key\nSECRET_KEY=\nISSUER=Door\n")
    monkeypatch.setenv("SECRET_KEY", "mine alone")
    copy.run("02", port)
    output = capfd.readouterr().out
    assert "Your environment sets these, and they count: SECRET_KEY\n" in output
    assert "mine alone" not in output


def test_each_step_tells_the_authenticator_its_number(copy, port, capfd):
    flask = copy.run("02", port)
    assert flask["env"]["ISSUER"] == "Door 02"
    assert flask["env"]["BASE_URL"] == f"http://127.0.0.1:{port}"
    assert "tutorial.py code" in capfd.readouterr().out


def test_settings_of_your_own_are_kept(copy, monkeypatch, port):
    copy.write("steps/02-code/.env", "# BASE_URL=no\nexport ISSUER = 'Mine'\n")
    monkeypatch.setenv("BASE_URL", "https://tunnel.example")
    flask = copy.run("02", port)
    assert "ISSUER" not in flask["env"]
    assert flask["env"]["BASE_URL"] == "https://tunnel.example"


def test_a_step_with_a_database_is_upgraded_first(copy, port, capfd):
    for name in ("requirements.txt", "migrations/env.py"):
        copy.write(f"steps/04-users/{name}", "")
    copy.with_venv("steps/04-users/requirements.txt")
    copy.do("run", "04", "--port", port)
    assert copy.kinds() == ["upgrade", "flask"]
    output = capfd.readouterr().out
    assert "python -m flask db upgrade\n" in output
    assert "register" in output
    assert "admin" not in output
    copy.goes_wrong(upgrade="no such revision")
    assert copy.do("run", "04", "--port", port) == 7
    assert copy.kinds() == ["upgrade"]


def test_a_step_that_can_be_deployed_is_started_in_development(copy, port, capfd):
    for name in ("requirements.txt", "app/config.py", "migrations/env.py"):
        copy.write(f"steps/06-deploy/{name}", "")
    copy.with_venv("steps/06-deploy/requirements.txt")
    copy.do("run", "06", "--port", port)
    upgrade, flask = copy.calls("upgrade", "flask")
    assert upgrade["words"] == ["-m", "flask", "--debug", "db", "upgrade"]
    assert flask["words"] == ["-m", "flask", "--debug", "run", "--port", port]
    assert f"python -m flask --debug run --port {port}\n" in capfd.readouterr().out


# The port


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "::1", "::"])
def test_a_port_on_which_anything_listens_is_taken(bare, host):
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as server:
        try:
            server.bind((host, 0))
        except OSError:
            pytest.skip("this computer has no IPv6")
        server.listen()
        port = server.getsockname()[1]
        assert bare.module.taken(port)
        assert bare.module.free_port(port) > port
    assert not bare.module.taken(port)


def test_a_port_is_taken_even_if_the_system_would_share_it(bare, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setattr(socket.socket, "bind", lambda probe, address: None)
        assert bare.module.taken(server.getsockname()[1])


def test_a_taken_port_moves_the_app_and_its_links(copy, capfd, monkeypatch):
    copy.with_venv(STEP)
    monkeypatch.setenv("BASE_URL", "https://tunnel.example")
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        copy.do("run", "03", "--port", str(port))
    (flask,) = copy.calls("flask")
    moved = int(flask["words"][-1])
    assert moved > port
    assert flask["env"]["BASE_URL"] == f"http://127.0.0.1:{moved}"
    assert f"Port {port} is taken" in capfd.readouterr().out


def test_an_app_that_was_not_fast_enough_gets_the_next_port(
    copy, capfd, port, monkeypatch
):
    copy.with_venv(STEP)
    port = int(port)
    copy.goes_wrong(flask="Address already in use")
    taken = iter([False, True, True, False, False])  # another terminal takes the first
    monkeypatch.setattr(copy.module, "taken", lambda port: next(taken))
    assert copy.do("run", "03", "--port", str(port)) == 7
    ports = [int(call["words"][-1]) for call in copy.calls("flask")]
    assert ports == [port, port + 1]
    assert (
        f"Port {port} is taken, so you get port {port + 1}." in capfd.readouterr().out
    )


def test_no_free_port_is_told_in_a_sentence(bare, capsys, monkeypatch):
    monkeypatch.setattr(bare.module, "taken", lambda port: True)
    monkeypatch.setattr(bare.module, "set_up", lambda requirements: None)
    assert bare.do("run") == 1
    assert "Port 5000 and those after it are taken" in capsys.readouterr().err


# Testing


@pytest.mark.parametrize(
    ("typed", "passed_on"),
    [
        ("", "-n auto"),
        ("-q", "-n auto -q"),
        ("03", "steps/03-phone"),
        ("1 02-code", "steps/01-door steps/02-code"),
        ("03 -x -n 2 -k 03", "steps/03-phone -x -n 2 -k 03"),
        ("3 --red --app=my-app", "steps/03-phone --red --app=my-app"),
        ("-x steps/03::test_name", "-x steps/03-phone::test_name"),
        ("tests/test_all.py -q", "tests/test_all.py -q"),
    ],
)
def test_words_go_on_to_pytest(copy, capfd, typed, passed_on):
    copy.with_venv("requirements/test.in")
    copy.do("test", *typed.split())
    (call,) = copy.calls("pytest")
    assert call["words"] == ["-m", "pytest", *passed_on.split()]
    assert call["folder"] == str(copy.root)
    command = f"    .venv/bin/python -m pytest {passed_on}".rstrip()
    assert f"{command}\n" in capfd.readouterr().out


@pytest.mark.parametrize(
    ("typed", "passed_on"),
    [
        ("03 --app=my-app", "{}/steps/03-phone --app=my-app"),
        ("steps/3::test_name -x", "{}/steps/03-phone::test_name -x"),
        ("-k 3", "{}/tests -k 3"),
        ("", "{}/tests -n auto"),
    ],
)
def test_tests_start_from_any_folder(copy, monkeypatch, typed, passed_on):
    copy.with_venv("requirements/test.in")
    folder = copy.write("elsewhere/my-app/wsgi.py", "").parent.parent
    monkeypatch.chdir(folder)
    copy.do("test", *typed.split())
    (call,) = copy.calls("pytest")
    assert call["words"][2:] == passed_on.format(copy.root).split()
    assert call["folder"] == str(folder)


def test_the_exit_status_is_that_of_pytest(copy):
    copy.with_venv("requirements/test.in")
    assert copy.do("test") == 0
    copy.goes_wrong(pytest="1 failed")
    assert copy.do("test") == 7


@pytest.mark.parametrize("kind", ["watch", "hint"])
def test_hint_and_watch_run_the_tool_of_this_folder(copy, kind):
    copy.with_venv("requirements/test.in")

    copy.do(kind, "02", "--app=my-app")

    (call,) = copy.calls("tools.watch")
    assert call["words"] == ["-P", "-m", "tools.watch", kind, "02", "--app=my-app"]
    assert call["env"]["PYTHONPATH"] == call["folder"] == str(copy.root)


# The attacks


def test_the_table_of_attacks_is_made_at_the_root_and_printed_alone(
    copy, monkeypatch, capfd
):
    monkeypatch.chdir(copy.root / "steps")
    assert copy.do("attacks", "12", "--json") == 0
    (pip, table) = copy.calls("pip", "tests.table")
    assert str(copy.root / "requirements" / "test.in") in pip["words"]
    assert table["words"] == ["-m", "tests.table", "12", "--json"]
    assert table["folder"] == str(copy.root)
    output = capfd.readouterr()
    assert output.out == ""
    assert "    cd ..\n" in output.err
    assert "    .venv/bin/python -m tests.table 12 --json\n" in output.err


# The site


def test_the_site_is_served_from_the_root(copy, monkeypatch, capfd):
    copy.write("mkdocs.yml", "")
    monkeypatch.chdir(copy.root / "steps")
    assert copy.do("docs", "--open") == 0
    pip, pack, mkdocs = copy.calls("pip", "live.pack", "mkdocs")
    assert str(copy.root / "requirements" / "docs.in") in pip["words"]
    assert pack["words"] == ["-m", "live.pack"]
    assert mkdocs["words"][:4] == ["-m", "mkdocs", "serve", "--no-livereload"]
    assert mkdocs["words"][-1] == "--open"
    assert mkdocs["folder"] == str(copy.root)
    assert "    cd ..\n" in capfd.readouterr().out


def test_the_site_is_built_into_a_folder_of_yours(copy, monkeypatch, capfd):
    copy.write("mkdocs.yml", "")
    monkeypatch.chdir(copy.root / "steps")
    assert copy.do("docs", "--build", "out") == 0
    *_, mkdocs = copy.calls("pip", "live.pack", "mkdocs")
    folder = str(copy.root / "steps" / "out")
    assert mkdocs["words"] == ["-m", "mkdocs", "build", "--strict", "-d", folder]
    assert copy.do("docs", "--build") == 1
    assert "docs --build site" in capfd.readouterr().err


def test_a_site_without_its_packs_is_shown_but_not_built(copy):
    copy.write("mkdocs.yml", "")
    copy.with_venv("requirements/docs.in")
    copy.goes_wrong(**{"live.pack": "npm is away"})
    assert copy.do("docs", "--build", "out") == 7
    assert copy.do("docs") == 0


def test_the_site_gets_another_port_if_its_own_is_taken(copy, monkeypatch, capfd):
    copy.write("mkdocs.yml", "")
    monkeypatch.setattr(copy.module, "taken", lambda port: port == 8000)
    copy.do("docs")
    copy.do("docs", "-a", "127.0.0.1:8000")
    first, chosen = copy.calls("mkdocs")
    show = ["-m", "mkdocs", "serve", "--no-livereload", "-a"]
    assert first["words"] == [*show, "127.0.0.1:8001"]
    assert chosen["words"] == [*show, "127.0.0.1:8000"]
    assert "Port 8000 is taken, so you get port 8001." in capfd.readouterr().out


# Being ended


@pytest.mark.parametrize("stage", ["pip", "flask", "pytest"])
def test_ctrl_c_ends_without_a_traceback(copy, stage, port):
    installed = {"pip": [], "flask": [STEP], "pytest": ["requirements/test.in"]}
    copy.with_venv(*installed[stage])
    copy.goes_wrong(**{stage: "ctrl-c"})
    words = ["run", "--port", port] if stage == "flask" else ["test"]
    result = copy.process(*words)
    assert result.returncode == 130
    assert result.stdout.endswith(b"Stopped.\n")
    assert result.stderr == b""
    assert copy.calls(stage)


@pytest.mark.parametrize("ends", [True, False])
def test_ctrl_c_ends_a_child_only_if_it_does_not_end_itself(bare, ends):
    too_late = subprocess.TimeoutExpired("flask", 2)
    child = Mock()
    child.wait.side_effect = [KeyboardInterrupt, 0 if ends else too_late, 0]
    child.poll.return_value = 0 if ends else None
    with pytest.raises(KeyboardInterrupt):
        bare.module.wait_for(child)
    assert child.terminate.called != ends


def test_ending_the_tutorial_ends_the_app(copy, port):
    copy.with_venv(STEP)
    copy.goes_wrong(flask="end my parent")
    result = copy.process("run", "--port", port)
    assert result.returncode == 128 + signal.SIGTERM
    (flask,) = copy.calls("flask")
    # The tutorial has waited for it, so nothing is left of the process.
    with pytest.raises(ProcessLookupError):
        os.kill(flask["pid"], 0)


def test_a_reader_who_has_seen_enough_gets_no_traceback(copy):
    copy.write("steps/02-code/app/long.py", "a line\n" * 50000)
    command = [sys.executable, "tutorial.py", "diff", "01", "02"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, **pipes) as process:
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""


# Help, and an old Python


@pytest.mark.parametrize("words", [[], ["--help"], ["-h"], ["test", "--help"]])
def test_help_shows_every_command(bare, capsys, words):
    assert bare.do(*words) == 0
    output = capsys.readouterr().out
    for name in ("run", "test", "watch", "hint", "code", "diff", "attacks", "docs"):
        assert f"\n  {name} " in output
    assert max(map(len, output.splitlines())) <= 84


def test_a_python_that_is_too_old_is_told_in_a_sentence(bare, capsys, monkeypatch):
    monkeypatch.setattr(bare.module.sys, "version_info", (3, 10, 13))
    assert bare.do("code") == 1
    error = capsys.readouterr().err
    assert "needs Python 3.11 or newer, and this is 3.10." in error
    bare.module.check_python((3, 11, 0))


@pytest.mark.parametrize("name", ["tutorial.py", *LIBRARY])
def test_an_old_python_can_read_the_file(name):
    ast.parse((ROOT / name).read_text(encoding="utf-8"), feature_version=(3, 7))


@pytest.mark.parametrize("minor", range(6, 11))
def test_a_real_old_python_says_so(bare, minor):
    python = shutil.which(f"python3.{minor}")
    command = [str(python), str(bare.root / "tutorial.py"), "run"]
    if not python or subprocess.run([python, "-c", ""], capture_output=True).returncode:
        pytest.skip(f"there is no Python 3.{minor} on this computer")
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 1
    assert f"and this is 3.{minor}." in result.stderr
    assert "Traceback" not in result.stderr
