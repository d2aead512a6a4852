"""Addresses of the database and the mail server, and TLS on the way there."""

import os
import re
from ipaddress import ip_address
from urllib.parse import parse_qs

# As SQLAlchemy takes it apart.
POSTGRESQL_PATTERN = re.compile(
    r"postgresql\+psycopg://([^:/?]*(:[^@?]*)?@)?"
    r"(\[(?P<ipv6>[0-9a-f:.]+)\]|(?P<host>[^/:?@\[\]]*))(:[0-9]*)?"
    r"(/[^?]*)?(\?(?P<query>.*))?",
    re.IGNORECASE,
)
TLS_MODES = ("require", "verify-ca", "verify-full")  # of libpq's sslmode


def parse_database_url(text):
    """Return the URL of a database: of PostgreSQL with our driver, and with TLS.

    Raise ValueError for an address of anything else.
    """
    scheme = r"^(postgres|postgresql|pgsql)(\+\w+)?://"
    url = re.sub(scheme, "postgresql+psycopg://", text)
    if POSTGRESQL_PATTERN.fullmatch(url):
        return require_tls(url)
    if not url.startswith("sqlite://"):
        raise ValueError("must begin with postgresql:// or sqlite://")
    return url


def require_tls(url):
    """Return the URL with sslmode=require, unless something says another mode."""
    says_mode = "sslmode" in find_options(url) or "PGSSLMODE" in os.environ
    if says_mode or not find_remote_hosts(url):
        return url
    return f"{url}{'&' if '?' in url else '?'}sslmode=require"


def find_options(url):
    """Return the options of a URL of PostgreSQL, each as text, with its host."""
    parts = POSTGRESQL_PATTERN.fullmatch(url).groupdict("")
    options = {name: ",".join(text) for name, text in parse_qs(parts["query"]).items()}
    hosts = [parts["host"], parts["ipv6"], *options.get("host", "").split(",")]
    return options | {"host": ",".join(filter(None, hosts))}


def find_remote_hosts(url):
    """Return the hosts of a URL of PostgreSQL that are not this machine."""
    options = find_options(url)
    is_elsewhere = "service" in options or "PGSERVICE" in os.environ
    hosts = [
        options["host"] or os.environ.get("PGHOST", ""),
        options.get("hostaddr") or os.environ.get("PGHOSTADDR", ""),
        "any.host" if is_elsewhere else "",  # a service file may name it
    ]
    return [host for host in ",".join(hosts).split(",") if not is_local(host)]


def is_local(host):
    """Return whether a host is this machine: loopback, or the path of a socket."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.lower() in ("", "localhost") or host[0] in "/@"


def is_bare_name(host):
    """Return whether a host is a name without a dot, as in a network of containers."""
    return not set(".:") & set(host)


def find_unencrypted(config):
    """Yield each setting that would send data unencrypted, and what it needs."""
    if POSTGRESQL_PATTERN.fullmatch(config["DATABASE_URL"]):
        yield from find_unencrypted_database(config["DATABASE_URL"])
    if not (config["MAIL_USE_TLS"] or config["MAIL_USE_SSL"]):
        server = config["MAIL_SERVER"]
        if config["MAIL_USERNAME"]:
            yield (
                "MAIL_USE_TLS",
                "must be yes, otherwise our password is sent unencrypted",
            )
        elif not (is_local(server) or is_bare_name(server)):
            yield (
                "MAIL_USE_TLS",
                "must be yes, otherwise our emails are sent unencrypted",
            )


def find_unencrypted_database(url):
    """Yield the setting that lets PostgreSQL answer unencrypted from another host."""
    hosts, said = find_remote_hosts(url), find_options(url).get("sslmode")
    mode = said or os.environ.get("PGSSLMODE")
    is_allowed = said and all(map(is_bare_name, hosts))
    if hosts and mode not in TLS_MODES and not is_allowed:
        name = "DATABASE_URL" if said else "PGSSLMODE"
        yield name, "must ask for TLS: sslmode require, or better verify-full"
