"""The reader's own app before its first test: is it there, and does it start?

Each problem is a pytest.UsageError, whose text says what to do.
"""

import inspect
import os
import time
import traceback
import warnings
from pathlib import Path

import pytest
from flask import Flask

from tests.kit import stops
from tests.kit.names import read_names
from tests.kit.report import Progress
from tests.kit.report import ReadableJUnit
from tests.kit.report import Summary
from tests.kit.report import in_words
from tests.kit.stage import CONFIG
from tests.kit.stage import DATABASE
from tests.kit.stage import FIRST_NAMES
from tests.kit.stage import FIRST_WITH_DATABASE
from tests.kit.stage import SCRATCH
from tests.kit.stage import STEPS
from tests.kit.stage import Stage
from tests.kit.stage import load_own_app
from tests.kit.stage import load_step
from tests.kit.stage import make_app

READ = "Read docs/your-own-app.md."
PROGRESS = pytest.StashKey[Progress]()
PATHS = pytest.StashKey[set]()
SETTINGS = CONFIG | {DATABASE: "sqlite://"}


def prepare(config, target, is_whole):
    """Start the app once, read the files that options name, and note how far it is."""
    option = config.option
    config.addinivalue_line("filterwarnings", "default")  # of an app that is not ours
    if option.tbstyle == "auto":
        option.tbstyle = "short"
    read_map(config)
    if option.url:  # in a server that runs on, the names of the last run are taken
        FIRST_NAMES.append(f"kim{int(time.time())}-")
    else:
        with warnings.catch_warnings():
            warnings.simplefilter("default")
            folder, names = option.app.resolve(), option.map or Stage.names
            config.stash[PATHS] = check(folder, target[:2], names)
    find_mailbox(config)
    if not option.red:
        follow(config, target, is_whole)


def follow(config, target, is_whole):
    """Have somebody note what comes of each test."""
    option = config.option
    shows_all = option.all or option.verbose > 0
    progress = config.stash[PROGRESS] = Progress(target, is_whole, shows_all)
    config.pluginmanager.register(progress)
    title = f"{in_words(target)}: {option.url or option.app.resolve().name}"
    if option.app:
        folder = option.app.resolve()
        if is_whole:
            progress.gap = stops.first_below(target, folder, stops.TYPED)
            _, progress.changed = stops.first_below(target, folder, 1) or (None, None)
        paths = config.stash[PATHS]
        progress.find_later = lambda: later_lines(folder, paths, target)
    if option.xmlpath:
        junit = ReadableJUnit(option.xmlpath, progress, title)
        config.pluginmanager.register(junit)
    if option.summary:
        file = config.invocation_params.dir / option.summary
        config.pluginmanager.register(Summary(file, progress, title))


def later_lines(folder, paths, target):
    """Return what leads to the next step, if the app has the pages that it adds."""
    following = f"{int(target[:2]) + 1:02}"
    if following not in STEPS:
        return []
    apps = [load_step(STEPS[n]).create_app(SETTINGS) for n in (target[:2], following)]
    before, after = map(paths_of, apps)
    new = after - before
    if not new or not new <= paths:
        return []
    return [
        f"This app has {', '.join(sorted(new))}, which step {following} adds.",
        f"If it is the app of that step: pytest steps/{following} --app={folder.name}",
    ]


def paths_of(app):
    """Return the paths that an app offers."""
    return {rule.rule for rule in app.url_map.iter_rules() if rule.endpoint != "static"}


def read_map(config):
    """Read the names that an app of its own kind has, or say why that fails."""
    if not config.option.map:
        return
    try:
        file = config.option.map.expanduser()
        names = read_names(config.invocation_params.dir / file)
    except (OSError, ValueError) as error:
        raise pytest.UsageError(f"--map: {error}") from None
    config.option.map = names


def find_mailbox(config):
    """Find the file into which a server prints its mails."""
    if not config.option.mailbox:
        return
    file = config.option.mailbox.expanduser()
    config.option.mailbox = config.invocation_params.dir / file
    if not (config.option.url and config.option.mailbox.is_file()):
        raise pytest.UsageError(
            "--mailbox needs --url, and a file into which that server prints"
        )


