"""The agent's HTTP client for the control plane. Tokens appear in headers only."""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING, Any

import httpx

from agent import VERSION
from agent.errors import Refused, Revoked, ServerAway, ServerBusy
from agent.proxy import is_loopback
from contract.wire import Enrolled, EnrollRequest, GitAccess, PassReport, WatchAnswer

if TYPE_CHECKING:
    from agent.state import Identity

CALL_SECONDS = 15.0
DEFAULT_WAIT_SECONDS = 15.0


def encode(shape: Any) -> bytes:
    """A dataclass of ``contract.wire`` as JSON; times in ISO 8601."""
    return json.dumps(shape, default=_plain).encode()


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else vars(value)


class Control:
    """A client with an endpoint's token, or with an enrollment token for ``enroll``."""

    def __init__(self, url: str, token: str) -> None:
        self.url = url.rstrip("/")
        headers = {"Authorization": f"Bearer {token}", "User-Agent": f"crontopus-agent/{VERSION}"}
        # A proxy cannot reach this machine's loopback address. The runner follows the same rule.
        direct = {f"all://{httpx.URL(url).host}": None} if is_loopback(url) else None
        self._http = httpx.Client(base_url=self.url, headers=headers, timeout=CALL_SECONDS, mounts=direct)

    def close(self) -> None:
        self._http.close()

    def enroll(self, request: EnrollRequest) -> Enrolled:
        """Enrols this machine. Raises ``Refused`` with the server's reason, ``ServerBusy`` or ``ServerAway``."""
        try:
            answer = self._call("POST", "/api/endpoints/enroll", encode(request))
        except Revoked as problem:
            raise Refused(f"The server refused the enrollment token: {problem}") from problem
        return Enrolled(
            endpoint_id=answer["endpoint_id"],
            agent_id=answer.get("agent_id", answer["endpoint_id"]),
            token=answer["token"],
            tenant_id=answer.get("tenant_id", ""),
            git=_git(answer["git"]),
        )

    def watch(self, head: str, seconds: float, spool: int, boot_id: str) -> WatchAnswer:
        """Waits up to ``seconds`` for another head than ``head``. Raises ``Revoked`` or ``ServerAway``.

        ``spool``: the number of check-ins that wait on this host. ``boot_id`` changes when the host restarts.
        """
        answer = self._call(
            "GET",
            "/api/endpoints/me/watch",
            params={"head": head, "timeout": f"{seconds:g}", "spool": spool, "boot_id": boot_id},
            timeout=httpx.Timeout(CALL_SECONDS, read=seconds + CALL_SECONDS),
        )
        return WatchAnswer(
            head=answer.get("head") or "",
            git=_git(answer["git"]),
            server_time=datetime.fromisoformat(answer["server_time"].replace("Z", "+00:00")),
            wake=bool(answer.get("wake")),
            prune_confirmed=answer.get("prune_confirmed"),
        )

    def report(self, report: PassReport) -> None:
        self._call("POST", "/api/endpoints/me/report", encode(report))

    def heartbeat(self, spool: int, boot_id: str) -> None:
        self._call("POST", "/api/endpoints/me/heartbeat", b"", params={"spool": spool, "boot_id": boot_id})

    def checkins(self, body: bytes) -> tuple[int, bytes]:
        """Sends a batch of check-ins. Returns the status code and the body of any answer."""
        answer = self._send("POST", "/api/checkins/batch", body)
        return answer.status_code, answer.content

    def _call(self, method: str, path: str, body: bytes | None = None, **options: Any) -> dict[str, Any]:
        answer = self._send(method, path, body, **options)
        if answer.status_code in (401, 403):
            raise Revoked(_detail(answer))
        if answer.status_code == 429:
            raise ServerBusy(_detail(answer), _retry_after(answer))
        if answer.status_code >= 300:
            raise ServerAway(f"{self.url}{path} answered {answer.status_code}: {_detail(answer)}")
        return _object(answer)

    def _send(self, method: str, path: str, body: bytes | None = None, **options: Any) -> httpx.Response:
        headers = {"Content-Type": "application/json"} if body else {}
        try:
            answer = self._http.request(method, path, content=body, headers=headers, **options)
        except httpx.HTTPError as problem:
            raise ServerAway(f"{self.url} does not answer: {problem or type(problem).__name__}") from problem
        if answer.status_code == 403 and _error_field(answer, "code") == "suspended":
            # A suspension is temporary, unlike a revoked token: the agent tries again.
            raise ServerAway(_detail(answer))
        return answer


def connect(identity: Identity) -> Control:
    return Control(identity.url, identity.token)


def _git(raw: dict[str, Any]) -> GitAccess:
    return GitAccess(raw["url"], raw.get("branch") or "main", raw.get("username") or "", raw.get("token") or "")


def _object(answer: httpx.Response) -> dict[str, Any]:
    if not answer.content:
        return {}
    try:
        raw = answer.json()
    except ValueError as problem:
        raise ServerAway(f"{answer.url} did not answer with JSON. Is this the address of the server?") from problem
    return raw if isinstance(raw, dict) else {"items": raw}


def _detail(answer: httpx.Response) -> str:
    return _error_field(answer, "detail") or answer.reason_phrase


def _retry_after(answer: httpx.Response) -> float:
    """The seconds of ``Retry-After``; a default if a proxy sends none or a date."""
    header = answer.headers.get("Retry-After", "")
    return float(header) if header.isdecimal() else DEFAULT_WAIT_SECONDS


def _error_field(answer: httpx.Response, field: str) -> str:
    """A field of an error's JSON; empty if the answer does not come from the control plane."""
    try:
        return str(answer.json()[field])
    except (ValueError, KeyError, TypeError):
        return ""
