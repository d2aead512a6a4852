"""Two Steps In: start the tutorial's apps with nothing but Python 3.11 or newer.

Every command makes what it needs in .venv, then runs an ordinary command and prints
it, so that you can type it yourself. The file still parses on Python 3.6, which can
then say that it is too old.
"""

import argparse
import contextlib
import errno
import hashlib
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))  # despite PYTHONSAFEPATH

from tools.steps import TutorialError
from tools.steps import count
from tools.steps import files_of
from tools.steps import find_step
from tools.steps import number_of
from tools.steps import print_difference
from tools.totp import RFC_KEY
from tools.totp import TIME_STEP
from tools.totp import find_key
from tools.totp import totp

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
WINDOWS = os.name == "nt"
PYTHON = VENV / ("Scripts/python.exe" if WINDOWS else "bin/python")
CONSTRAINTS = ROOT / "requirements" / "constraints.txt"
STAMP = VENV / "tutorial-installed"
HOME = VENV / "tutorial-home"  # the path for which its scripts were made
UNFINISHED = VENV / "tutorial-unfinished"
OLDEST = (3, 11)
PROGRAM = "python tutorial.py" if WINDOWS else "python3 tutorial.py"
# Its banner is about a version that we do not use.
QUIET_MKDOCS = {"NO_MKDOCS_2_WARNING": "1"}

HELP = f"""\
Two Steps In: a Flask login with two-factor authentication, in six chapters

  run [STEP] [--port N]     start a step; without a number, the last there is
  test [STEP ...] [OPTION]  test some steps, or all; the options are those of pytest
  watch STEP --app=DIR      check your own app whenever you save a file of it
  hint STEP --app=DIR       give a hint for the next thing to do; ask again for more
  code [KEY]                show the code that a phone would show now
  diff STEP STEP [FILE]     show what changed from one step to another
  page PAGE DIR             write the app as it is after a page of a chapter
  attacks [NUMBER ...]      show which attacks each step withstands
  docs [--build DIR]        read the site on this computer, or build it in a folder

Examples:

  {PROGRAM} run 03
  {PROGRAM} test 03 -k login
  {PROGRAM} test 03 --app=my-app    (the same tests for your own app)
  {PROGRAM} code
  {PROGRAM} diff 01 02 app/auth.py
  {PROGRAM} page 04b my-app

A step is 3, 03, 03-qr-enrolment or its folder. The first start makes .venv and
installs what the step needs there; nothing else on your computer changes.
"""


def show_code(words):
    """Print the current code of a key, for readers without a phone."""
    time_step, spent = divmod(int(time.time()), TIME_STEP)
    try:
        code = totp(find_key("".join(words)) or RFC_KEY, time_step)
    except ValueError as error:
        raise TutorialError(
            f"{error} Copy it again from the page that shows it."
        ) from None
    print(f"{code} ({count(TIME_STEP - spent, 'second')} left)")
    return 0


def show_diff(words):
    """Print what changed from one step to another, for readers without git."""
    if len(words) not in (2, 3):
        raise TutorialError(f"Name two steps, such as {PROGRAM} diff 01 02.")
    old, new = find_step(words[0]), find_step(words[1])
    before, after = files_of(old), files_of(new)
    names = sorted(set(before) | set(after))
    if len(words) == 3:
        asked = words[2].replace("\\", "/").rstrip("/")
        names = [name for name in names if f"/{asked}/" in f"/{name}/"]
        if not names:
            raise TutorialError(f"There is no {asked} in {old.name} or {new.name}.")
    changed = [name for name in names if before.get(name) != after.get(name)]
    counts = []
    for name in changed:
        sides = (old.name, before.get(name)), (new.name, after.get(name))
        counts.append(print_difference(name, *sides))
    added, deleted = (sum(column) for column in zip(*counts, (0, 0), strict=True))
    files = count(len(changed), "file")
    print(f"{files} changed: {count(added, 'line')} added, {deleted} deleted")
    return 0


