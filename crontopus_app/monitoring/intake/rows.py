"""The rows that a batch of check-ins changes: read together, changed in memory, written together.

The number of statements does not depend on the number of check-ins. Rows are locked and written in the order of ids,
monitors before runs, so that concurrent processes cannot deadlock.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

from sqlalchemy import Table

from contract import wire
from crontopus_app.models import metadata
from crontopus_app.monitoring.intake.statements import Row, Statements
from crontopus_app.monitoring.state import HEALTH, MonitorState

RUN, OUTPUT, CHECKIN, MONITOR, JOB = (
    metadata.tables[name] for name in ("run", "run_output", "check_in", "monitor", "job_index")
)
STATE = tuple(field.name for field in fields(MonitorState))
MONITORED = (*STATE, "last_success_at", "counts", "next_deadline", "alert_at", "updated_at")
MONITORS = (
    "id",
    "job_id",
    "source_id",
    "job_name",
    "namespace",
    "lines",
    "grace_s",
    "run_limit_s",
    "finish_by",
    "settled_until",
    "incident_id",
    *MONITORED,
)


@dataclass(frozen=True)
class Sender:
    """A source of check-ins: an endpoint, or a ping key (without ``endpoint_id``). Its runs show its name."""

    id: str
    tenant_id: str
    name: str
    endpoint_id: str | None


@dataclass(frozen=True)
class SentCheckin:
    """A valid check-in and its authenticated sender."""

    sender: Sender
    checkin: wire.Checkin


class Rows:
    """The rows as dicts by column: change them with ``put_…``, then ``write`` them once.

    Create it inside ``statements.together()``, and call ``gather`` after that block to fetch the rows.
    """

    def __init__(self, statements: Statements, sent: Sequence[tuple[str, wire.Checkin]]) -> None:
        """``sent`` are pairs of a source's id and its check-in."""
        self._statements, self._sent = statements, sent
        self._inserted: dict[tuple[str, str], Row] = {}
        self._changed: dict[tuple[str, str], Row] = {}
        self._checkins: list[Row] = []
        self._missed: set[str] = set()
        checkins = [checkin for _, checkin in sent]
        # Locks some unneeded monitors too: every pair of these jobs and these sources.
        pairs = {"job_id": {checkin.job_id for checkin in checkins}, "source_id": {source for source, _ in sent}}
        self._monitors = statements.select(MONITOR, MONITORS, pairs, order="id", lock="FOR UPDATE")
        ids = {"id": {checkin.run_id for checkin in checkins}}
        self._runs = statements.select(RUN, _columns(RUN), ids, order="id", lock="FOR UPDATE")
        # Selected after the locks are held.
        checkin_ids = {"id": {checkin.id for checkin in checkins}}
        self._seen = statements.select(CHECKIN, ("id", "source_id", "run_id"), checkin_ids)

    def gather(self) -> None:
        self.monitors = {(row["job_id"], row["source_id"]): row for row in self._monitors()}
        self.runs = {row["id"]: row for row in self._runs()}
        self.seen = {(row["id"], row["source_id"]): row["run_id"] for row in self._seen()}
        self.statuses = self._statuses()
        self.outputs = self._outputs()
        self.jobs = self._jobs()

    def _statuses(self) -> dict[str, str]:
        """Statuses of runs that only duplicate check-ins of this batch refer to."""
        duplicates = set(self.seen.values()) - self.runs.keys()
        if not duplicates:
            return {}
        return {
            row["id"]: row["status"] for row in self._statements.select(RUN, ("id", "status"), {"id": duplicates})()
        }

    def _outputs(self) -> dict[str, Row]:
        run_ids = {checkin.run_id for _, checkin in self._sent if checkin.output is not None} & self.runs.keys()
        if not run_ids:
            return {}
        select = self._statements.select(OUTPUT, _columns(OUTPUT), {"run_id": run_ids})
        return {row["run_id"]: row for row in select()}

    def _jobs(self) -> dict[str, list[Row]]:
        """Index rows by job, for new runs without a monitor that has the job's name."""
        new = [(checkin.job_id, source) for source, checkin in self._sent if checkin.run_id not in self.runs]
        nameless = {pair[0] for pair in new if pair not in self.monitors}
        if not nameless:
            return {}
        columns = "job_id", "tenant_id", "name", "namespace"
        rows = self._statements.select(JOB, columns, {"job_id": nameless}, order="path")()
        return {job: [row for row in rows if row["job_id"] == job] for job in nameless}

    def status(self, run_id: str) -> str:
        """The status of a run; empty if it was deleted."""
        run = self.runs.get(run_id)
        return run["status"] if run else self.statuses.get(run_id, "")

    def put_run(self, run: Row) -> None:
        self._put("run", self.runs, run["id"], run)

    def put_output(self, output: Row) -> None:
        self._put("run_output", self.outputs, output["run_id"], output)

    def _put(self, table: str, rows: dict[str, Row], key: str, row: Row) -> None:
        """Marks a row as new or changed. It is written once, with its last values."""
        target = self._inserted if key not in rows or (table, key) in self._inserted else self._changed
        rows[key] = target[table, key] = row

    def put_monitor(self, monitor: Row) -> None:
        self.monitors[monitor["job_id"], monitor["source_id"]] = monitor
        self._changed["monitor", monitor["id"]] = monitor

    def put_checkin(self, row: Row) -> None:
        self._checkins.append(row)
        self.seen[row["id"], row["source_id"]] = row["run_id"]

    def remove_missed(self, run_id: str) -> None:
        """Removes the run that recorded a slot as missed, if there is one."""
        self._missed.add(run_id)

    def newest_decided(self, of: Row) -> list[Row]:
        """Of the runs of ``of``'s monitor that decide its health, the newest stored one and all of this batch."""
        among = {name: {of[name]} for name in ("tenant_id", "job_id", "source_id")} | {"status": set(HEALTH)}
        columns = ("id", "sort_at", "slot", *among)
        # One of them may be a missed run that this batch removes.
        stored = self._statements.select(RUN, columns, among, order="sort_at", newest=len(self._missed) + 1)()
        runs = {run["id"]: run for run in stored if run["id"] not in self._missed} | self.runs
        return [run for run in runs.values() if all(run[name] in values for name, values in among.items())]

    def write(self) -> None:
        """Writes the rows. Raises IntegrityError if another process inserted one of the new rows meanwhile."""
        with self._statements.together():
            self._statements.delete(RUN, "id", self._missed)
            self._statements.insert(RUN, self._of(self._inserted, "run"))
            self._statements.update(RUN, "id", FOLDED, self._of(self._changed, "run"))
            self._statements.insert(OUTPUT, self._of(self._inserted, "run_output"))
            self._statements.update(
                OUTPUT, "run_id", ("head", "tail", "lost_bytes"), self._of(self._changed, "run_output")
            )
            self._statements.insert(CHECKIN, sorted(self._checkins, key=lambda row: (row["id"], row["source_id"])))
            self._statements.update(MONITOR, "id", MONITORED, self._of(self._changed, "monitor"))

    @staticmethod
    def _of(rows: dict[tuple[str, str], Row], table: str) -> list[Row]:
        return [rows[key] for key in sorted(rows) if key[0] == table]


def _columns(table: Table) -> tuple[str, ...]:
    return tuple(column.name for column in table.c)


FIXED = frozenset({"id", "tenant_id", "job_id", "job_name", "namespace", "source_id", "endpoint_id", "endpoint_name"})
FOLDED = tuple(name for name in _columns(RUN) if name not in FIXED)
