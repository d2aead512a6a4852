"""The files that GitHub reads: what checks them without GitHub is run."""

import re

import pytest
import yaml

from tests.kit.programs import find_tool
from tests.kit.programs import run
from tests.kit.stage import ROOT
from tests.kit.stage import STEPS

GITHUB = ROOT / ".github"
FORMS = sorted((GITHUB / "ISSUE_TEMPLATE").iterdir())
SCHEMAS = {
    "vendor.github-workflows": "workflows/*",
    "custom.github-workflows-require-timeout": "workflows/*",
    "vendor.dependabot": "dependabot.yml",
    "vendor.github-issue-forms": "ISSUE_TEMPLATE/*",
}


@pytest.mark.parametrize("schema", SCHEMAS)
def test_each_file_has_the_form_that_github_asks_for(schema):
    checker = find_tool("check-jsonschema", "pip install check-jsonschema")
    files = map(str, GITHUB.glob(SCHEMAS[schema]))
    status, output = run(checker, "--builtin-schema", schema, *files)

    assert status == 0, output


def test_zizmor_finds_no_weakness_in_the_workflows():
    zizmor = find_tool("zizmor", "pip install zizmor")
    status, output = run(zizmor, "--offline", "--no-config", "-q", str(GITHUB))

    assert status == 0, output


@pytest.mark.parametrize("form", FORMS, ids=lambda path: path.stem)
def test_a_form_for_issues_offers_the_steps_that_there_are(form):
    text = form.read_text("utf-8")
    fields = {field.get("id"): field for field in yaml.safe_load(text)["body"]}

    names = [folder.name for folder in STEPS.values()]
    assert fields["step"]["attributes"]["options"] == names
    files = re.findall(r"`(docs/[\w.-]+)`", text)
    assert all((ROOT / name).is_file() for name in files)
    for number in re.findall(r"tutorial\.py test (\d\d)", text):
        assert number in STEPS


def test_the_readme_names_the_same_owner_as_the_site():
    settings = (ROOT / "mkdocs.yml").read_text("utf-8")
    site, repository = re.findall(r'!ENV \[\w+, "(.+?)"\]', settings)
    readme = (ROOT / "README.md").read_text("utf-8")

    assert f"]({site})" in readme
    assert f"git clone {repository}.git\n" in readme
    owner = repository.split("/")[3]
    assert set(re.findall(r"https://(?:github\.com/)?(\w+)", readme)) == {owner}
