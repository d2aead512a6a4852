"""Breached passwords: asks whether one was leaked, and does not tell which."""

import re
import time
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha1
from http.client import HTTPConnection
from http.client import HTTPException
from http.client import HTTPSConnection
from urllib.parse import urlsplit

from flask import current_app

from .config import ConfigurationError

PREFIX_LENGTH = 5  # characters of the hash that leave the server: 20 bits of 160
TIMEOUT_SECONDS = 2  # for all of it: somebody waits for the page
THREAD_COUNT = 4  # which ask; no more are kept by a server that is slow
MAX_ANSWER_BYTES = 256 * 1024  # a thousand lines or two are 80 KiB
CACHE_SECONDS = 60 * 60
CACHE_LENGTH = 200  # answers
PAUSE_SECONDS = 60  # after a failure, or each request would wait for the next one
LINE_PATTERN = re.compile(r"([0-9A-F]{35}):([0-9]{1,15})", re.IGNORECASE)
URL_PATTERN = re.compile(r"https?://[A-Za-z0-9.-]+(:[0-9]+)?(/[A-Za-z0-9._-]+)*")
USER_AGENT = "Two Steps In"  # a name that suits a header: that of your service may not

BREACHED_PASSWORD_MESSAGE = (
    "This password was leaked from another site, so attackers try it. "
    "Choose a different one."
)


def init_app(app):
    url = app.config["BREACHED_PASSWORDS_URL"]
    is_safe = url.startswith("https://") or app.config["DEVELOPMENT"]
    if url and not (is_safe and URL_PATTERN.fullmatch(url)):
        raise ConfigurationError("BREACHED_PASSWORDS_URL must be https://host/path")
    app.extensions["breached_passwords"] = Cache()


class AnswerError(Exception):
    """An answer that is no list of hashes."""


class Cache:
    """The latest answers, until when the server is not asked, and threads that ask."""

    def __init__(self):
        self.threads = ThreadPoolExecutor(THREAD_COUNT)
        self.answers = OrderedDict()  # prefix -> when it came, and the hashes
        self.paused_until = 0  # monotonic seconds

    def get(self, prefix):
        """Return the rest of each leaked hash with this prefix, or None."""
        stored_at, suffixes = self.answers.get(prefix, (0, None))
        is_fresh = time.monotonic() - stored_at < CACHE_SECONDS
        return suffixes if is_fresh else None

    def store(self, prefix, suffixes):
        """Store an answer, and drop the oldest one if there are too many."""
        self.answers[prefix] = (time.monotonic(), suffixes)
        self.answers.move_to_end(prefix)
        if len(self.answers) > CACHE_LENGTH:
            self.answers.popitem(last=False)


def is_breached(password):
    """Ask whether a password was leaked; log a warning and return False on a failure.

    OWASP ASVS V6.2.12. Only the first five characters of its hash are sent.
    """
    if not current_app.config["BREACHED_PASSWORDS_URL"]:
        return False
    # SHA-1 is the list's choice. Nothing is stored under it.
    digest = sha1(password.encode(), usedforsecurity=False).hexdigest().upper()
    prefix, suffix = digest[:PREFIX_LENGTH], digest[PREFIX_LENGTH:]
    return suffix in find_suffixes(prefix)


def find_breach(password):
    """Return a message if a password was leaked, or None."""
    return BREACHED_PASSWORD_MESSAGE if is_breached(password) else None


def find_suffixes(prefix):
    """Return the rest of each leaked hash with this prefix; nothing on a failure."""
    cache = current_app.extensions["breached_passwords"]
    suffixes = cache.get(prefix)
    if suffixes is not None or time.monotonic() < cache.paused_until:
        return suffixes or frozenset()
    url = f"{current_app.config['BREACHED_PASSWORDS_URL']}/{prefix}"
    try:
        # In a thread, because the wait for it has one end. The time-out of a connection
        # is for each piece of an answer, and there may be many.
        answer = cache.threads.submit(request_range, url).result(TIMEOUT_SECONDS)
        suffixes = parse_answer(answer)
    except (AnswerError, HTTPException, OSError) as error:
        # Not to let anybody register while another company is away would be worse.
        cache.paused_until = time.monotonic() + PAUSE_SECONDS
        name = type(error).__name__
        current_app.logger.warning("Breached passwords: not checked (%s)", name)
        return frozenset()
    cache.store(prefix, suffixes)
    return suffixes


def request_range(url):
    """Return the server's answer; raise AnswerError or OSError if there is none."""
    deadline = time.monotonic() + TIMEOUT_SECONDS
    url = urlsplit(url)
    connect = HTTPSConnection if url.scheme == "https" else HTTPConnection
    connection = connect(url.hostname, url.port, timeout=TIMEOUT_SECONDS)
    # With padding, the length of the answer does not reveal the prefix to a listener.
    headers = {"Add-Padding": "true", "User-Agent": USER_AGENT}
    try:
        connection.request("GET", url.path, headers=headers)
        response = connection.getresponse()
        if response.status != 200:  # http.client follows no redirect
            raise AnswerError(f"status {response.status}")
        return read_before(response, deadline)
    finally:
        connection.close()


def read_before(response, deadline):
    """Read an answer; raise TimeoutError or AnswerError if it is too slow or too long.

    Nobody waits for it any more after the deadline, and the thread is free again.
    """
    content = b""
    while piece := response.read1():
        content += piece
        if time.monotonic() > deadline:
            raise TimeoutError
        if len(content) > MAX_ANSWER_BYTES:
            raise AnswerError("the answer is too long")
    return content.decode("latin-1")  # which any bytes are


def parse_answer(text):
    """Return the rest of each leaked hash; raise AnswerError for any other text."""
    lines = [LINE_PATTERN.fullmatch(line) for line in text.split()]
    if None in lines:
        raise AnswerError("this is no list of hashes")
    # Padding has the count 0.
    return frozenset(line[1].upper() for line in lines if int(line[2]))
