"""Starts the app: `flask run`, `gunicorn wsgi:app`."""

from pathlib import Path

from click import ClickException
from click import get_current_context
from dotenv import find_dotenv
from dotenv import load_dotenv
from flask.helpers import get_load_dotenv

from app import create_app

SETTINGS_FILE = Path(__file__).with_name(".env")


def refuse_foreign_settings():
    """Raise ClickException if `flask` has read the settings of another project."""
    if get_current_context(silent=True) is None or not get_load_dotenv():
        return  # this is not `flask`, or it reads no files
    # Before it came here, `flask` looked for these in this folder and all above it.
    for name in (".env", ".flaskenv"):
        found = find_dotenv(name, usecwd=True)
        if found and not SETTINGS_FILE.parent.samefile(Path(found).parent):
            raise ClickException(
                f"`flask` has read {found}, which is not ours. Make a file "
                f"{SETTINGS_FILE.with_name(name)} and start again in its folder: it "
                "may be empty, and `flask` reads it instead."
            )


def load_settings():
    """Read our own settings; raise ClickException if the file is not UTF-8."""
    try:
        load_dotenv(SETTINGS_FILE)
    except ValueError as error:
        raise ClickException(
            f"{SETTINGS_FILE} cannot be read: save it as UTF-8 ({error})."
        ) from None


refuse_foreign_settings()
load_settings()
app = create_app()
