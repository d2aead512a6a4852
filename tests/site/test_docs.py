"""The site: it shows the code as it is, and explains each change."""

import json
import re
import shlex
import shutil
import subprocess

import pytest
from selectolax.lexbor import LexborHTMLParser

from tests import table
from tests.attacks import ATTACKS
from tests.kit.real_browser import need
from tests.kit.stage import ROOT
from tests.kit.stage import STEPS
from tests.site.built_site import DOCS_IN
from tests.site.built_site import pages_of
from tests.site.built_site import run
from tools import changes

OLD = """\
def a():
    x = 1
    return x


def b():
    return 2
"""
NEW = OLD.replace("def b", "def between():\n    x = 1\n    return x\n\n\ndef b")
OWN_STYLES = re.compile(r'@import "[./]+/assets/[\w/-]+\.css";')


# Reading the steps


def test_a_function_that_looks_like_its_neighbour_is_new_as_a_whole(monkeypatch):
    sides = {"01": {"m.py": OLD.splitlines()}, "02": {"m.py": NEW.splitlines()}}
    monkeypatch.setattr(changes, "files", sides.get)
    rows = changes.compare.__wrapped__("02", "m.py")

    added = [row.text for row in rows if row.sign == "+"]
    assert {row.owner for row in rows if row.sign != " "} == {"between"}
    assert "\n".join(added).strip().startswith("def between():")


@pytest.mark.parametrize("number", STEPS)
def test_the_readme_and_the_site_list_just_the_gaps_that_the_tests_show(number):
    text = (STEPS[number] / "README.md").read_text("utf-8")
    section = text.partition("## What it does not do yet")[2].partition("\n## ")[0]
    in_readme = re.findall(r"^- (.+\.)$", section, re.MULTILINE)
    on_the_site = [gap.sentence for gap in changes.gaps_in(number)]

    shown = [t for t in table.all_tests() if t.is_gap and t.runs_on(number)]
    sentences = sorted(f"{test.sentence}.".lower() for test in shown)
    assert sorted(map(str.lower, in_readme)) == sentences
    assert sorted(map(str.lower, on_the_site)) == sentences


@pytest.mark.parametrize("number", STEPS)
def test_a_step_is_open_to_an_attack_where_a_test_sees_it_work(number):
    for attack, row in ATTACKS.items():
        tests = [t for t in table.all_tests() if attack in t.attacks]
        tests = [t for t in tests if t.runs_on(number)]
        works = any(t.is_gap for t in tests)
        says = changes.outcome(number, attack, row)

        assert (says == "**open**") == works
        assert (says == "holds") == (number >= row.closed)
        assert bool(says) == (number >= row.since)
        assert tests or not says


def test_the_contract_names_the_paths_of_every_step():
    rows = re.findall(
        r"^\| (\d\d) \| `(/.*?)` \| ([A-Z ]+) \|",
        (ROOT / "docs" / "contract.md").read_text("utf-8"),
        re.MULTILINE,
    )
    for number in STEPS:
        named = {path: how.split() for since, path, how in rows if since <= number}
        assert changes.routes(number) == named


# Pages that cannot be built


@pytest.fixture
def convert(tmp_path):
    """Return a function that writes pages and turns the first one into HTML."""
    need("tools.stepdocs", DOCS_IN)
    markdown = need("markdown", DOCS_IN)

    def convert(**pages):
        for name, text in pages.items():
            (tmp_path / f"{name.strip('_')}.md").write_text(text, "utf-8")
        text = next(iter(pages.values()))
        if text.startswith("---\n"):
            text = text.split("---\n", 2)[2]
        configs = {"tools.stepdocs": {"docs": tmp_path}}
        names = ["abbr", "tables", "tools.stepdocs"]
        return markdown.markdown(text, extensions=names, extension_configs=configs)

    return convert


@pytest.mark.site
@pytest.mark.parametrize(
    ("directive", "words"),
    [
        ("::: code 01 app/nowhere.py", "step 01 has no app/nowhere.py"),
        ("::: code 01 app/auth.py nobody", "app/auth.py has 0 of nobody"),
        ("::: code 01 app/auth.py /form/", "fits 6 lines of app/auth.py, not one"),
        ("::: code 01 app/templates/login.html nobody", "there is: title, main"),
        ("::: code 09 app/auth.py", "there is no step 09"),
        ("::: code 01", "::: code needs 2 words or more"),
        ("::: diff 02 app/nowhere.py", "neither step 01 nor 02 has app/nowhere.py"),
        ("::: diff 02 app/auth.py logout", "app/auth.py has no change of logout"),
        ("::: diff 02 app/pages.py", "app/pages.py is the same in 01 and 02"),
        ("::: diff 02 app/auth.py\n    @ logout\n    A note.", "no change of logout"),
        ("::: diagram nowhere.svg", "there is no"),
        ("::: file nowhere.py", "there is no"),
        ("::: file recipes/passkeys/changes.diff x.py", "changes.diff changes no x.py"),
        ("::: settings 05", "step 05 has no app/config.py"),
        ("::: wish 01", "there is no ::: wish, only code, diff"),
    ],
)
def test_a_missing_target_is_named_with_page_and_line(convert, directive, words):
    text = f"---\ntitle: x\n---\n# Title\n\n{directive}\n"

    with pytest.raises(Exception, match=re.escape(words)) as caught:
        convert(page=text)
    assert "page.md:6: " in str(caught.value)