def child_environment():
    """Return the environment for children, without what belongs to another project."""
    foreign = re.compile(
        "PYTHON(?!IOENCODING|UTF8|PYCACHEPREFIX)|VIRTUAL_ENV"
        "|FLASK_(APP|DEBUG|ENV_FILE|RUN_)"
    )
    kept = {name: os.environ[name] for name in os.environ if not foreign.match(name)}
    # Flask would take a .env of any folder above; a step reads its own.
    kept["FLASK_SKIP_DOTENV"] = "1"
    # A console of another code page shows "?" for a tick; the app must not stop at it.
    kept.setdefault("PYTHONIOENCODING", ":replace")
    # Compiled files stay out of the steps, so that a diff of two steps shows none.
    kept.setdefault("PYTHONPYCACHEPREFIX", str(VENV / "pycache"))
    return kept


def wait_for(child, every_second=None):
    """Wait for a child, and whatever happens do not leave it behind."""
    try:
        while True:
            try:
                return child.wait(timeout=1 if every_second else None)
            except subprocess.TimeoutExpired:
                every_second()
    except KeyboardInterrupt:
        # A terminal tells the child as well; one that was not told is ended below.
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(timeout=10 if sys.stdin.isatty() else 2)
        raise
    finally:
        if child.poll() is None:
            child.terminate()
            child.wait()


def start(command, folder=None, settings=()):
    """Run an ordinary command in the terminal and return its exit status."""
    environment = dict(child_environment(), **dict(settings))
    sys.stdout.flush()
    status = wait_for(subprocess.Popen(command, cwd=folder, env=environment))
    return 128 - status if status < 0 else status


def typed(command):
    """Return a command as you would type it here."""
    words = [str(word) for word in command]
    return subprocess.list2cmdline(words) if WINDOWS else shlex.join(words)


def seen_from(folder, path):
    """Return a path as you would type it in a folder."""
    try:
        return os.path.relpath(str(path), str(folder))
    except ValueError:  # another drive of Windows
        return str(path)


def base_python():
    """Return the Python that .venv is made from, also if one in .venv runs this."""
    return getattr(sys, "_base_executable", sys.executable)


def usable():
    """Tell whether .venv is whole and made by the same Python as the one that runs."""
    question = "import sys, pip; print(sys.implementation.cache_tag)"
    command = [str(PYTHON), "-I", "-c", question]
    if UNFINISHED.exists():
        return False
    if HOME.exists() and HOME.read_text("utf-8", "surrogateescape") != str(VENV):
        return False  # its scripts, such as flask, still call the Python of that place
    try:
        answer = subprocess.run(command, env=child_environment(), capture_output=True)
    except OSError:
        return False
    return answer.stdout.decode().strip() == sys.implementation.cache_tag


def at_work():
    """Tell whether another tutorial.py is working in .venv: it marks each second."""
    try:
        return abs(time.time() - UNFINISHED.stat().st_mtime) < 5
    except FileNotFoundError:
        return False


def tick():
    """Show that a long command moves on, and tell other terminals to wait."""
    print(".", end="", flush=True)
    UNFINISHED.touch()


def watch(title, *command):
    """Run a set-up command behind a row of dots; return its status and output."""
    print(title, end=" ", flush=True)
    tick()
    with tempfile.TemporaryFile() as log:
        files = {"stdin": subprocess.DEVNULL, "stdout": log, "stderr": log}
        command = [str(word) for word in command]
        child = subprocess.Popen(command, env=child_environment(), **files)
        status = wait_for(child, tick)
        log.seek(0)
        print("" if status else " done")
        return status, log.read().decode(errors="replace").strip()


