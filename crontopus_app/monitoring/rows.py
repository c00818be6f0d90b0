"""The rows that a list of check-ins touches: read together, changed in memory, written together.

A handful of statements, however many check-ins there are. Everything is locked and written in the order of ids, the
monitors before the runs: two processes that write at once wait for each other, and never in a circle.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Table, bindparam, insert, select, update
from sqlmodel import Session

from contract import wire
from crontopus_app.models import metadata

RUN, OUTPUT, CHECKIN, MONITOR, JOB = (
    metadata.tables[name] for name in ("run", "run_output", "check_in", "monitor", "job_index")
)
Row = dict[str, Any]
MONITORED = ("last_run_id", "last_run_status", "last_run_at", "state", "updated_at")


@dataclass(frozen=True)
class Sender:
    """The source that tells: an endpoint, or a ping key, which has no ``endpoint_id``.

    Its runs are shown under its name.
    """

    id: str
    tenant_id: str
    name: str
    endpoint_id: str | None


@dataclass(frozen=True)
class Told:
    """One check-in and who sent it."""

    sender: Sender
    checkin: wire.Checkin


class Rows:
    """Rows as mappings of column to value: change them through ``put`` and ``moved``, then ``write`` them once."""

    def __init__(self, session: Session, told: Sequence[Told]) -> None:
        self._connection = session.connection()
        self._inserted: dict[tuple[str, str], Row] = {}
        self._changed: dict[tuple[str, str], Row] = {}
        self._checkins: list[Row] = []
        self.monitors = self._monitors(told)
        self.runs = self._runs(told)
        self.seen = self._seen(told)
        self.statuses = self._statuses()
        self.outputs = self._outputs(told)
        self.jobs = self._jobs(told)

    def _all(self, query: Any) -> list[Row]:
        return [dict(row) for row in self._connection.execute(query).mappings()]

    def _monitors(self, told: Sequence[Told]) -> dict[tuple[str, str], Row]:
        """Locked, by job and source; a few more than asked for where several sources tell of a job."""
        jobs, sources = {one.checkin.job_id for one in told}, {one.sender.id for one in told}
        mine = MONITOR.c.job_id.in_(jobs), MONITOR.c.source_id.in_(sources)
        columns = [MONITOR.c[name] for name in ("id", "job_id", "source_id", "job_name", "namespace", *MONITORED)]
        found = self._all(select(*columns).where(*mine).order_by(MONITOR.c.id).with_for_update())
        return {(row["job_id"], row["source_id"]): row for row in found}

    def _runs(self, told: Sequence[Told]) -> dict[str, Row]:
        mine = RUN.c.id.in_({one.checkin.run_id for one in told})
        return {row["id"]: row for row in self._all(select(RUN).where(mine).order_by(RUN.c.id).with_for_update())}

    def _seen(self, told: Sequence[Told]) -> dict[tuple[str, str], str]:
        """The run of each check-in id that is known; looked for once the locks are held."""
        mine = CHECKIN.c.id.in_({one.checkin.id for one in told})
        found = self._all(select(CHECKIN.c.id, CHECKIN.c.source_id, CHECKIN.c.run_id).where(mine))
        return {(row["id"], row["source_id"]): row["run_id"] for row in found}

    def _statuses(self) -> dict[str, str]:
        """Of runs that known check-ins told of and none of these does."""
        others = set(self.seen.values()) - self.runs.keys()
        if not others:
            return {}
        return {
            row["id"]: row["status"] for row in self._all(select(RUN.c.id, RUN.c.status).where(RUN.c.id.in_(others)))
        }

    def _outputs(self, told: Sequence[Told]) -> dict[str, Row]:
        wanted = {one.checkin.run_id for one in told if one.checkin.output is not None} & self.runs.keys()
        if not wanted:
            return {}
        return {row["run_id"]: row for row in self._all(select(OUTPUT).where(OUTPUT.c.run_id.in_(wanted)))}

    def _jobs(self, told: Sequence[Told]) -> dict[str, list[Row]]:
        """Index rows by job, for runs that are new and have no monitor to take their job's name from."""
        new = [one for one in told if one.checkin.run_id not in self.runs]
        nameless = {one.checkin.job_id for one in new if (one.checkin.job_id, one.sender.id) not in self.monitors}
        if not nameless:
            return {}
        columns = JOB.c.job_id, JOB.c.tenant_id, JOB.c.name, JOB.c.namespace
        found = self._all(select(*columns).where(JOB.c.job_id.in_(nameless)).order_by(JOB.c.path))
        return {job: [row for row in found if row["job_id"] == job] for job in nameless}

    def status(self, run_id: str) -> str:
        """The state of a run; empty where it is gone."""
        run = self.runs.get(run_id)
        return run["status"] if run else self.statuses.get(run_id, "")

    def put_run(self, run: Row) -> None:
        self._put("run", self.runs, run["id"], run)

    def put_output(self, output: Row) -> None:
        self._put("run_output", self.outputs, output["run_id"], output)

    def _put(self, table: str, known: dict[str, Row], key: str, row: Row) -> None:
        """Notes a row as new or changed; it is written once, as it stands in the end."""
        place = self._inserted if key not in known or (table, key) in self._inserted else self._changed
        known[key] = place[table, key] = row

    def put_monitor(self, monitor: Row) -> None:
        self._changed["monitor", monitor["id"]] = monitor

    def put_checkin(self, row: Row) -> None:
        self._checkins.append(row)
        self.seen[row["id"], row["source_id"]] = row["run_id"]

    def write(self) -> None:
        """Raises IntegrityError where another process has written one of the new rows since they were looked for."""
        self._insert(RUN, self._of(self._inserted, "run"))
        self._update(RUN, "id", self._of(self._changed, "run"), [c.name for c in RUN.c if c.name not in FIXED])
        self._insert(OUTPUT, self._of(self._inserted, "run_output"))
        self._update(OUTPUT, "run_id", self._of(self._changed, "run_output"), ["head", "tail", "lost_bytes"])
        self._insert(CHECKIN, sorted(self._checkins, key=lambda row: (row["id"], row["source_id"])))
        self._update(MONITOR, "id", self._of(self._changed, "monitor"), MONITORED)

    @staticmethod
    def _of(rows: dict[tuple[str, str], Row], table: str) -> list[Row]:
        return [rows[key] for key in sorted(rows) if key[0] == table]

    def _insert(self, table: Table, rows: list[Row]) -> None:
        if rows:
            self._connection.execute(insert(table), rows)

    def _update(self, table: Table, key: str, rows: list[Row], columns: Iterable[str]) -> None:
        if rows:
            columns = tuple(columns)
            statement = (
                update(table)
                .where(table.c[key] == bindparam("the_key"))
                .values({name: bindparam(f"new_{name}") for name in columns})
            )
            changes = [{"the_key": row[key], **{f"new_{name}": row[name] for name in columns}} for row in rows]
            self._connection.execute(statement, changes)


FIXED = frozenset({"id", "tenant_id", "job_id", "job_name", "namespace", "source_id", "endpoint_id", "endpoint_name"})
