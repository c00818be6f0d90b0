"""HTTP transport of the forge client: sends requests, maps statuses to errors, and defines the types it returns.

ForgeUnavailable (Unavailable)      no response, or 5xx: whether a write happened is unknown, look before repeating
└── ForgeMisconfigured              wrong password, permissions or version; the message says what to correct
ForgeConflict (Conflict)            the object exists already, or a blob sha is stale
ForgeNotFound (NotFound)            no such repository, branch, commit or account; also a renamed one
ForgeRejected (BadInput)            the request is invalid; repeating it does not help
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import Any, Literal, Self
from urllib.parse import quote, urlsplit

import httpx

from crontopus_app.base.errors import BadInput, Conflict, NotFound, Unavailable

PART = "forge"


class ForgeUnavailable(Unavailable):
    code = "forge_unavailable"

    def __init__(self, message: str) -> None:
        super().__init__(message, part=PART)


class ForgeMisconfigured(ForgeUnavailable):
    code = "forge_misconfigured"


class ForgeConflict(Conflict):
    code = "forge_conflict"


class ForgeNotFound(NotFound):
    code = "forge_not_found"


class ForgeRejected(BadInput):
    code = "forge_rejected"


@dataclass(frozen=True)
class AccessToken:
    """``secret`` is available only now. ``bound`` means that the token is limited to its repository."""

    id: int
    name: str
    secret: str
    bound: bool = True


@dataclass(frozen=True)
class TreeEntry:
    """A file of a commit. ``mode`` is Git's, in octal: ``100644``, ``100755``, ``120000`` for a symbolic link."""

    path: str
    sha: str
    size: int
    mode: str


@dataclass(frozen=True)
class CommitInfo:
    """``files`` are the paths that differ from the first parent, if the caller requested them."""

    sha: str
    author_name: str
    author_email: str
    at: datetime
    message: str
    parents: tuple[str, ...]
    files: tuple[str, ...] = ()


@dataclass(frozen=True)
class Author:
    name: str
    email: str


@dataclass(frozen=True)
class FileOperation:
    """A change of one file. ``sha`` is the blob that ``update`` and ``delete`` replace."""

    operation: Literal["create", "update", "delete"]
    path: str
    content: bytes = b""
    sha: str | None = None


@dataclass(frozen=True)
class Committed:
    sha: str
    parent: str | None


def address(*segments: str) -> str:
    """The path of a REST call; each segment is escaped, including slashes."""
    return "/api/v1/" + "/".join(quote(segment, safe="") for segment in segments)


def on_this_machine(url: str) -> bool:
    """Whether a URL is a loopback one, for which proxy settings of the environment must be ignored."""
    return urlsplit(url).hostname in {"127.0.0.1", "::1", "localhost"}


class Wire:
    """Sends requests as the administrator. Does not follow redirects, which would turn a POST into a GET."""

    def __init__(
        self, url: str, user: str, password: str, *, transport: httpx.BaseTransport | None = None, timeout: float = 30.0
    ) -> None:
        self.url = url.rstrip("/")
        self._http = httpx.Client(
            base_url=self.url,
            auth=(user, password),
            transport=transport,
            timeout=httpx.Timeout(timeout, connect=min(timeout, 5.0)),
            headers={"Accept": "application/json"},
            trust_env=not on_this_machine(self.url),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        self._http.close()

    def send(
        self,
        method: str,
        path: str,
        *,
        json: Any = None,
        params: dict[str, str | int] | None = None,
        expect: tuple[int, ...] = (200, 201, 204),
    ) -> httpx.Response:
        """The response, if its status is in ``expect``; otherwise raises ``failure`` of it."""
        try:
            answer = self._http.request(method, path, json=json, params=params)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise ForgeUnavailable(
                f"The Git server at {self.url} does not respond ({type(error).__name__}). Check that it is running."
            ) from error
        if answer.status_code in expect:
            return answer
        raise failure(answer)

    @contextmanager
    def stream(self, path: str, content: bytes, kind: str) -> Iterator[Iterator[bytes]]:
        """Streams the body of a POST's response; raises the same errors as ``send``."""
        try:
            with self._http.stream("POST", path, content=content, headers={"Content-Type": kind}) as answer:
                if answer.status_code != 200:
                    answer.read()
                    raise failure(answer)
                yield answer.iter_bytes()
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise ForgeUnavailable(
                f"The Git server at {self.url} does not respond ({type(error).__name__}). Check that it is running."
            ) from error


def failure(answer: httpx.Response) -> ForgeUnavailable | ForgeConflict | ForgeNotFound | ForgeRejected:
    """The error for a status. The forge's own message is added for people, never used to decide."""
    request = f"{answer.request.method} {answer.request.url.path}"
    reason = message_of(answer)
    status = answer.status_code
    if status in (301, 302, 307, 308):
        return ForgeNotFound(f"The Git server redirects {request} to {answer.headers.get('Location')}.")
    if status == 401:
        return ForgeMisconfigured(
            "The Git server rejects the administrator's user name or password. Correct CRONTOPUS_FORGEJO_ADMIN_USER "
            "and CRONTOPUS_FORGEJO_ADMIN_PASSWORD."
        )
    if status == 403:
        return ForgeMisconfigured(f"The Git server forbids {request} to its administrator account{reason}.")
    if status == 404:
        return ForgeNotFound(f"Not found on the Git server: {request}{reason}.")
    if status == 409:
        return ForgeConflict(f"The Git server reports a conflict at {request}{reason}.")
    if status >= 500 or status in (408, 424, 429):
        return ForgeUnavailable(f"The Git server failed with status {status} at {request}{reason}.")
    return ForgeRejected(f"The Git server refused {request} with status {status}{reason}.")


def message_of(answer: httpx.Response) -> str:
    """The forge's message as ``: text``; empty if there is none."""
    try:
        body = answer.json()
    except ValueError:
        return ""
    message = body.get("message") if isinstance(body, dict) else None
    return f": {str(message)[:200]}" if message else ""
