"""The next URL."""

import re

from flask import current_app
from flask import redirect
from flask import request
from flask import url_for

# A path on this site: one slash, then no character that browsers drop or take for one.
LOCAL_PATH_PATTERN = re.compile(r"/(?!/)[!-\[\]-~]*")


def next_url(target=None):
    """Return the URL that was asked for before the login, if it is on this site."""
    target = target or request.args.get("next", "")
    home = url_for(current_app.config["TWO_FACTOR_HOME"])
    return target if LOCAL_PATH_PATTERN.fullmatch(target) else home


def redirect_keeping_next(endpoint):
    """Redirect to another page of the login, and keep the next URL in the query."""
    return redirect(url_for(endpoint, next=request.args.get("next")))