def make_venv():
    """Make .venv, or say what is missing."""
    title = "Making .venv, which happens once"
    status, output = watch(title, base_python(), "-I", "-m", "venv", VENV)
    if status and "ensurepip" in output:
        package = "python{}.{}-venv".format(*sys.version_info)
        raise TutorialError(
            "This Python cannot make a virtual environment. On Debian and Ubuntu type "
            f"sudo apt install {package}, then try again."
        )
    if status:
        raise TutorialError(
            f"{output}\n\nPython could not make {VENV}: see above. A memory stick "
            "often cannot hold a virtual environment, nor can a folder that two "
            "systems share: copy the tutorial to your home folder, and try again."
        )
    HOME.write_text(str(VENV), "utf-8", "surrogateescape")


def install(requirements):
    """Add to .venv what a file of requirements lists."""
    name = seen_from(ROOT, requirements)
    pip = [PYTHON, "-I", "-m", "pip", "--disable-pip-version-check", "--no-input"]
    pip += ["install", "--no-user", "--progress-bar", "off"]
    pip += ["-r", requirements, "-c", CONSTRAINTS]
    status, output = watch(f"Installing what {name} lists", *pip)
    if status:
        errors = [line for line in output.splitlines() if line.startswith("ERROR")]
        raise TutorialError(
            f"{output}\n\npip could not install what {name} lists. It ended with:\n"
            f"{(errors or output.splitlines() or ['nothing'])[-1]}\n"
            "Most often the package registry cannot be reached, even if pip says "
            f"something else: check your connection and try again. {pip_settings()}"
        )
    missing = not_installed(requirements)
    if missing:
        raise TutorialError(
            f"pip has not put {', '.join(missing)} into {VENV}. {pip_settings()}"
        )


def pip_settings():
    """Say which settings of your own pip follows; name no value."""
    command = [str(PYTHON), "-I", "-m", "pip", "config", "list"]
    done = subprocess.run(command, env=child_environment(), capture_output=True)
    names = re.findall(r"^(\S+)='", done.stdout.decode(errors="replace"), re.MULTILINE)
    for place, name in enumerate(names):
        if name.startswith(":env:."):
            names[place] = "PIP_" + name[6:].replace("-", "_").upper()
    if not names:
        return ""
    return (
        f"pip follows settings of yours: {', '.join(names)}. Does one of them forbid "
        "this, or send it elsewhere? Take it away, or see: pip config debug"
    )


def not_installed(requirements):
    """Return the packages that a file of requirements lists and .venv does not have."""
    question = "from importlib.metadata import distributions\n"
    question += "print(*(package.name for package in distributions()))"
    command = [str(PYTHON), "-I", "-c", question]
    answer = subprocess.run(command, env=child_environment(), capture_output=True)
    there = {plain(name) for name in answer.stdout.decode().split()}
    lines = Path(requirements).read_text("utf-8").splitlines()
    names = [re.match(r"[\w.-]+", line) for line in lines if ";" not in line]
    names = [name.group() for name in names if name and name.group()[0] != "-"]
    return [name for name in names if plain(name) not in there]


