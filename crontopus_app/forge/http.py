"""How the Forgejo client talks: one httpx client, answers turned into values or errors, and the shapes it returns.

ForgeUnavailable (Unavailable)      no answer, 5xx: whether a write happened is unknown, look before repeating
└── ForgeMisconfigured              it answers and refuses us: password, rights, version; the text says what to mend
ForgeConflict (Conflict)            the thing exists already, or a blob sha is no longer the one we saw
ForgeNotFound (NotFound)            no such repository, branch, commit or account; also a renamed one
ForgeRejected (BadInput)            the forge understands the request and refuses it for good
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
    """``secret`` is shown by the forge this once. ``bound`` says whether it opens its one repository only."""

    id: int
    name: str
    secret: str
    bound: bool = True


@dataclass(frozen=True)
class TreeEntry:
    """A file of a commit; ``mode`` is Git's, in octal: ``100644``, ``100755``, ``120000`` for a symbolic link."""

    path: str
    sha: str
    size: int
    mode: str


@dataclass(frozen=True)
class CommitInfo:
    """``files`` are the paths that differ from the first parent, where the caller asked for them."""

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
    """One file of a commit. ``sha`` is the blob sha that ``update`` and ``delete`` expect to replace."""

    operation: Literal["create", "update", "delete"]
    path: str
    content: bytes = b""
    sha: str | None = None


@dataclass(frozen=True)
class Committed:
    sha: str
    parent: str | None


def address(*segments: str) -> str:
    """Path of a REST call; every segment is escaped whole, slashes too."""
    return "/api/v1/" + "/".join(quote(segment, safe="") for segment in segments)


def on_this_machine(url: str) -> bool:
    """Whether an address is a loopback one, which no proxy of the environment can reach for us."""
    return urlsplit(url).hostname in {"127.0.0.1", "::1", "localhost"}


class Wire:
    """Sends requests as the administrator. Redirects are never followed: they would turn a POST into a GET."""

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
        """The answer, if its status is one of ``expect``; else the error that its status stands for."""
        try:
            answer = self._http.request(method, path, json=json, params=params)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise ForgeUnavailable(
                f"The Git server at {self.url} does not answer ({type(error).__name__}). Is it running?"
            ) from error
        if answer.status_code in expect:
            return answer
        raise failure(answer)

    @contextmanager
    def stream(self, path: str, content: bytes, kind: str) -> Iterator[Iterator[bytes]]:
        """The body of a POST's answer as it comes, never whole in memory; errors as ``send`` has them."""
        try:
            with self._http.stream("POST", path, content=content, headers={"Content-Type": kind}) as answer:
                if answer.status_code != 200:
                    answer.read()
                    raise failure(answer)
                yield answer.iter_bytes()
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise ForgeUnavailable(
                f"The Git server at {self.url} does not answer ({type(error).__name__}). Is it running?"
            ) from error


def failure(answer: httpx.Response) -> ForgeUnavailable | ForgeConflict | ForgeNotFound | ForgeRejected:
    """The error for a status. The forge's own words are added for people, never used to decide."""
    what = f"{answer.request.method} {answer.request.url.path}"
    said = words(answer)
    status = answer.status_code
    if status in (301, 302, 307, 308):
        return ForgeNotFound(f"The Git server has moved what {what} names to {answer.headers.get('Location')}.")
    if status == 401:
        return ForgeMisconfigured("The Git server refuses the administrator's user name or password: correct them.")
    if status == 403:
        return ForgeMisconfigured(f"The Git server forbids {what} to its administrator account{said}.")
    if status == 404:
        return ForgeNotFound(f"The Git server does not know what {what} names{said}.")
    if status == 409:
        return ForgeConflict(f"The Git server already has something else there: {what}{said}.")
    if status >= 500 or status in (408, 424, 429):
        return ForgeUnavailable(f"The Git server failed with status {status} at {what}{said}.")
    return ForgeRejected(f"The Git server refused {what} with status {status}{said}.")


def words(answer: httpx.Response) -> str:
    """What the forge said, as ``: text``; empty when it said nothing that can be read."""
    try:
        body = answer.json()
    except ValueError:
        return ""
    message = body.get("message") if isinstance(body, dict) else None
    return f": {str(message)[:200]}" if message else ""
