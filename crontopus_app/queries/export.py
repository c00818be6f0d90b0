"""Exports all data of a tenant as a ZIP, created while it is sent, with at most a page of rows in memory."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime
from typing import Any

from sqlalchemy import and_, inspect, or_, select, tuple_
from sqlmodel import col

from crontopus_app.base import rates
from crontopus_app.base.actor import Actor
from crontopus_app.base.db import reading
from crontopus_app.forge.bundle import bundle
from crontopus_app.forge.client import Forgejo, safe_path
from crontopus_app.forge.names import RepositoryName
from crontopus_app.models import (
    ApiToken,
    Audit,
    Change,
    Endpoint,
    EnrollmentToken,
    GitCredential,
    JobIndex,
    Monitor,
    PingKey,
    Run,
    RunDay,
    RunOutput,
    Tenant,
    User,
)

EXPORT = rates.Rate("export", 10, 3600)
PAGE = 100
# Minimum size of a chunk: each one costs a thread switch and a network frame.
CHUNK = 64 * 1024

README = """Crontopus: all data of {tenant}, as of {now:%Y-%m-%d %H:%M} UTC

repository.bundle   the Git repository of job manifests, branch {branch}, with its whole history:
                        git clone repository.bundle {tenant}-jobs
manifests/          the manifests as files, at {head}
endpoints.jsonl     the machines, with their labels and capabilities
crontabs/           each machine's crontab at its agent's last report (secrets were masked on the machine)
monitors.jsonl      the state of each job on each machine
runs.jsonl          every run that is kept; outputs.jsonl has their output, by run_id
days.jsonl          how many runs there were on a day, of those that are no longer kept
changes.jsonl       edits made through Crontopus and their commits
tokens.jsonl        names, scopes and dates of API tokens, enrolment tokens, ping keys and Git credentials, no secrets
audit.jsonl         the audit log
account.json        your account

Files with .jsonl have one JSON object per line; times are UTC. Passwords and tokens are stored only as hashes and are
not exported.
"""
# Secrets, and large columns with a file of their own.
LEFT_OUT = frozenset(
    {
        "tenant_id",
        "password_hash",
        "email_key",
        "token_hmac",
        "ping_id",
        "sealed",
        "git_token_name",
        "crontab",
        "content",
    }
)
Entry = tuple[str, Iterable[bytes]]


class _Pipe:
    """A file object for ``zipfile`` whose written bytes are taken out repeatedly."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def write(self, data: bytes) -> int:
        self._buffer += data
        return len(data)

    def flush(self) -> None:
        """Nothing to do: there is no other buffer."""

    def close(self) -> None:
        """Nothing to do: the remaining bytes can still be taken."""

    @property
    def held(self) -> int:
        return len(self._buffer)

    def take(self) -> bytes:
        held, self._buffer = bytes(self._buffer), bytearray()
        return held


def export(actor: Actor, forge: Forgejo, now: datetime) -> Iterator[bytes]:
    """The ZIP in chunks. Raises Forbidden, RateLimited and Unavailable before the first chunk."""
    actor.require("admin:*")
    rates.spend(EXPORT, actor.user_id)
    with reading() as session:
        tenant = session.get_one(Tenant, actor.tenant_id)
    head = _head(tenant, forge)
    return _zip(_entries(actor, tenant, forge, head, now), now)


def _head(tenant: Tenant, forge: Forgejo) -> str | None:
    """The branch's head; None before the repository is created."""
    org, name = RepositoryName.of(tenant.repository)
    return forge.head(org, name, tenant.branch) if tenant.provisioning == "ready" else None


def _zip(entries: Iterable[Entry], now: datetime) -> Iterator[bytes]:
    pipe = _Pipe()
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, chunks in entries:
            info = zipfile.ZipInfo(name, (now.year, now.month, now.day, now.hour, now.minute, now.second))
            info.external_attr = 0o600 << 16
            info.compress_type = zipfile.ZIP_STORED if name.endswith(".bundle") else zipfile.ZIP_DEFLATED
            with archive.open(info, "w", force_zip64=True) as file:
                for chunk in chunks:
                    file.write(chunk)
                    if pipe.held >= CHUNK:
                        yield pipe.take()
    yield pipe.take()