@pytest.mark.site
@pytest.mark.parametrize(
    "rest",
    [
        "",
        "::: diff 02 app/pending_login.py begin_pending_login\n",
        "::: diff 02 app/pending_login.py begin_pending_login\n\n    \nNot indented.\n",
        "::: diff 02 app/pending_login.py\n    All of it.\n",
        "::: diff 02 app/pending_login.py\n"
        "    @ begin_pending_login\n    @ imports\n    Why.\n",
        "::: diff 03 app/sessions.py get_or_create_session_id\n    Of another step.\n",
    ],
)
def test_a_change_that_nothing_explains_fails(convert, rest):
    missing = ("app/pending_login.py", "begin_pending_login")
    blocks = [
        f"::: diff 02 {path} {name}\n    Why.\n"
        for path in changes.changed_files("02")
        for name in changes.hunks("02", path)
        if (path, name) != missing
    ]

    with pytest.raises(Exception, match="does not explain") as caught:
        convert(_02_a="\n".join([*blocks, rest]))
    assert str(caught.value).splitlines()[1:] == [
        "  app/pending_login.py begin_pending_login"
    ]


# Pages


@pytest.mark.site
def test_a_diff_shows_signs_as_text_and_counts_in_words(convert):
    page = convert(page="::: diff 02 app/auth.py login\n    *Why* it is.\n")

    document = LexborHTMLParser(page)
    assert document.css_first(".count").text() == "5 lines added, 3 deleted"
    assert document.css_first("em").text() == "Why"
    signs = [sign.text() for sign in document.css(".hunk ins .sign, .hunk del .sign")]
    assert set(signs) == {"+ ", "- "}
    (hunk,) = document.css(".stop > .hunk")
    assert [text for sign, text in shown_lines(hunk) if sign == "-"] == [
        '    """Verify username and password, and log in."""',
        "            sessions.log_in(user)",
        "            return redirect(redirects.next_url())",
    ]


@pytest.mark.site
def test_a_new_file_says_so_in_words_and_not_only_in_its_colour(convert):
    old, new = (
        LexborHTMLParser(convert(page=f"::: diff 02 {path}\n"))
        for path in ("app/auth.py", "app/totp.py")
    )

    assert new.css_first(".count").text().startswith("new file, ")
    assert new.css_first(".stop > .hunk.new")
    assert "new" not in old.css_first(".count").text()
    assert not old.css_first(".hunk.new")


@pytest.mark.site
def test_code_is_shown_with_few_elements(convert):
    page = LexborHTMLParser(convert(page="::: diff 02 app/totp.py\n"))

    code = page.css_first(".stop > .hunk code")
    assert len(code.css("*")) < 2 * len(shown_lines(code))


@pytest.mark.site
def test_the_note_stands_above_its_hunk(convert):
    notes = "@ login\n    Below.\n    @ imports\n    Above."
    page = convert(page=f"::: diff 02 app/auth.py\n    {notes}")

    text = LexborHTMLParser(page).body.text()
    places = [
        text.index(w) for w in ("Below.", "begin_pending", "Above.", "rate_limit\n")
    ]
    assert places == sorted(places)


@pytest.mark.site
def test_the_command_under_a_diff_shows_the_same(convert):
    if not shutil.which("git"):
        need("git", "git")
    for path in ("app/auth.py", "app/totp.py"):
        page = LexborHTMLParser(convert(page=f"::: diff 02 {path}\n"))
        command = shlex.split(page.css_first(".whole > pre > code").text())
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        changed = [
            line
            for line in done.stdout.splitlines()
            if line[:1] in ("+", "-") and line[:3] not in ("+++", "---")
        ]
        rows = changes.compare("02", path)
        assert changed == [row.sign + row.text for row in rows if row.sign != " "]


