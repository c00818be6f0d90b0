"""The REST API as the CLI sees it: JSON in and out, errors as exceptions with an exit status."""

from __future__ import annotations

import os
import platform
import tempfile
import time
from pathlib import Path
from typing import Any

import click
import httpx

from cli import profile

REFUSED, UNREACHABLE = 1, 3
# By this the list of sessions names what signed in.
USER_AGENT = f"crontopus-cli/1 {platform.system()}"


class Failure(click.ClickException):
    """A request that did not succeed; ``exit_code`` 1: refused, 3: not signed in, or the server cannot be reached."""

    def __init__(self, message: str, exit_code: int = REFUSED, code: str = "", status: int = 0) -> None:
        super().__init__(message)
        self.exit_code = exit_code  # pyright: ignore[reportAttributeAccessIssue] -- click types it as a constant
        self.code = code
        self.status = status


class Client:
    """Requests with the profile's token. Every method raises Failure."""

    def __init__(self, url: str, token: str = "", transport: httpx.BaseTransport | None = None) -> None:
        headers = {"User-Agent": USER_AGENT}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        self.http = httpx.Client(base_url=url, headers=headers, timeout=30, transport=transport)

    def get(self, path: str, **params: Any) -> Any:
        return self.send("GET", path, params={key: value for key, value in params.items() if value is not None})

    def send(self, method: str, path: str, **options: Any) -> Any:
        """The answer's JSON (None of an empty one)."""
        try:
            answer = self.http.request(method, path, **options)
        except httpx.TransportError as error:
            raise Failure(f"{self.http.base_url} cannot be reached: {error}", UNREACHABLE) from error
        if answer.is_error:
            raise _failure(answer)
        return answer.json() if answer.content else None

    def download(self, path: str, target: Path) -> int:
        """Saves the answer's body, whole or not at all, readable by its owner only; gives its size in bytes."""
        handle, temporary = tempfile.mkstemp(dir=str(target.parent), prefix=f".{target.name}-")
        try:
            with os.fdopen(handle, "wb") as file, self.http.stream("GET", path) as answer:
                if answer.is_error:
                    answer.read()
                    raise _failure(answer)
                for piece in answer.iter_bytes():
                    file.write(piece)
            size = os.path.getsize(temporary)
            os.replace(temporary, target)
        except httpx.TransportError as error:
            raise Failure(f"{self.http.base_url} broke off: {error}", UNREACHABLE) from error
        finally:
            if os.path.exists(temporary):
                os.unlink(temporary)
        return size

    def wait_for(self, change: dict[str, Any], seconds: float) -> dict[str, Any]:
        """The change once it is committed or failed, or as it is after ``seconds``."""
        deadline = time.monotonic() + seconds
        while change["state"] == "pending" and time.monotonic() < deadline:
            time.sleep(0.3)
            change = self.get(f"/api/changes/{change['id']}")
        return change


def _failure(answer: httpx.Response) -> Failure:
    try:
        body = answer.json()
    except ValueError:
        body = {}
    body = body if isinstance(body, dict) else {}
    message = str(body.get("detail") or f"the server answered {answer.status_code}")
    for problem in body.get("errors") or []:
        place = ":".join(str(part) for part in (problem.get("line"), problem.get("column")) if part)
        where = " ".join(part for part in (problem.get("field", ""), place) if part)
        message += f"\n  {where}: {problem.get('message', '')}"
    unreachable = answer.status_code in (401, 502, 503, 504)
    return Failure(message, UNREACHABLE if unreachable else REFUSED, str(body.get("code", "")), answer.status_code)


def connect() -> Client:
    """A client with the profile's address and token; raises Failure where nobody signed in."""
    known = profile.load()
    if known is None:
        raise Failure("Nobody is signed in: run `crontopus auth login --url https://…`.", UNREACHABLE)
    return Client(known.url, known.token)
