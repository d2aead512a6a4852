"""What our pages let a browser keep, and what they make of an odd address."""

from tests.kit.marks import attack
from tests.kit.marks import since


@attack(40)
def test_style_and_icon_may_be_kept_and_carry_no_cookie(visitor):
    page = visitor.open("/login")
    for address in (
        page.find("[rel=stylesheet]").attributes["href"],
        page.find("[rel=icon]").attributes["href"],
    ):
        answer = visitor.ask("GET", address)
        assert answer.status == 200
        assert answer.headers.get("Cache-Control") != "no-store"
        assert "Set-Cookie" not in answer.headers


@attack(115)
def test_a_query_that_is_no_text_is_refused_like_any_other(visitor):
    how = {"environ_overrides": {"QUERY_STRING": "next=\xff"}}
    page = visitor.ask("POST", "/login", data={"username": "kim"}, **how)

    assert page.status == 400
    assert "Back to the form" in page.text


@since("02")
@attack(92)
def test_nothing_but_the_next_url_is_handed_on(visitor):
    query = "next=/account&_anchor=x&_external=1&x=y"
    answer = visitor.ask("GET", f"/login/code?{query}")

    assert answer.headers.get("Location") == "/login?next=/account"