def _entries(actor: Actor, tenant: Tenant, forge: Forgejo, head: str | None, now: datetime) -> Iterator[Entry]:
    readme = README.format(tenant=tenant.id, now=now, branch=tenant.branch, head=tenant.indexed_head or "no commit yet")
    yield "README.txt", [readme.encode()]
    if head is not None:
        yield "repository.bundle", bundle(forge, tenant.repository, tenant.branch, head)
    for job in _rows(JobIndex, tenant.id):
        if safe_path(job.path):
            yield f"manifests/{job.path}", [job.yaml]
    yield from _crontabs(tenant.id)
    yield "endpoints.jsonl", _lines(Endpoint, tenant.id)
    yield "monitors.jsonl", _lines(Monitor, tenant.id)
    yield "runs.jsonl", (_line(run) for runs in _runs(tenant.id) for run in runs)
    yield "outputs.jsonl", _outputs(tenant.id)
    yield "days.jsonl", _lines(RunDay, tenant.id)
    yield "changes.jsonl", _lines(Change, tenant.id)
    yield (
        "tokens.jsonl",
        (line for table in (ApiToken, EnrollmentToken, GitCredential, PingKey) for line in _lines(table, tenant.id)),
    )
    yield "audit.jsonl", _lines(Audit, tenant.id)
    with reading() as session:
        account = session.execute(_columns(User).where(col(User.id) == actor.user_id)).one()
    yield "account.json", [_line(account)]


def _rows(table: type[Any], tenant_id: str) -> Iterator[Any]:
    """The tenant's rows by their primary key, each page in a short transaction."""
    keys = [column for column in inspect(table).primary_key if column.name != "tenant_id"]
    query = _columns(table).where(table.tenant_id == tenant_id).order_by(*keys).limit(PAGE)
    after: tuple[Any, ...] = ()
    while True:
        with reading() as session:
            rows = session.execute(query.where(tuple_(*keys) > after) if after else query).all()
        yield from rows
        if len(rows) < PAGE:
            return
        after = tuple(rows[-1]._mapping[column.name] for column in keys)


def _columns(table: type[Any]) -> Any:
    """Selects the exported columns of a table. Plain rows, because objects are too slow for a million of them."""
    return select(*(column for column in table.__table__.columns if column.name not in LEFT_OUT))


def _runs(tenant_id: str) -> Iterator[Sequence[Any]]:
    """The tenant's runs in pages, oldest first, by the index on their order."""
    after: Any = Run.tenant_id == tenant_id
    while True:
        with reading() as session:
            query = _columns(Run).where(col(Run.tenant_id) == tenant_id, after)
            rows = session.execute(query.order_by(col(Run.sort_at), col(Run.id)).limit(PAGE)).all()
        yield rows
        if len(rows) < PAGE:
            return
        last = rows[-1]
        # The first condition lets the index start at this time; an OR alone would scan it from the start.
        after = and_(col(Run.sort_at) >= last.sort_at, or_(col(Run.sort_at) > last.sort_at, col(Run.id) > last.id))


def _outputs(tenant_id: str) -> Iterator[bytes]:
    for runs in _runs(tenant_id):
        with reading() as session:
            query = _columns(RunOutput).where(col(RunOutput.run_id).in_([run.id for run in runs]))
            rows = session.execute(query).all()
        yield from map(_line, rows)


def _crontabs(tenant_id: str) -> Iterator[Entry]:
    """A file for each machine's crontab. Each is read separately, because some are long."""
    with reading() as session:
        query = select(col(Endpoint.id), col(Endpoint.name)).where(col(Endpoint.tenant_id) == tenant_id)
        hosts = session.execute(query.order_by(col(Endpoint.id))).all()
    for host in hosts:
        with reading() as session:
            lines = session.execute(select(col(Endpoint.crontab)).where(col(Endpoint.id) == host.id)).scalar() or []
        yield f"crontabs/{_file_name(host)}.txt", ["\n".join([*map(_text, lines), ""]).encode(errors="replace")]


def _file_name(host: Any) -> str:
    """A file name that is valid on all file systems, and unique per machine."""
    return "".join(char if char.isalnum() or char in "-." else "_" for char in host.name).strip(".") + f"-{host.id[:8]}"


def _text(line: Any) -> str:
    return str(line.get("text", "")) if isinstance(line, dict) else str(line)


def _lines(table: type[Any], tenant_id: str) -> Iterator[bytes]:
    return map(_line, _rows(table, tenant_id))


def _line(row: Any) -> bytes:
    """The row as a JSON object and a newline."""
    return (json.dumps(dict(row._mapping), default=_plain, ensure_ascii=False) + "\n").encode(errors="replace")


def _plain(value: Any) -> str:
    return value.isoformat() if isinstance(value, date) else value.decode(errors="replace")
