"""What no code can stop: a page that only looks like ours, and passes the code on."""

from tests.kit.marks import attack
from tests.kit.marks import gap
from tests.kit.marks import since
from tests.kit.visitor import Visitor


class LookAlike:
    """Shows our own pages at another host, and passes on what is typed into them."""

    host = "d00r.example"

    def __init__(self, thief):
        self.thief = thief

    def request(self, method, path, **how):
        """Send a request from the thief's browser, where the cookies stay."""
        return self.thief.browser.request(method, path, **how)


@gap
@attack(143)
@since("02")
def test_a_page_that_only_looks_like_ours_passes_the_code_on(site, account):
    thief = site.visitor()
    victim = Visitor(LookAlike(thief), site, site.stage.names)
    victim.log_in(account)

    assert thief.is_logged_in()
