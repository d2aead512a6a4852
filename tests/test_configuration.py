"""What the app says about a configuration that is not safe."""

import pytest

from tests.marks import attack
from tests.marks import gap
from tests.marks import until


@gap
@attack(99)
@until("05")
@pytest.mark.parametrize("key", ["x", "dev", "change-me"])
def test_a_secret_key_that_anybody_can_guess_is_taken(step, clock, key):
    site = step.start(clock, SECRET_KEY=key)

    assert site.visitor().open("/login").status == 200


@gap
@attack(115)
@until("05")
def test_a_page_of_another_site_may_show_ours_in_a_frame(visitor):
    for path in ("/login", "/nothing"):
        headers = visitor.ask("GET", path).headers
        assert "Content-Security-Policy" not in headers
        assert "X-Frame-Options" not in headers
