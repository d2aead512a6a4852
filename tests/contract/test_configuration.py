"""What the app says about a configuration that is not safe."""

import pytest

from tests.kit.marks import attack
from tests.kit.marks import gap
from tests.kit.marks import until
from tests.kit.production import PRODUCTION


def starts(step, clock, **config):
    """Tell whether a step starts in front of strangers with these settings."""
    try:
        step.start(clock, **PRODUCTION | config)
    except RuntimeError:
        return False
    return True


@gap
@attack(99)
@until("05")
@pytest.mark.parametrize("key", ["x", "dev", "change-me"])
def test_a_secret_key_that_is_easy_to_guess_is_accepted(step, clock, key):
    assert starts(step, clock, SECRET_KEY=key)


@gap
@attack(115)
@until("05")
def test_a_page_of_another_site_may_show_ours_in_a_frame(visitor):
    for path in ("/login", "/nothing"):
        headers = visitor.ask("GET", path).headers
        assert "Content-Security-Policy" not in headers
        assert "X-Frame-Options" not in headers
