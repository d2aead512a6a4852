"""The files that GitHub reads: what checks them without GitHub is run."""

import json
import os
import re
from itertools import chain

import pytest
import yaml

import tutorial
from tests.kit.programs import find_tool
from tests.kit.programs import run
from tests.kit.stage import ROOT
from tests.kit.stage import STEPS
from tools import pythons

GITHUB = ROOT / ".github"
WORKFLOWS = sorted((GITHUB / "workflows").iterdir())
FORMS = sorted((GITHUB / "ISSUE_TEMPLATE").iterdir())
DEPENDABOT = GITHUB / "dependabot.yml"
SCHEMAS = {
    "vendor.github-workflows": WORKFLOWS,
    "custom.github-workflows-require-timeout": WORKFLOWS,
    "vendor.dependabot": [DEPENDABOT],
    "vendor.github-issue-forms": FORMS,
}
A_PIN = re.compile(r"uses: [\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+")


def load(path):
    """Return what a YAML file says."""
    return yaml.safe_load(path.read_text("utf-8"))


def jobs():
    """Return the jobs of all workflows."""
    return list(chain.from_iterable(load(path)["jobs"].values() for path in WORKFLOWS))


def commands():
    """Return the commands of all workflows."""
    return [step["run"] for job in jobs() for step in job["steps"] if "run" in step]


def directories():
    """Return each folder that Dependabot looks into, with the kind of its files."""
    for update in load(DEPENDABOT)["updates"]:
        for folder in update.get("directories") or [update["directory"]]:
            yield update["package-ecosystem"], folder


@pytest.mark.parametrize("schema", SCHEMAS)
def test_each_file_has_the_form_that_github_asks_for(schema):
    checker = find_tool("check-jsonschema", "pip install check-jsonschema")
    files = map(str, SCHEMAS[schema])
    status, output = run(checker, "--builtin-schema", schema, *files)

    assert status == 0, output


def test_zizmor_finds_no_weakness_in_the_workflows():
    zizmor = find_tool("zizmor", "pip install zizmor")
    status, output = run(zizmor, "--offline", "--no-config", "-q", str(GITHUB))

    assert status == 0, output


def test_each_action_is_pinned_by_commit_and_says_its_version():
    lines = [
        line.strip(" -")
        for path in WORKFLOWS
        for line in path.read_text("utf-8").splitlines()
        if "uses:" in line
    ]

    assert lines
    assert [line for line in lines if not A_PIN.fullmatch(line)] == []


def test_the_commands_of_the_workflows_name_files_that_exist():
    words = " ".join(commands()).split()
    files = {word for word in words if re.search(r"\w[./]\w", word)}
    files -= {"live.pack"}  # a module, run with -m

    assert files == {".ci/run", "tutorial.py", "requirements.txt", "safe.directory"}
    assert all((ROOT / name).is_file() for name in files - {"safe.directory"})
    assert os.access(ROOT / ".ci" / "run", os.X_OK)


def test_the_suite_runs_on_the_oldest_and_the_newest_python():
    (matrix,) = (job["strategy"]["matrix"] for job in jobs() if "strategy" in job)
    (image,) = (job["container"]["image"] for job in jobs() if "container" in job)

    oldest, newest = "{}.{}".format(*tutorial.OLDEST), pythons.VERSIONS[-1]
    assert matrix["python"] == [oldest, newest]
    assert image == f"python:{newest}-bookworm"  # which has Debian's 3.11 as well
    assert oldest == "3.11"


def test_dependabot_looks_wherever_versions_stand():
    places = set(directories())
    steps = {f"/steps/{folder.name}" for folder in STEPS.values()}
    pip = {("pip", folder) for folder in {"/", "/requirements"} | steps}
    docker = {
        (kind, f"/steps/{path.parent.name}")
        for kind, name in (("docker", "Dockerfile"), ("docker-compose", "compose.yaml"))
        for path in ROOT.glob(f"steps/*/{name}")
    }

    assert places == pip | docker | {("github-actions", "/"), ("npm", "/live")}


def test_dependabot_waits_a_week_and_asks_once():
    for update in load(DEPENDABOT)["updates"]:
        assert update["cooldown"]["default-days"] >= 7
        assert [group["patterns"] for group in update["groups"].values()] == [["*"]]


@pytest.mark.parametrize("form", FORMS, ids=lambda path: path.stem)
def test_a_form_for_issues_offers_the_steps_that_there_are(form):
    fields = {field.get("id"): field for field in load(form)["body"]}

    names = [folder.name for folder in STEPS.values()]
    assert fields["step"]["attributes"]["options"] == names
    text = form.read_text("utf-8")
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


def test_the_dev_container_starts_as_the_readme_does():
    container = json.loads(
        (ROOT / ".devcontainer/devcontainer.json").read_text("utf-8")
    )
    readme = (ROOT / "README.md").read_text("utf-8")
    (port,) = container["forwardPorts"]

    command = re.search(r"^\$ (.+)$", readme, re.M)[1]
    assert container["postAttachCommand"] == command
    assert f'"--port", type=int, default={port}' in (ROOT / "tutorial.py").read_text()
    assert list(container["portsAttributes"]) == [str(port)]
    assert re.search(r"python:(.+)-", container["image"])[1] in pythons.VERSIONS
