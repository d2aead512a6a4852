"""nginx alone with the site that is shipped: what it tells the app, and the visitor."""

import socket
import ssl
import subprocess
import tempfile
from contextlib import closing
from http.client import HTTPSConnection
from http.server import BaseHTTPRequestHandler
from http.server import ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from urllib.request import Request
from urllib.request import urlopen

import pytest

from tests.deploy.drill.network import NAME
from tests.deploy.drill.network import tls_connection
from tests.deploy.drill.nginx import write_site
from tests.kit.marks import attack
from tests.kit.marks import never_red
from tests.kit.marks import since
from tests.kit.programs import free_port
from tests.kit.programs import is_open
from tests.kit.programs import wait_until
from tests.kit.real_browser import in_background
from tests.kit.smtp_server import certificate

pytestmark = [
    since("06"),
    never_red("the step before has no files to deploy it with"),
]

FAR = "/login?next=/" + 3900 * "%2F"
PAGE = b"<p>A page of the app, long enough to be compressed.</p>\n" * 100


class App(BaseHTTPRequestHandler):
    """Stands for the app: keeps what it was told, and answers with a page."""

    def do_GET(self):
        """Keep the request, and answer; unless it is one at which the app dies."""
        self.server.seen.append((self.path, self.headers))
        if self.path == "/dies":
            self.close_connection = True
            return
        self.send_response(200)
        if self.path == "/leads-far":
            self.send_header("Location", FAR)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(PAGE)))
        self.send_header("X-Request-ID", "00")
        self.end_headers()
        self.wfile.write(PAGE)

    def do_POST(self):
        """Keep the form as well, and answer."""
        self.do_GET()

    def log_message(self, *values):
        """Say nothing."""


@pytest.fixture
def scratch():
    """Return a folder that nginx can read, as another user."""
    with tempfile.TemporaryDirectory(prefix="two-steps-in-nginx-") as folder:
        Path(folder).chmod(0o711)
        yield Path(folder)


@pytest.fixture
def front(step, scratch):
    """Return nginx in front of two that stand for the app."""
    pem, _ = certificate(scratch, NAME)
    port, plain = free_port(), free_port()
    one, other = (ThreadingHTTPServer(("127.0.0.1", 0), App) for _ in range(2))
    seen = one.seen = other.seen = []
    with in_background(one), in_background(other):
        servers = [f"127.0.0.1:{app.server_port}" for app in (one, other)]
        command = write_site(step.folder, scratch, servers, pem, {443: port, 80: plain})
        process = subprocess.Popen([*command, "-g", "daemon off;"], cwd=scratch)
        try:
            wait_until(lambda: is_open(port), process)
            yield SimpleNamespace(port=port, plain=plain, certificate=pem, seen=seen)
        finally:
            process.terminate()
            process.wait()


def ask(front, path, method="GET", body=None, **headers):
    """Send a request by TLS; return the answer, which is read."""
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    connection = HTTPSConnection(NAME, front.port, timeout=30)
    connection.sock = tls_connection(front)
    with closing(connection):
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        answer.read()
        return answer


@attack(65, 89)
def test_the_app_is_told_what_nginx_knows_and_not_what_the_visitor_says(front):
    ask(
        front,
        "/login",
        X_Forwarded_For="203.0.113.9",
        X_Forwarded_Proto="http",
        X_Forwarded_Host="evil.example",
        X_Forwarded_Port="666",
        X_Forwarded_Prefix="/evil",
        Forwarded="for=203.0.113.9;host=evil.example",
    )
    [(path, headers)] = front.seen

    assert path == "/login"
    assert headers.get_all("Host") == [f"{NAME}:{front.port}"]
    assert headers.get_all("X-Forwarded-For") == ["127.0.0.1"]
    assert headers.get_all("X-Forwarded-Proto") == ["https"]
    for name in ("X-Forwarded-Host", "X-Forwarded-Port", "X-Forwarded-Prefix"):
        assert headers[name] is None
    assert headers["Forwarded"] is None


def test_no_page_is_compressed_because_its_length_would_tell_its_secrets(front):
    answer = ask(front, "/login", Accept_Encoding="gzip, deflate, br")

    assert answer.headers["Content-Encoding"] is None
    assert int(answer.headers["Content-Length"]) == len(PAGE)


def test_no_ticket_is_given_whose_key_would_open_what_was_recorded(front):
    context = ssl.create_default_context(cafile=front.certificate)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with (
        socket.create_connection(("127.0.0.1", front.port), timeout=30) as plain,
        context.wrap_socket(plain, server_hostname=NAME) as connection,
    ):
        assert connection.version() == "TLSv1.2"
        assert not connection.session.has_ticket


def test_a_form_that_is_too_large_for_the_app_is_refused_by_the_app(front):
    answer = ask(front, "/login", "POST", b"x" * (17 * 1024))

    assert answer.status == 200  # of what stands for the app
    assert len(front.seen) == 1
    assert ask(front, "/login", "POST", b"x" * (65 * 1024)).status == 413
    assert len(front.seen) == 1


@attack(150)
def test_a_form_reaches_the_app_when_all_of_it_has_arrived(front):
    head = b"POST /login HTTP/1.1\r\nHost: %s\r\nContent-Length: 9\r\n\r\n"
    with closing(tls_connection(front)) as slow:
        slow.sendall(head % NAME.encode() + b"code")
        ask(front, "/healthz")
        assert [path for path, headers in front.seen] == ["/healthz"]
        slow.sendall(b"=1234")
        assert slow.recv(1000).startswith(b"HTTP/1.1 200")


def test_a_long_address_reaches_no_app(front):
    assert ask(front, "/login?next=/" + 3900 * "x").status == 200
    for path in ("/login?next=/", "/reset/"):
        assert ask(front, path + 4000 * "x").status == 414
    assert len(front.seen) == 1


def test_the_longest_address_to_which_the_app_leads_gets_through(front):
    assert ask(front, "/leads-far").headers["Location"] == FAR


def test_lets_encrypt_finds_its_proof_where_it_looks(front, scratch):
    folder = scratch / ".well-known" / "acme-challenge"
    folder.mkdir(parents=True)
    folder.joinpath("token").write_text("proof")
    for path in (folder, folder.parent):
        path.chmod(0o755)
    address = f"http://127.0.0.1:{front.plain}/.well-known/acme-challenge/token"
    with urlopen(Request(address, headers={"Host": NAME})) as answer:
        assert answer.read() == b"proof"


def test_a_client_with_old_ciphers_only_gets_no_connection(front):
    context = ssl.create_default_context(cafile=front.certificate)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("ECDHE+AES:!AESGCM:!AESCCM:@SECLEVEL=0")
    with (
        socket.create_connection(("127.0.0.1", front.port), timeout=30) as plain,
        pytest.raises(ssl.SSLError, match="(?i)handshake.failure"),
    ):
        context.wrap_socket(plain, server_hostname=NAME)


def test_a_form_at_which_the_app_dies_is_sent_to_no_other_process(front):
    assert ask(front, "/dies", "POST", b"code=123456").status == 502
    assert len(front.seen) == 1