@pytest.mark.site
def test_code_is_shown_as_it_stands(convert):
    page = convert(
        page="::: code 01 app/users.py authenticate\n    Why.\n\n"
        "::: code 01 app/auth.py /^INVALID_LOGIN_MESSAGE/\n\n"
        "::: code 01 app/templates/home.html main\n"
    )

    shown = [code.text() for code in LexborHTMLParser(page).css(".stop > .hunk code")]
    users = changes.files("01")["app/users.py"]
    first, last = changes.find_lines("app/users.py", users, "authenticate")
    assert shown[0].splitlines() == users[first - 1 : last]
    assert shown[1].startswith("INVALID_LOGIN_MESSAGE = ")
    assert shown[2].startswith("{% block main %}")


@pytest.mark.site
def test_a_whole_file_is_shown_once_and_linked_from_the_others(convert):
    page = LexborHTMLParser(
        convert(
            page="::: diff 02 app/auth.py login\n\n::: diff 02 app/auth.py imports\n"
        )
    )

    (whole,) = page.css("details.whole")
    links = [link.attributes["href"] for link in page.css(".stop header a")]
    assert links == [f"#{whole.attributes['id']}"] * 2


@pytest.mark.site
@pytest.mark.parametrize("number", STEPS)
def test_each_chapter_says_at_its_head_what_it_changes_and_closes(built, number):
    (page,) = [
        page
        for name, page in pages_of(built).items()
        if name.startswith(f"{number}-") and page.css_first(".chapter")
    ]
    head = page.css_first(".chapter").text()

    assert re.search(r"Files: \d+ new, \d+ changed|Files: \d+, all of them", head)
    closed = [gap.sentence for gap in changes.gaps() if gap.until < number]
    closed = [sentence for sentence in closed if sentence in head]
    assert closed == [
        gap.sentence for gap in changes.gaps() if int(gap.until) == int(number) - 1
    ]
    for link in page.css(".chapter a[href^='#']"):
        assert page.css_first(link.attributes["href"]), link.html
    stems = json.loads(page.css_first("[data-read]").attributes["data-read"])
    assert all((built / stem / "index.html").exists() for stem in stems)


@pytest.mark.site
def test_the_home_page_and_the_chapters_tell_the_same_time(built):
    found = pages_of(built)
    home = {
        row.css_first("td").text()[:2]: row.css("td")[-1].text()
        for row in found["index.html"].css(".chapters tbody tr")
    }
    heads = [name for name in found if re.match(r"\d\d-", name)]
    assert len(heads) == len(home) == len(STEPS)
    for name in heads:
        text = found[name].css_first("article").text()
        assert f"{home[name[:2]]} minutes" in text.partition("Break it first")[0]


@pytest.mark.site
def test_a_term_of_the_glossary_has_a_tooltip(convert):
    glossary = "# Glossary\n\ndrift window\n:   How far [a clock](x.md) may be `off`.\n"
    page = convert(page="The drift window is small.\n", glossary=glossary)

    tooltip = LexborHTMLParser(page).css_first("abbr")
    assert tooltip.attributes["title"] == "How far a clock may be off."
    assert "abbr" not in convert(glossary=glossary)


# The site as a whole


def article_of(page):
    """Return what a page says, without what the theme puts around it."""
    article = page.css_first("article")
    for node in article.css("#__skip, .md-source-file, .md-tags"):
        node.decompose()
    for node in article.css("[data-search-exclude]"):
        del node.attrs["data-search-exclude"]  # Zensical acts on it and removes it
    return re.sub(r"\s*\n\s*", "\n", article.inner_html).strip()


@pytest.mark.site
def test_zensical_builds_the_same_pages(source, built):
    need("zensical", "-r requirements/dev.in")
    copy = source.parent / "zensical"
    shutil.copytree(source, copy, ignore=shutil.ignore_patterns("site"))
    done = run(copy, "zensical", "build", "--strict", "--clean")
    assert done.returncode == 0, done.stdout + done.stderr

    ours, theirs = pages_of(built), pages_of(copy / "site")
    assert ours.keys() == theirs.keys()
    for name, page in ours.items():
        assert article_of(page) == article_of(theirs[name]), name


@pytest.mark.site
@pytest.mark.parametrize("builder", ["mkdocs", "zensical"])
def test_a_page_that_shows_what_is_not_there_fails_the_build(tmp_path, source, builder):
    need(builder, "-r requirements/dev.in")
    copy = tmp_path / "copy"
    shutil.copytree(source, copy, ignore=shutil.ignore_patterns("site"))
    with (copy / "docs" / "index.md").open("a", encoding="utf-8") as page:
        page.write("\n::: code 01 app/nowhere.py\n")
    lines = len((copy / "docs" / "index.md").read_text("utf-8").splitlines())

    done = run(copy, builder, "build", "--strict")
    assert done.returncode != 0
    assert f"index.md:{lines}: step 01 has no app/nowhere.py" in (
        done.stdout + done.stderr
    )