def plain(name):
    """Return the name of a package as the registry compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def fingerprint():
    """Return what changes when any requirement or the version of Python changes."""
    digest = hashlib.sha256(sys.implementation.cache_tag.encode())
    lists = [*ROOT.glob("requirements/*"), *ROOT.glob("steps/*/requirements.txt")]
    for path in sorted(lists):
        digest.update(path.name.encode() + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def set_up(requirements):
    """See to it that .venv holds what is needed; do nothing if it does already."""
    if os.pathsep in str(VENV):
        raise TutorialError(
            f"A virtual environment cannot have {os.pathsep} in its path, and this is "
            f"{VENV}: rename the folder, or move the tutorial to another one."
        )
    if at_work():
        print("Another tutorial.py is working in .venv: waiting for it.")
    while at_work():
        time.sleep(0.5)
    whole = usable()
    stamp = STAMP.read_text().splitlines() if whole and STAMP.exists() else []
    wanted, name = fingerprint(), seen_from(ROOT, requirements)
    installed = stamp[1:] if stamp[:1] == [wanted] else []
    if name in installed:
        return
    if VENV.exists() and not whole:
        print(
            "The .venv is unfinished, damaged, moved or of another Python, "
            "so it is made again."
        )
        shutil.rmtree(str(VENV))
    VENV.mkdir(exist_ok=True)
    with marked_unfinished():
        if not whole:
            make_venv()
        install(requirements)
        STAMP.write_text("\n".join([wanted, *installed, name]))


@contextlib.contextmanager
def marked_unfinished():
    """Keep a mark in .venv that outlives an interruption, however rude."""
    UNFINISHED.touch()
    try:
        yield
    except TutorialError:
        UNFINISHED.unlink()  # a command said no; what was there before is whole
        raise
    except BaseException:
        os.utime(str(UNFINISHED), (0, 0))  # the next start need not wait
        raise
    UNFINISHED.unlink()


def taken(port):
    """Tell whether anything listens on a port of this computer, by IPv4 or IPv6."""
    for family, host in (socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1"):
        try:
            with socket.socket(family) as knock:
                knock.settimeout(0.2)
                if knock.connect_ex((host, port)) == 0:
                    return True
            with socket.socket(family) as probe:
                # Elsewhere than on Windows this only forgives connections just closed.
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, not WINDOWS)
                probe.bind((host, port))
        except OSError as error:
            if error.errno in (errno.EADDRINUSE, errno.EACCES):
                return True
    return False


def free_port(wanted):
    """Return the port that was asked for, or the next one that is free."""
    for port in range(wanted, min(wanted + 100, 65536)):
        if not taken(port):
            return port
    raise TutorialError(f"Port {wanted} and those after it are taken: choose another.")


def serve(wanted, start_on):
    """Call a function that serves on a port; on the next if another one was faster."""
    port = wanted
    while True:
        port = free_port(port)
        if port != wanted:
            print(f"Port {wanted} is taken, so you get port {port}.")
        status = start_on(port)
        if not status or not taken(port):
            return status


def settings_for(step, port, moved):
    """Return the settings that a step gets here, unless you have set your own."""
    path = step / ".env"
    text = path.read_text("utf-8-sig", "replace") if path.exists() else ""
    yours = set(re.findall(r"^\s*(?:export\s+)?(\w+)\s*=", text, re.MULTILINE))
    settings = {
        "ISSUER": f"Door {step.name[:2]}",
        "BASE_URL": f"http://127.0.0.1:{port}",
    }
    for name in (yours | set(os.environ)) & set(settings):
        if not (moved and name == "BASE_URL"):
            del settings[name]
    return settings


def how_to_log_in(step):
    """Say who can log in to a step, and where codes come from."""
    if (step / "app" / "mailer.py").exists():
        return "There is no demo user: register. Its emails are printed here."
    if number_of(step) > 3:
        return "There is no demo user: register."
    codes = f" Codes come from: {PROGRAM} code" if number_of(step) == 2 else ""
    return f"Log in as admin with the password password.{codes}"


def run_step(words):
    """Start a step, and say where it is and who can log in."""
    parser = argparse.ArgumentParser(prog=f"{PROGRAM} run")
    parser.add_argument("step", nargs="?", default="")
    parser.add_argument("--port", type=int, default=5000)
    asked = parser.parse_args(words)
    if not 0 < asked.port < 65536:
        raise TutorialError("A port is a number from 1 to 65535, such as 5000.")
    step = find_step(asked.step)
    set_up(step / "requirements.txt")
    return serve(asked.port, lambda port: run_on(step, port, port != asked.port))


def run_on(step, port, moved):
    """Start a step on a port that is free."""
    # A step that can be deployed takes itself to be in production without --debug.
    flask = ["-m", "flask", *(["--debug"] if (step / "app/config.py").exists() else [])]
    commands = [[*flask, "run", "--port", str(port)]]
    if (step / "migrations").is_dir():
        commands.insert(0, [*flask, "db", "upgrade"])
    settings = settings_for(step, port, moved)
    announce(step, commands, settings)
    print(f"Open http://127.0.0.1:{port} in a browser. {how_to_log_in(step)}")
    print("Ctrl-C ends it.\n")
    for command in commands:
        status = start([str(PYTHON), *command], step, settings)
        if status:
            break
    return status


def announce(step, commands, settings):
    """Print what is about to run, as you would type it."""
    print(f"Starting {step.name}. You could type as well:\n")
    print(f"    cd {typed([seen_from(os.getcwd(), step)])}")
    for command in commands:
        print(f"    {typed([seen_from(step, PYTHON), *command])}")
    values = " ".join(f"{name}='{value}'" for name, value in settings.items())
    print(f"\nSettings for this start: {values}\n" if values else "")
    example = step / ".env.example"
    text = example.read_text("utf-8") if example.exists() else ""
    yours = set(re.findall(r"^(\w+)=", text, re.MULTILINE)) & set(os.environ)
    if yours:
        print(
            f"Your environment sets these, and they count: {', '.join(sorted(yours))}\n"
        )


def run_tests(words):
    """Run the tests of some steps or all; what is no step goes on to pytest."""
    if set(words) <= {"-q", "-v", "-x"}:
        words = ["-n", "auto", *words]  # all steps: as many tests at once as cores
    words = for_pytest(words, os.path.samefile(os.getcwd(), str(ROOT)))
    set_up(ROOT / "requirements" / "test.in")
    command = ["-m", "pytest", *words]
    print(f"\n    {typed([seen_from(os.getcwd(), PYTHON), *command])}\n")
    return start([str(PYTHON), *command])


def watch_app(words):
    """Check a reader's own app whenever a file of it is saved."""
    return help_along("watch", words)


