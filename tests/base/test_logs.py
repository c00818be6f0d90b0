"""What a process writes names no secret, whichever way it is written."""

from __future__ import annotations

import logging
import subprocess
import sys

import pytest

from crontopus_app.base.logs import LONGEST, _Record
from crontopus_app.base.masking import DOTS, masked
from crontopus_app.programs import frontend

TOKEN = "cts_" + "Abc-1_" * 7
BASIC = "bm9ib2R5OnNlY3JldC1wYXNzd29yZA=="
# Each line writes ``secret`` in a way of its own.
WAYS = {
    "log": "logging.getLogger('a').error('for %s', secret)",
    "handler": "b = logging.getLogger('b'); b.addHandler(logging.StreamHandler(sys.stdout)); b.error(secret)",
    "traceback": "logging.getLogger('c').exception('failed', exc_info=ValueError(secret))",
    "print": "print({'cookie': secret})",
    "uncaught": "raise ValueError(secret)",
    "thread": "t = threading.Thread(target=lambda: fail(secret)); t.start(); t.join()",
    "rich": "rich.console.Console().print('x' * 60, secret)",
    "early": "early.error(secret)",
}


@pytest.mark.parametrize("way", WAYS)
def test_no_way_of_writing_shows_a_secret(way: str) -> None:
    secret = f"{TOKEN} | Bearer {TOKEN[4:]} | https://bot:{BASIC}@git.example/x.git"
    code = f"""
import logging, sys, threading, rich.console
early = logging.getLogger('early'); early.addHandler(logging.StreamHandler())
from crontopus_app.base.logs import hide_secrets
def fail(text): raise RuntimeError(text)
hide_secrets(); hide_secrets()
secret = {secret!r}
{WAYS[way]}
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=frontend.ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    written = (done.stdout + done.stderr).replace("\n", "")
    assert DOTS in written
    for part in (TOKEN[4:], BASIC):
        assert part not in written


@pytest.mark.parametrize(
    "text",
    [
        "Cookie: a=b; crontopus_session=SECRET; other=SECRET",
        "{'host': 'x', 'cookie': 'other=SECRET; a=SECRET'}",
        '{"Set-Cookie": "a=\'SECRET\'"}',
        "(b'cookie', b'a=SECRET'), (b'host', b'x')",
        "(b'authorization', b'token SECRET')",
        "{'Authorization': 'Basic SECRETSECRET'}",
        "HeaderData(cookie='a=SECRET', origin='x')",
        "{'cookie': 'cut-off=SECRET",
        "{'password': 'cut-off-SECRET",
        "fatal: could not read from https://agent-x:SECRET@git.example.org/a/b.git",
    ],
)
def test_headers_lose_their_values(text: str) -> None:
    assert "SECRET" not in masked(text)
    assert DOTS in masked(text)


@pytest.mark.parametrize("text", ["The cookie cannot be read: sign in again.", "Cookies are fine", "a cookie, please"])
def test_sentences_stay(text: str) -> None:
    assert masked(text) == text


@pytest.mark.parametrize(
    "part", ["a.", "a-", "x://", "cookie ", "password ", "token=", "authorization: ", "Bearer ", ":@"]
)
def test_masking_takes_as_long_as_the_text_is_long(part: str) -> None:
    """With a rule that looks at the rest of the text from each of its places this would not end in a day."""
    assert len(masked(part * 400_000)) > 0


def test_a_message_has_an_end() -> None:
    record = _Record("name", logging.INFO, "file", 1, "%s", ("x" * LONGEST + TOKEN,), None)
    assert record.getMessage() == "x" * LONGEST + f"… ({LONGEST + len(TOKEN)} characters)"