def shown_lines(listing):
    """Return sign and text of each line that a listing shows."""
    rows = []
    for part in listing.css("ins, del, .same"):
        lines = part.text().removesuffix("\n").split("\n")
        is_same = part.tag == "span"
        rows += [(" ", ln) if is_same else (ln[0], ln[2:]) for ln in lines]
    return rows


@pytest.mark.site
@pytest.mark.parametrize("number", list(STEPS)[1:])
def test_the_whole_files_of_a_chapter_make_of_one_step_the_next(built, number):
    files = dict(changes.files(changes.before(number)))
    for name, page in pages_of(built).items():
        stops = page.css(".stop:has(details.whole)") if name[:2] == number else []
        for stop in stops:
            path = stop.css_first("header code").text()
            rows = shown_lines(stop.css_first("details.whole"))
            assert [text for sign, text in rows if sign != "+"] == files.get(path, [])
            files[path] = [text for sign, text in rows if sign != "-"]

    for path in changes.changed_files(number):
        assert files.get(path, []) == changes.files(number).get(path, [])


@pytest.mark.site
def test_a_chapter_lists_what_it_adds_and_its_gaps_and_what_ends_them(built):
    text = pages_of(built)["02-totp-verify/index.html"].body.text()

    assert re.search(r"app/auth\.py\s+7\s+3", text)
    assert "pyotp==2.12.0" in text
    assert "A code works once more after a restart. Chapter 03 ends this." in text
    assert "passes the code on. No chapter ends this: passkeys do." in text


@pytest.mark.site
def test_the_table_of_attacks_says_what_is_open_and_leads_to_chapters_and_tests(built):
    (shown,) = pages_of(built)["attacks/index.html"].css(".attacks table")
    chapters = [link.attributes["href"] for link in shown.css("th a")]
    assert [address[3:5] for address in chapters] == list(STEPS)

    rows = {row.css_first("td").text(): row for row in shown.css("tbody tr")}
    assert len(rows) == len(ATTACKS)
    expected = {"33": ["✗ open"] * 3, "12": ["", "✓ holds", "✓ holds"]}
    for number, states in expected.items():
        cells = [cell.text() for cell in rows[number].css("td")]
        assert cells[1:5] == [ATTACKS[int(number)].what, *states]
    for row in rows.values():
        link = row.css_first("td a")
        file, _, line = link.attributes["href"].partition("/HEAD/")[2].partition("#L")
        source = (ROOT / file).read_text("utf-8").splitlines()
        assert source[int(line) - 1].startswith("def test_"), link.html


@pytest.mark.site
def test_each_page_says_to_a_search_engine_what_it_is_about(built):
    descriptions = [
        page.css_first("meta[name=description]").attributes["content"]
        for page in pages_of(built).values()
        if page.css_first("link[rel=canonical]")  # a page that redirects has none
    ]
    assert all(50 <= len(text) <= 170 for text in descriptions), descriptions
    assert len({*descriptions}) == len(descriptions)


@pytest.mark.site
def test_nothing_on_a_page_comes_from_another_host(built):
    for name, page in pages_of(built).items():
        for node in page.css("[src], link[href], [srcset], [data-src], use, iframe"):
            if node.attributes.get("rel") not in ("canonical", "prev", "next"):
                places = " ".join(filter(None, node.attributes.values()))
                assert "//" not in places, f"{name}: {node.html}"
        styles = [node.text() for node in page.css("article style:not(svg *)")]
        assert all(OWN_STYLES.fullmatch(text) for text in styles), styles
    for path in built.rglob("*.css"):
        assert not re.search(r"(@import|url\()\s*[\"']?(https?:)?//", path.read_text())


@pytest.mark.site
def test_every_picture_says_what_it_shows(built):
    for name, page in pages_of(built).items():
        assert all(img.attributes.get("alt") for img in page.css("article img")), name
        for drawing in page.css(".diagram svg"):
            assert drawing.css_first("title").text(), name
            assert drawing.css_first("desc").text(), name


def test_a_sign_and_the_style_are_the_same_in_all_drawings():
    looks = {}
    for path in (ROOT / "docs" / "assets").glob("*.svg"):
        text = path.read_text("utf-8")
        if 'class="drawing"' not in text:
            continue
        signs = re.findall(r'<g class="line (\w+)[^>]*>(.*?)</g>', text)
        style = re.search("<style>.*</style>", text, re.DOTALL)[0]
        for sign, look in [*signs, ("style", style)]:
            looks.setdefault(sign, {}).setdefault(look, []).append(path.name)

    assert {"phone", "thief", "key", "style"} <= looks.keys()
    assert {sign: at for sign, at in looks.items() if len(at) > 1} == {}