def give_hint(words):
    """Give a hint for the next thing to do in a reader's own app."""
    return help_along("hint", words)


def help_along(kind, words):
    """Have tools/watch.py check a reader's own app; the paths hold in this folder."""
    set_up(ROOT / "requirements" / "test.in")
    # -P keeps this folder, in which there may be an app.py, out of Python's path
    command = [str(PYTHON), "-P", "-m", "tools.watch", kind, *words]
    return start(command, settings={"PYTHONPATH": str(ROOT)})


def for_pytest(words, at_root):
    """Return the words for pytest, with steps as paths that hold in this folder.

    A bare 03 is a step only before the first option: after it, as in "-n 2", the word
    may belong to an option.
    """
    options = [place for place, word in enumerate(words) if word.startswith("-")]
    first_option = min(options, default=len(words))
    result = []
    for place, word in enumerate(words):
        path, colons, test = word.partition("::")
        page = re.fullmatch(r"(\.?[/\\]?steps[/\\])?(\d\d[a-z])[/\\]?", path)
        if page and (page.group(1) or place < first_option):
            path = "steps/" + page.group(2)
            path = path if at_root else str(ROOT / path)
        form = re.fullmatch(r"(\.?[/\\]?steps[/\\])?\d+(-[\w-]+)?[/\\]?", path)
        if form and (form.group(1) or place < first_option):
            step = find_step(path)
            path = f"steps/{step.name}" if at_root else str(step)
        result.append(path + colons + test)
    if not at_root and not first_option:
        result.insert(0, str(ROOT / "tests"))
    return result


def write_page(words):
    """Write the app as it is after a page, for readers who lost the thread."""
    if len(words) != 2:
        raise TutorialError(f"Name a page and a new folder: {PROGRAM} page 04b my-app")
    page, folder = words[0], os.path.abspath(words[1])
    status = start([sys.executable, "-m", "tools.pages", page, folder], ROOT)
    if not status:
        print(f"This is the app after page {page}: {folder}")
    return status


