"""Rows of the operator's pages."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from contract import wire_operator as wire
from crontopus_app.ui.kit import colours, filters, words
from crontopus_app.ui.kit.filters import Pages, Pill, page_word
from crontopus_app.ui.kit.words import iso, plural

TITLES = {
    "database": "Database",
    "redis": "Redis",
    "forge": "Git server",
    "worker": "Workers",
    "evaluator": "Evaluator",
    "index": "Index",
    "repositories": "Repositories",
    "live": "Live events",
    "disk": "Disk",
    "web": "Web",
}
LAGS = {"worker": "oldest task", "evaluator": "behind", "index": "behind", "live": "round trip"}
PROVISIONING = {"ready": ("ready", "ok"), "pending": ("provisioning", "running"), "failed": ("failed", "failed")}
STANDINGS = (
    ("all", ""),
    ("suspended", "suspended"),
    ("repository failed", "failed"),
    ("repository pending", "pending"),
)
TASKS = "worker.tasks."


@dataclass(frozen=True)
class Figure:
    value: str
    label: str
    state: str
    href: str


@dataclass(frozen=True)
class PartRow:
    title: str
    state: str
    label: str
    lag: str
    what: str
    detail: str


@dataclass(frozen=True)
class TenantRow:
    id: str = ""
    href: str = ""
    state: str = "ok"
    label: str = ""
    error: str = ""
    suspended: bool = False
    operators: int = 0
    users: int = 0
    jobs: str = ""
    endpoints: str = ""
    runs: str = ""
    output: str = ""
    last: str = ""


@dataclass(frozen=True)
class Fact:
    name: str
    value: str
    at: str = ""


@dataclass(frozen=True)
class PersonRow:
    username: str
    email: str
    operator: bool
    active: bool


@dataclass(frozen=True)
class SelectedTenant:
    """The selected tenant; ``row.id`` is empty without one."""

    row: TenantRow
    own: bool
    facts: list[Fact]
    people: list[PersonRow]


@dataclass(frozen=True)
class QueueRow:
    name: str
    waiting: int
    oldest: str
    running: int
    scheduled: int
    failed: int


@dataclass(frozen=True)
class WorkerRow:
    name: str
    state: str
    label: str
    task: str
    heartbeat: str
    done: int
    failed: int


@dataclass(frozen=True)
class Work:
    queues: list[QueueRow]
    workers: list[WorkerRow]
    away: str


@dataclass(frozen=True)
class FailedRow:
    id: str
    function: str
    arguments: str
    tenant: str
    href: str
    error: str
    traceback: str
    at: str


@dataclass(frozen=True)
class OpenChangeRow:
    tenant: str
    href: str
    state: str
    label: str
    what: str
    author: str
    error: str
    tries: int
    at: str
    pending: bool


def age(seconds: float | None) -> str:
    """``12 s``, ``3 min``, ``2 h``, ``5 d``; a dash for None."""
    if seconds is None:
        return "–"
    for limit, size, unit in ((120, 1, "s"), (7200, 60, "min"), (172_800, 3600, "h")):
        if seconds < limit:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds / 86_400:.0f} d"


def lag(milliseconds: float | None) -> str:
    """``0.8 ms``, ``120 ms``, ``3 min``; ``none`` for 0, empty for None."""
    if not milliseconds:
        return "" if milliseconds is None else "none"
    if milliseconds < 1000:
        return f"{milliseconds:.1f} ms" if milliseconds < 10 else f"{milliseconds:.0f} ms"
    return age(milliseconds / 1000)


def part(one: wire.MeasuredPart) -> PartRow:
    state, label = ("ok", "ok") if one.ok else ("failed", "failing")
    what = LAGS.get(one.name, "round trip") if one.lag_ms is not None else ""
    return PartRow(TITLES[one.name], state, label, lag(one.lag_ms), what, words.plain(one.detail))


def unchecked() -> list[PartRow]:
    """The components before the first check."""
    lags = {name: LAGS.get(name, "round trip") for name in TITLES if name not in ("disk", "web")}
    # Rows of the final height: nothing moves when results arrive.
    return [
        PartRow(title, "running", "checking", "…" if name in lags else "", lags.get(name, ""), "")
        for name, title in TITLES.items()
    ]


def tiles(figures: wire.Figures) -> list[Figure]:
    """Figures of the installation, each linked to what it counts."""
    tenants = "/operator/tenants"
    pending = "pending change" if figures.changes_pending == 1 else "pending changes"
    oldest = f"{pending}, oldest {age(figures.changes_oldest_s)}" if figures.changes_pending else pending
    return [
        Figure(f"{figures.tenants:,}", "tenant" if figures.tenants == 1 else "tenants", "accent", tenants),
        Figure(f"{figures.endpoints:,}", "endpoint" if figures.endpoints == 1 else "endpoints", "accent", tenants),
        Figure(f"{figures.suspended:,}", "suspended", _of(figures.suspended, "late"), f"{tenants}?standing=suspended"),
        Figure(
            f"{figures.provisioning_failed:,}",
            "repository failed" if figures.provisioning_failed == 1 else "repositories failed",
            _of(figures.provisioning_failed, "failed"),
            f"{tenants}?standing=failed",
        ),
        Figure(f"{figures.changes_pending:,}", oldest, _of(figures.changes_pending, "late"), "/operator/tasks"),
    ]


def _of(count: int, state: str) -> str:
    return state if count else "ok"


def address(query: dict[str, str], **other: str) -> str:
    """Address of the Tenants page with these filters."""
    return filters.address("/operator/tenants", {**query, **other})


def pills(query: dict[str, str]) -> list[Pill]:
    chosen = query.get("standing", "")
    return [
        Pill(text, address({"q": query.get("q", "")}, standing=value), value == chosen) for text, value in STANDINGS
    ]


def pages(query: dict[str, str], page: int, size: int, count: int) -> Pages:
    """Links to the previous and next page, and the number of tenants."""
    before = address(query, page=page_word(page - 1)) if page > 1 else ""
    after = address(query, page=page_word(page + 1)) if count > page * size else ""
    return Pages(before, after, plural(count, "tenant"))


def tenant(one: wire.OperatedTenant, query: dict[str, str]) -> TenantRow:
    label, state = PROVISIONING.get(one.provisioning, (one.provisioning, "unknown"))
    used = one.usage
    runs = f"{used.runs:,}" + ("+" if used.runs >= used.runs_counted_to > 0 else "")
    return TenantRow(
        id=one.id,
        href=address(query, tenant=one.id),
        state="late" if one.suspended else state,
        label="suspended" if one.suspended else label,
        error=one.provisioning_error or one.index_error,
        suspended=one.suspended,
        operators=one.operators,
        users=used.users,
        jobs=f"{used.jobs:,}",
        endpoints=f"{used.endpoints:,}",
        runs=runs,
        output=f"≈ {words.size(used.output_bytes)}" if used.output_bytes else "–",
        last=iso(used.last_checkin_at),
    )


def selected(detail: wire.TenantDetail, own_tenant: str) -> SelectedTenant:
    one = detail.tenant
    repository = words.size(detail.repository_bytes) if detail.repository_bytes is not None else "unknown"
    behind = "" if detail.head == detail.indexed_head else f", indexed at {detail.indexed_head[:7] or 'nothing'}"
    facts = [
        Fact("Repository", detail.repository),
        Fact("Size", repository),
        Fact("Latest commit", (detail.head[:7] or "none yet") + behind),
        Fact("Indexed", "", iso(detail.indexed_at)),
        Fact("Registered", "", iso(one.created_at)),
        Fact("Last check-in", "", iso(one.usage.last_checkin_at)),
    ]
    people = [PersonRow(who.username, who.email, who.role == "operator", who.is_active) for who in detail.people]
    return SelectedTenant(tenant(one, {}), one.id == own_tenant, facts, people)


def work(tasks: wire.Tasks) -> Work:
    return Work(
        queues=[
            QueueRow(one.name, one.waiting, age(one.oldest_s), one.running, one.scheduled, one.failed)
            for one in tasks.queues
        ],
        workers=[_worker(one) for one in tasks.workers],
        away=tasks.problem,
    )


def _worker(one: wire.TaskWorker) -> WorkerRow:
    silent = one.heartbeat_s is None or one.heartbeat_s > 120
    state = "failed" if silent else "running" if one.task else "ok"
    label = "silent" if silent else one.state
    task = one.task.replace(TASKS, "") or "idle"
    return WorkerRow(one.name, state, label, task, f"{age(one.heartbeat_s)} ago", one.done, one.failed)


def failed(tasks: Iterable[wire.FailedTask]) -> list[FailedRow]:
    return [
        FailedRow(
            id=one.id,
            function=one.function.removeprefix(TASKS),
            arguments=", ".join(one.arguments),
            tenant=one.tenant_id,
            href=address({}, tenant=one.tenant_id),
            error=one.error,
            traceback=one.traceback,
            at=iso(one.failed_at),
        )
        for one in tasks
    ]


def changes(open_changes: Iterable[wire.OpenChange]) -> list[OpenChangeRow]:
    return [
        OpenChangeRow(
            tenant=one.tenant_id,
            href=address({}, tenant=one.tenant_id),
            state=colours.of_change(one.state),
            label=one.state,
            what=f"{one.operation} {one.path}",
            author=one.author,
            error=one.error,
            tries=one.attempts,
            at=iso(one.created_at),
            pending=one.state == "pending",
        )
        for one in open_changes
    ]


def version_facts(versions: wire.Versions) -> list[Fact]:
    return [Fact(one.name, one.version) for one in versions.parts]


def agent_facts(versions: wire.Versions) -> list[Fact]:
    return [Fact(one.version, plural(one.endpoints, "endpoint")) for one in versions.agents]


def schema(versions: wire.Versions) -> str:
    """A warning if the database schema is not that of this release, else empty."""
    if versions.schema == versions.schema_head:
        return ""
    return f"The database is at {versions.schema or 'no revision'}; this release needs {versions.schema_head}."


def at(moment: datetime) -> str:
    return iso(moment)
