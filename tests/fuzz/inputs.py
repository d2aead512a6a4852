"""Whatever may arrive in the field of a form or in an address, from whatever client."""

from urllib.parse import quote_from_bytes
from urllib.parse import urlencode

from hypothesis import strategies as st

FORM = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data; boundary=b"

# All of Unicode, and the halves of a pair, which browsers do not send but others do.
ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=40)
AS_BYTES = ANY_TEXT.map(lambda text: text.encode("utf-8", "surrogatepass"))
ODD = st.sampled_from(
    [
        b"",
        b" ",
        b"\0",
        b"admin\0",
        b"\r\n",
        b"' or 1=1 --",
        b"%s%n{}{{7*7}}",
        b"123456",
        b"\xff\xfe",
        b"\xc0\x80",
        b"\xed\xa0\x80",
        "１２３４５６".encode(),
        "\u202e\ufeff\u0000".encode(),
    ]
)
LONG = st.builds(
    lambda text, times: (text or b"x") * times, AS_BYTES, st.sampled_from([257, 20000])
)
VALUES = st.one_of(AS_BYTES, st.binary(max_size=40), ODD, LONG)


def as_form(pairs):
    """Return names and values as browsers send a form."""
    return {"data": urlencode(pairs).encode(), "content_type": FORM}


def as_raw_form(pairs):
    """Return names and values without escaping what has to be escaped."""
    data = b"&".join(name.encode() + b"=" + value for name, value in pairs)
    return {"data": data, "content_type": FORM}


def as_parts(pairs):
    """Return names and values as the parts of a form with files."""
    return {"data": parts(pairs, b""), "content_type": MULTIPART}


def as_files(pairs):
    """Return each value as a file that is sent in the place of text."""
    return {"data": parts(pairs, b'; filename="a.txt"'), "content_type": MULTIPART}


def as_json(pairs):
    """Return names and values as something that is no form at all."""
    return {"data": repr(dict(pairs)).encode(), "content_type": "application/json"}


def parts(pairs, more):
    """Return the parts of a form with files; the token is always text."""
    head = b'--b\r\nContent-Disposition: form-data; name="%s"%s\r\n\r\n%s\r\n'
    token = "csrf_token"
    return (
        b"".join(
            head % (name.encode(), b"" if name == token else more, value)
            for name, value in pairs
        )
        + b"--b--\r\n"
    )


WAYS = st.sampled_from([as_form, as_raw_form, as_parts, as_files, as_json])


def quoted(value):
    """Return bytes as a part of an address, which servers cut off somewhere."""
    return quote_from_bytes(value[:300], safe="/")