def show_attacks(words):
    """Print the table of attacks against steps; --json prints it for programs."""
    command = ["-m", "tests.table", *words]
    with contextlib.redirect_stdout(sys.stderr):  # the table alone goes to a program
        set_up(ROOT / "requirements" / "test.in")
        print(f"\n    cd {typed([seen_from(os.getcwd(), ROOT)])}")
        print(f"    {typed([seen_from(ROOT, PYTHON), *command])}\n")
    return start([str(PYTHON), *command], ROOT)


def serve_docs(words):
    """Show the site on this computer; the options are those of mkdocs serve.

    It is built once, because a step that runs writes files below steps/. With
    `--livereload` it is built again whenever a file changes, for those who write.
    `--build DIR` writes it into a folder instead. The page Try it here is packed
    before; without its packs a site can be shown, but not built.
    """
    if not (ROOT / "mkdocs.yml").exists():
        raise TutorialError(
            "There is no site yet. Read the README.md of each step instead."
        )
    set_up(ROOT / "requirements" / "docs.in")
    os.environ.setdefault("SITE_URL", "http://127.0.0.1:8000/")
    pack, mkdocs = ["-m", "live.pack"], ["-m", "mkdocs"]
    if words[:1] == ["--build"]:
        if len(words) == 1:
            raise TutorialError(f"Name a folder, such as {PROGRAM} docs --build site.")
        folder = os.path.abspath(words[1])
        build = [*mkdocs, "build", "--strict", "-d", folder, *words[2:]]
        return start_at_root(pack) or start_at_root(build)
    start_at_root(pack)
    show = [*mkdocs, "serve", "--no-livereload"]
    if any(re.match("-a|--dev-addr", word) for word in words):
        return start_at_root([*show, *words])
    return serve(
        8000,
        lambda port: start_at_root([*show, "-a", f"127.0.0.1:{port}", *words]),
    )


def start_at_root(command):
    """Print a command for the Python in .venv, run it and return its exit status."""
    print(f"\n    cd {typed([seen_from(os.getcwd(), ROOT)])}")
    print(f"    {typed([seen_from(ROOT, PYTHON), *command])}\n")
    return start([str(PYTHON), *command], ROOT, QUIET_MKDOCS)


COMMANDS = {
    "run": run_step,
    "test": run_tests,
    "watch": watch_app,
    "hint": give_hint,
    "code": show_code,
    "diff": show_diff,
    "page": write_page,
    "attacks": show_attacks,
    "docs": serve_docs,
}


def check_python(version):
    """Refuse a Python that is too old for the tutorial, and say what to do."""
    if tuple(version[:2]) < OLDEST:
        newer = "py -3.13" if WINDOWS else "python3.13"
        raise TutorialError(
            f"The tutorial needs Python 3.11 or newer, and this is {version[0]}."
            f"{version[1]}. Install a newer one from python.org and start the tutorial "
            f"with it, such as {newer} tutorial.py run."
        )


def obey(words):
    """Carry out what was typed and return the exit status."""
    check_python(sys.version_info)
    if not words or {"-h", "--help"} & set(words[:2]):
        print(HELP, end="")
        return 0
    if words[0] not in COMMANDS:
        there = ", ".join(COMMANDS)
        raise TutorialError(
            f"There is no command {words[0]}. The commands are {there}."
        )
    return COMMANDS[words[0]](words[1:])


def main(words):
    """Carry out what was typed; say what went wrong in a sentence, not a traceback."""
    try:
        status = obey(words)
        sys.stdout.flush()
        return status
    except KeyboardInterrupt:
        print("\nStopped.")
        return 130
    except BrokenPipeError:  # the reader of "| head" has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except TutorialError as problem:
        print(problem, file=sys.stderr)
    except OSError as error:
        print(
            f"{error}\n\nThe tutorial cannot work in {ROOT}: see above. Copy it to a "
            "folder where you may write, such as your home folder, and try again.",
            file=sys.stderr,
        )
    return 1


def prepare_terminal():
    """See to it that no output can fail, and that being ended ends the child too."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace", line_buffering=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))


if __name__ == "__main__":
    prepare_terminal()
    sys.exit(main(sys.argv[1:]))
