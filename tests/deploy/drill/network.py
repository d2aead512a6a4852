"""How visitors reach the drill: by name and TLS, from a network of our choice."""

import base64
import socket
import ssl
import warnings
from hashlib import sha256
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from tests.kit.programs import WAIT_SECONDS
from tests.kit.servers import FromNetwork
from tests.kit.servers import NetworkedBrowser

NAME = "door.test"


def name_resolved_here(resolve):
    """Return a resolver that finds our name on this machine."""

    def getaddrinfo(host, *how, **more):
        return resolve("127.0.0.1" if host == NAME else host, *how, **more)

    return getaddrinfo


def fingerprint(certificate):
    """Return the hash of the public key by which Chromium trusts a certificate."""
    key = x509.load_pem_x509_certificate(Path(certificate).read_bytes()).public_key()
    der = key.public_bytes(
        serialization.Encoding.DER,
        serialization.PublicFormat.SubjectPublicKeyInfo,
    )
    return base64.b64encode(sha256(der).digest()).decode()


class SecureBrowser(NetworkedBrowser):
    """Talks TLS, and sends a Referer, for which the CSRF check asks over HTTPS."""

    def __init__(self, url, network, certificate):
        super().__init__(url, network)
        self.host = NAME
        self.session.verify = str(certificate)
        self.session.mount("https://", FromNetwork(network))

    def request(self, method, path, headers=None, **how):
        """Send one request; return status, headers and body."""
        headers = {"Referer": f"{self.url}/"} | (headers or {})
        return super().request(method, path, headers=headers, **how)


def tls_connection(site, name=NAME, is_old=False):
    """Return a connection to a name at the site, perhaps by an outdated TLS."""
    context = ssl.create_default_context(cafile=site.certificate)
    if is_old:
        with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
            context.minimum_version = ssl.TLSVersion.TLSv1
            context.maximum_version = ssl.TLSVersion.TLSv1_1
        context.set_ciphers("ALL:@SECLEVEL=0")  # so that it is the server that refuses
    plain = socket.create_connection(("127.0.0.1", site.port), WAIT_SECONDS)
    try:
        return context.wrap_socket(plain, server_hostname=name)
    except OSError:
        plain.close()
        raise
