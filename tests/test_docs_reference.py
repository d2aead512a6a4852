"""The pages to look things up in: they are made of what they tell about."""

import pytest
from dotenv import dotenv_values

from tests.built_site import pages_of
from tests.stage import STEPS

pytestmark = pytest.mark.site


def rows_of(page):
    """Return the texts of the cells of the first table of a page."""
    rows = page.css_first("article table").css("tbody tr")
    return [[cell.text(strip=True) for cell in row.css("td")] for row in rows]


def test_the_settings_are_those_of_the_example_and_the_first_six_are_needed(built):
    example = list(dotenv_values(STEPS["06"] / ".env.example"))
    rows = rows_of(pages_of(built)["configuration/index.html"])

    assert sorted(row[0] for row in rows) == sorted(example)
    needed = [row[0] for row in rows if row[2].startswith("needed")]
    assert sorted(needed) == sorted(example[:6])


def test_every_link_to_another_site_stands_in_the_list(built):
    pages = pages_of(built)
    found = {
        link.attributes["href"]
        for page in pages.values()
        for link in page.css("article a[href^=http]")
    }
    rows = rows_of(pages["links/index.html"])

    assert {row[0] for row in rows} >= {link.partition("//")[2] for link in found}
    assert len(rows) == len({row[0] for row in rows})
