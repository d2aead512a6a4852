"""What a test says about itself.

`since("02")`   the first step that behaves like this; without it: step 01
`since("04c")`  the same, and already the app after this page of the chapter
`not_on("04a")` pages in the middle of a chapter on which this does not hold
`until("03")`   the last step that behaves like this; without it: the last step
`attack(12)`    the numbers of the attacks (tests/attacks.py) that the test carries out
`gap`           the attack works, and we know it: a later step closes it, or none
`once`          holds on later steps as well, but the first one is enough to show it
`never_red(...)`  why the test passes on the step before as well
`rate_limited`  uses up the guesses of an account: not run against a running server
`held_email`    an email has to wait until the test sends it: not run against one either
`last`          but this one is, after all others
"""

import pytest

since = pytest.mark.since
not_on = pytest.mark.not_on
until = pytest.mark.until
attack = pytest.mark.attack
gap = pytest.mark.gap
never_red = pytest.mark.never_red
once = pytest.mark.once
rate_limited = pytest.mark.rate_limited
last = pytest.mark.last


def value(item, name, default=None):
    """Return what a mark of a test item says, or the default."""
    mark = item.get_closest_marker(name)
    return mark.args[0] if mark else default


def reach(name):
    """Return what sorts a step after the pages of its chapter: "04d" before "04"."""
    return name if name[2:] else f"{name}~"


def holds(item, target):
    """Return whether a test holds for a step, or for the app after a page."""
    first, last = value(item, "since", "01"), value(item, "until", "99")
    left_out = item.get_closest_marker("not_on")
    is_left_out = left_out is not None and target in left_out.args
    return reach(first) <= reach(target) and target[:2] <= last and not is_left_out
