"""The CLI's client for the REST API: JSON in and out, errors as exceptions with an exit code."""

from __future__ import annotations

import os
import platform
import tempfile
import time
from pathlib import Path
from typing import Any

import click
import httpx

from cli import output, profile

REFUSED, UNREACHABLE = 1, 3
# The list of sessions shows this name.
USER_AGENT = f"crontopus-cli/1 {platform.system()}"


class Failure(click.ClickException):
    """A failed request. ``exit_code`` 1: the server refused it; 3: not signed in, or the server does not answer."""

    def __init__(self, message: str, exit_code: int = REFUSED, code: str = "", status: int = 0) -> None:
        super().__init__(message)
        self.exit_code = exit_code  # pyright: ignore[reportAttributeAccessIssue] -- click types it as a constant
        self.code = code
        self.status = status


class Client:
    """A client for one server and token. Every method raises ``Failure``."""

    def __init__(self, url: str, token: str = "", transport: httpx.BaseTransport | None = None) -> None:
        headers = {"User-Agent": USER_AGENT}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        self.http = httpx.Client(base_url=url, headers=headers, timeout=30, transport=transport)

    def get(self, path: str, **params: Any) -> Any:
        return self.send("GET", path, params={key: value for key, value in params.items() if value is not None})

    def send(self, method: str, path: str, **options: Any) -> Any:
        """The JSON of the answer; None if the answer is empty."""
        try:
            answer = self.http.request(method, path, **options)
        except httpx.TransportError as error:
            raise Failure(f"The server {self.http.base_url} does not answer: {error}", UNREACHABLE) from error
        if answer.is_error:
            raise _failure(answer)
        return answer.json() if answer.content else None

    def download(self, path: str, target: Path) -> int:
        """Saves the answer's body atomically with mode 0600. Returns its size in bytes."""
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
            raise Failure(f"The download from {self.http.base_url} broke off: {error}", UNREACHABLE) from error
        finally:
            if os.path.exists(temporary):
                os.unlink(temporary)
        return size

    def wait_for(self, change: dict[str, Any], seconds: float) -> dict[str, Any]:
        """Waits up to ``seconds`` for the change to be done or failed. Returns its latest state."""
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
    message = output.plain(body.get("detail") or f"The server answered {answer.status_code}.")
    for problem in body.get("errors") or []:
        place = ":".join(str(part) for part in (problem.get("line"), problem.get("column")) if part)
        where = " ".join(part for part in (problem.get("field", ""), place) if part)
        message += f"\n  {where}: {output.plain(problem.get('message', ''))}"
    unreachable = answer.status_code in (401, 502, 503, 504)
    return Failure(message, UNREACHABLE if unreachable else REFUSED, str(body.get("code", "")), answer.status_code)


def connect() -> Client:
    """A client with the profile's address and token. Raises ``Failure`` if you are not signed in."""
    current = profile.load()
    if current is None:
        raise Failure("You are not signed in. Run: crontopus auth login --url https://…", UNREACHABLE)
    return Client(current.url, current.token)
