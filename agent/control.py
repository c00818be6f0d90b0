"""The control plane as the agent sees it: four calls over HTTP. Tokens travel in headers only."""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING, Any

import httpx

from agent import VERSION
from agent.errors import Busy, Refused, Revoked, ServerAway
from agent.proxy import is_loopback
from contract.wire import Enrolled, EnrollRequest, GitAccess, PassReport, WatchAnswer

if TYPE_CHECKING:
    from agent.state import Identity

CALL_SECONDS = 15.0
DEFAULT_WAIT_SECONDS = 15.0


def encode(shape: Any) -> bytes:
    """A shape of ``contract.wire`` as JSON; times in ISO 8601."""
    return json.dumps(shape, default=_plain).encode()


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else vars(value)


class Control:
    """A client for one endpoint's token (or, to enrol, an enrollment token)."""

    def __init__(self, url: str, token: str) -> None:
        self.url = url.rstrip("/")
        headers = {"Authorization": f"Bearer {token}", "User-Agent": f"crontopus-agent/{VERSION}"}
        # Nobody's proxy reaches our own machine: the runner does not ask one either.
        direct = {f"all://{httpx.URL(url).host}": None} if is_loopback(url) else None
        self._http = httpx.Client(base_url=self.url, headers=headers, timeout=CALL_SECONDS, mounts=direct)

    def close(self) -> None:
        self._http.close()

    def enroll(self, request: EnrollRequest) -> Enrolled:
        """Make this machine an endpoint; a refusal is told in the server's words."""
        try:
            answer = self._call("POST", "/api/endpoints/enroll", encode(request))
        except Revoked as problem:
            raise Refused(f"The enrollment token was refused: {problem}") from problem
        return Enrolled(
            endpoint_id=answer["endpoint_id"],
            agent_id=answer.get("agent_id", answer["endpoint_id"]),
            token=answer["token"],
            tenant_id=answer.get("tenant_id", ""),
            git=_git(answer["git"]),
        )

    def watch(self, head: str, seconds: float) -> WatchAnswer:
        """Wait until the tenant's head is not ``head``, at most ``seconds``."""
        answer = self._call(
            "GET",
            "/api/endpoints/me/watch",
            params={"head": head, "timeout": f"{seconds:g}"},
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

    def heartbeat(self) -> None:
        self._call("POST", "/api/endpoints/me/heartbeat", b"")

    def checkins(self, body: bytes) -> tuple[int, bytes]:
        """Hand over a batch of check-ins; status and body of the answer, whatever it is."""
        answer = self._ask("POST", "/api/checkins/batch", body)
        return answer.status_code, answer.content

    def _call(self, method: str, path: str, body: bytes | None = None, **options: Any) -> dict[str, Any]:
        answer = self._ask(method, path, body, **options)
        if answer.status_code in (401, 403):
            raise Revoked(_detail(answer))
        if answer.status_code == 429:
            raise Busy(_detail(answer), _retry_after(answer))
        if answer.status_code >= 300:
            raise ServerAway(f"{self.url}{path} answered {answer.status_code}: {_detail(answer)}")
        return _object(answer)

    def _ask(self, method: str, path: str, body: bytes | None = None, **options: Any) -> httpx.Response:
        headers = {"Content-Type": "application/json"} if body else {}
        try:
            answer = self._http.request(method, path, content=body, headers=headers, **options)
        except httpx.HTTPError as problem:
            raise ServerAway(f"{self.url} does not answer: {problem or type(problem).__name__}") from problem
        if answer.status_code == 403 and _said(answer, "code") == "suspended":
            # A suspension ends some day, a revoked token never does: what is to be told waits.
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
        raise ServerAway(f"{answer.url} did not answer with JSON: is this the control plane?") from problem
    return raw if isinstance(raw, dict) else {"items": raw}


def _detail(answer: httpx.Response) -> str:
    return _said(answer, "detail") or answer.reason_phrase


def _retry_after(answer: httpx.Response) -> float:
    """Seconds until one may ask again; a proxy may say no number."""
    said = answer.headers.get("Retry-After", "")
    return float(said) if said.isdecimal() else DEFAULT_WAIT_SECONDS


def _said(answer: httpx.Response, field: str) -> str:
    """A field of an error's answer; nothing where somebody else than the control plane answered."""
    try:
        return str(answer.json()[field])
    except (ValueError, KeyError, TypeError):
        return ""