def check(folder, number, names=Stage.names):
    """Start the app once, return its paths; say what to do if that is not possible."""
    os.environ["FLASK_RUN_FROM_CLI"] = "true"  # an app.run() in the file is no start
    require_file(folder)
    module = run_reader_code(folder, "cannot be imported", load_own_app, folder)
    require_way_in(module, number)
    uri = f"sqlite:///{Path(SCRATCH.name, 'own.db')}"
    config = CONFIG | {"SQLALCHEMY_DATABASE_URI": uri}
    app = run_reader_code(folder, "cannot be started", make_app, module, config)
    require_flask(app)
    require_database(app, number, uri, names)
    return paths_of(app)


def refused(text):
    """Return the error that says what is wrong with an app."""
    return pytest.UsageError(f"--app: {text}")


def require_file(folder):
    """Refuse a folder in which there is no app."""
    if (folder / "app.py").is_file() or (folder / "app" / "__init__.py").is_file():
        return
    if folder.name == "app" and (folder / "__init__.py").is_file():
        raise refused(f"{folder} is the package itself: name the folder around it")
    lines = [f"{folder} has neither a file app.py nor a package app"]
    if (folder / "app").is_dir():
        lines.append("The folder app needs a file __init__.py.")
    files = sorted(path.stem for path in folder.glob("*.py"))
    if files:
        lines.append(f"There is: {', '.join(f'{name}.py' for name in files)}.")
        lines.append("Does one of them make your app? Then write an app.py with a line")
        lines.append(f"such as: from {files[0]} import app")
    raise refused("\n".join([*lines, READ]))


def require_way_in(module, number):
    """Refuse a module from which no app can be had for each test."""
    name = Path(module.__file__).name
    if not hasattr(module, "create_app"):
        if not hasattr(module, "app"):
            raise refused(f"{name} has neither create_app(config=None) nor app\n{READ}")
        if number >= FIRST_WITH_DATABASE:
            raise refused(
                f"{name} has app, but no create_app(config=None): from step "
                f"{FIRST_WITH_DATABASE} on\nthe tests bring a database of their own, "
                f"and leave yours alone\n{READ}"
            )
        require_flask(module.app)
        return
    try:
        inspect.signature(module.create_app).bind({})
    except TypeError:
        raise refused(
            f"create_app in {name} has to take one argument, a mapping that overrides\n"
            f"your settings: create_app(config=None)\n{READ}"
        ) from None


def require_flask(app):
    """Refuse what is no Flask app: it can still be checked over the network."""
    if app is None:
        raise refused("create_app returned nothing: does it end in 'return app'?")
    if not isinstance(app, Flask):
        raise refused(
            f"the app is no Flask app, but {type(app).__name__}: start it, and check\n"
            f"it with --url=http://127.0.0.1:5000\n{READ}"
        )


def require_database(app, number, uri, names):
    """Refuse an app that would let the tests write into the reader's own database."""
    if number < FIRST_WITH_DATABASE:
        return
    if app.config.get("SQLALCHEMY_DATABASE_URI") != uri:
        raise refused(
            "create_app does not take SQLALCHEMY_DATABASE_URI out of config: the\n"
            f"tests would write into your own database\n{READ}"
        )
    if "migrate" not in app.extensions and "create_tables" not in names.app:
        raise refused(
            f"the app has no Flask-Migrate: from step {FIRST_WITH_DATABASE} on its "
            "migrations make the\ndatabase of the tests. Without them, name a function "
            f"in --map: create_tables\n{READ}"
        )


def run_reader_code(folder, problem, action, *arguments):
    """Do something with the reader's code; show where in it an error happens."""
    try:
        return action(*arguments)
    except (Exception, SystemExit) as error:
        raise refused(f"the app {problem}:\n\n{own_lines(error, folder)}") from None


def own_lines(error, folder):
    """Return the traceback of an error, from the first line of the reader's on."""
    story = traceback.TracebackException.from_exception(error)
    is_own = [Path(frame.filename).is_relative_to(folder) for frame in story.stack]
    first = is_own.index(True) if any(is_own) else len(is_own)
    kept = [f for f in story.stack[first:] if not f.filename.startswith("<frozen")]
    story.stack = traceback.StackSummary.from_list(kept)
    return "".join(story.format()).rstrip()
