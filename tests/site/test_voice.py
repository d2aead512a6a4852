"""How the pages sound: as a colleague would say it."""

import pytest

from tests.kit.stage import ROOT
from tests.site import voice

DOCS = ROOT / "docs"
FRAGMENTS = [DOCS / "index.md", ROOT / "README.md", *ROOT.glob("steps/*/README.md")]
PAGES = [*DOCS.glob("*.md"), *DOCS.glob("recipes/*.md"), ROOT / "CONTRIBUTING.md"]
# A sentence or two above a generated list: too little to measure.
LISTS = [DOCS / "licences.md", DOCS / "links.md"]
PAGES = sorted({*PAGES} - {*FRAGMENTS, *LISTS})


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_page_sounds_as_a_colleague_would_say_it(page):
    text = page.read_text("utf-8")
    assert voice.out_of_band(text, voice.CHAPTERS) == []


@pytest.mark.parametrize("page", FRAGMENTS, ids=lambda page: str(page.parent.name))
def test_a_readme_does_so_too(page):
    assert voice.out_of_band(page.read_text("utf-8"), voice.FRAGMENTS) == []


def test_a_text_that_reads_as_translated_is_noticed():
    text = (
        "Who has it keeps it. Whoever comes, nobody is in. It is so. It stands in it."
    )

    assert len(voice.out_of_band(text, voice.CHAPTERS)) == 5
