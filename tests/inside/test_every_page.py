"""What our pages let a browser keep."""

from tests.kit.marks import attack


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
