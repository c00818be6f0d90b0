"""The agent's HTTP client for the control plane. Tokens appear in headers only."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any

import httpx

from agent import VERSION
from agent.answers import BAD_TOKEN, Answer
from agent.errors import Refused, Revoked, ServerAway, ServerBusy
from agent.proxy import proxy_for
from contract.wire import Enrolled, EnrollRequest, GitAccess, PassReport, WatchAnswer

if TYPE_CHECKING:
    from agent.state import Identity

CALL_SECONDS = 15.0
DEFAULT_WAIT_SECONDS = 15.0
# No answer of the control plane is larger: the answers to 500 check-ins take about 60 kB.
ANSWER_BYTES = 8 << 20


def encode(shape: Any) -> bytes:
    """A dataclass of ``contract.wire`` as JSON; times in ISO 8601."""
    return json.dumps(shape, default=_plain).encode()


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else vars(value)


class Control:
    """A client with an endpoint's token, or with an enrollment token for ``enroll``."""

    def __init__(self, url: str, token: str, call_seconds: float = CALL_SECONDS) -> None:
        self.url, self._call_seconds = url.rstrip("/"), call_seconds
        headers = {"Authorization": f"Bearer {token}", "User-Agent": f"crontopus-agent/{VERSION}"}
        headers["Accept-Encoding"] = "identity"  # a compressed answer could be of any size
        # Not httpx's own reading of the environment, which fails for a SOCKS proxy, and asks it for loopback addresses.
        transport = httpx.HTTPTransport(proxy=proxy_for(url, kinds=("http", "https")))
        self._http = httpx.Client(base_url=self.url, headers=headers, timeout=call_seconds, transport=transport)

    def close(self) -> None:
        self._http.close()

    def enroll(self, request: EnrollRequest) -> Enrolled:
        """Enrols this machine. Raises ``Refused`` with the server's reason, ``ServerBusy`` or ``ServerAway``."""
        try:
            answer = self._call("POST", "/api/endpoints/enroll", encode(request))
        except Revoked as problem:
            raise Refused(f"The server refused the enrollment token: {problem}") from problem
        with self._expected_shape():
            fields = answer.json()
            return Enrolled(
                endpoint_id=fields["endpoint_id"],
                agent_id=fields.get("agent_id", fields["endpoint_id"]),
                token=fields["token"],
                tenant_id=fields.get("tenant_id", ""),
                git=_git(fields["git"]),
            )

    def watch(self, head: str, seconds: float, spool: int, boot_id: str) -> WatchAnswer:
        """Waits up to ``seconds`` for another head than ``head``. Raises ``Revoked`` or ``ServerAway``.

        ``spool``: the number of check-ins that wait on this host. ``boot_id`` changes when the host restarts.
        """
        answer = self._call(
            "GET",
            "/api/endpoints/me/watch",
            params={"head": head, "timeout": f"{seconds:g}", "spool": spool, "boot_id": boot_id},
            timeout=httpx.Timeout(self._call_seconds, read=seconds + self._call_seconds),
        )
        with self._expected_shape():
            fields = answer.json()
            return WatchAnswer(
                head=fields.get("head") or "",
                git=_git(fields["git"]),
                server_time=datetime.fromisoformat(fields["server_time"].replace("Z", "+00:00")),
                wake=bool(fields.get("wake")),
                prune_confirmed=fields.get("prune_confirmed"),
            )

    def report(self, report: PassReport) -> None:
        self._call("POST", "/api/endpoints/me/report", encode(report))

    def heartbeat(self, spool: int, boot_id: str) -> None:
        self._call("POST", "/api/endpoints/me/heartbeat", b"", params={"spool": spool, "boot_id": boot_id})

    def checkins(self, body: bytes) -> Answer:
        """Sends a batch of check-ins. Returns any answer, also another server's. Raises ``ServerAway`` without one."""
        return self._send("POST", "/api/checkins/batch", body)

    def _call(self, method: str, path: str, body: bytes | None = None, **options: Any) -> Answer:
        """The control plane's answer to a successful request. Raises ``Revoked``, ``ServerBusy`` or ``ServerAway``."""
        answer = self._send(method, path, body, **options)
        if answer.genuine:
            if answer.status < 300:
                return answer
            if answer.code == BAD_TOKEN:
                raise Revoked(answer.detail)
            if answer.status == 429:
                raise ServerBusy(answer.detail, _retry_after(answer))
        raise ServerAway(f"{self.url}{path}: {answer}")

    def _send(self, method: str, path: str, body: bytes | None = None, **options: Any) -> Answer:
        headers = {"Content-Type": "application/json"} if body else {}
        try:
            with self._http.stream(method, path, content=body, headers=headers, **options) as response:
                return Answer(response.status_code, dict(response.headers), self._read(response))
        except httpx.HTTPError as problem:
            raise ServerAway(f"{self.url} does not answer: {problem or type(problem).__name__}") from problem

    def _read(self, response: httpx.Response) -> bytes:
        """The body without decoding. Raises ``ServerAway`` if it is too large or too slow."""
        body, until = bytearray(), time.monotonic() + self._call_seconds
        for piece in response.iter_raw():
            body += piece
            if len(body) > ANSWER_BYTES or time.monotonic() > until:
                raise ServerAway(f"{self.url} does not answer: its answer is too large or too slow")
        return bytes(body)

    @contextmanager
    def _expected_shape(self) -> Iterator[None]:
        """Raises ``ServerAway`` instead of the errors of an answer without the expected fields."""
        try:
            yield
        except (AttributeError, KeyError, TypeError, ValueError) as problem:
            raise ServerAway(f"{self.url} did not answer as Crontopus does ({problem!r})") from problem


def connect(identity: Identity) -> Control:
    return Control(identity.url, identity.token)


def _git(raw: dict[str, Any]) -> GitAccess:
    return GitAccess(raw["url"], raw.get("branch") or "main", raw.get("username") or "", raw.get("token") or "")


def _retry_after(answer: Answer) -> float:
    """The seconds of ``Retry-After``; a default if a proxy sends none or a date."""
    header = answer.headers.get("retry-after", "")
    return float(header) if header.isdecimal() else DEFAULT_WAIT_SECONDS
