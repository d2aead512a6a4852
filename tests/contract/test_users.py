"""Several users: what belongs to one of them is of no use to another."""

from tests.kit.accounts import recover
from tests.kit.marks import attack
from tests.kit.marks import since


@since("04a")
@attack(61)
def test_the_recovery_code_of_another_user_is_refused_and_not_used_up(site):
    owner, thief = site.account(), site.account()
    code = owner.recovery_code()

    assert recover(site, thief, code).status == 422
    assert recover(site, owner, code).path == "/"
