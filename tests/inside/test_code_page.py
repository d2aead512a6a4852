"""What our code page says, and the odds that the README of a step names."""

import re

from tests.kit.marks import attack
from tests.kit.marks import since
from tests.kit.stage import STEPS

USED = "That code was used a moment ago. Wait for the next one."
REFUSED = (
    "That code did not work. "
    "Wait for the next one and try again. Each code works only once."
)


@since("02")
@attack(25, 164)
def test_a_used_code_is_refused_like_a_wrong_one_and_the_page_says_why(site, account):
    def try_code(code):
        return site.visitor().give_password(account).fill_in(code=code)

    code = account.authenticator.code()
    try_code(code)
    used = try_code(code)
    wrong = try_code(account.authenticator.wrong_code())

    def without_token(page, words):
        assert words in page.text
        html = re.sub(r'name="csrf_token"[^>]*>', "", page.html)
        return html.replace(words, "")

    assert used.status == wrong.status == 422
    assert without_token(used, USED) == without_token(wrong, REFUSED)
    assert not used.visitor.is_logged_in()


@since("02")
@attack(74)
def test_the_odds_in_the_readme_are_those_of_the_limits(step, site, account):
    visitor = site.visitor()
    visitor.give_password(account)
    guesses = 0
    wrong = account.authenticator.wrong_code()
    while visitor.open("/login/code").fill_in(code=wrong).status == 422:
        guesses += 1

    in_a_day = guesses * 24 * 4
    of_a_million = in_a_day * 3
    words = (STEPS[step.number] / "README.md").read_text("utf-8")
    assert f"{guesses} guesses" in words
    assert f"{in_a_day} guesses a day" in words
    assert f"{of_a_million:,} in a million" in words
