"""The rows that a list of check-ins touches: read together, changed in memory, written together.

A handful of statements, however many check-ins there are. Everything is locked and written in the order of ids, the
monitors before the runs: two processes that write at once wait for each other, and never in a circle.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

from sqlalchemy import Table

from contract import wire
from crontopus_app.models import metadata
from crontopus_app.monitoring.intake.statements import Row, Statements
from crontopus_app.monitoring.state import Standing

RUN, OUTPUT, CHECKIN, MONITOR, JOB = (
    metadata.tables[name] for name in ("run", "run_output", "check_in", "monitor", "job_index")
)
STANDING = tuple(field.name for field in fields(Standing))
MONITORED = (*STANDING, "updated_at")
MONITORS = ("id", "job_id", "source_id", "job_name", "namespace", *MONITORED)


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
    """Rows as mappings of column to value: change them through ``put_…``, then ``write`` them once.

    Made within ``statements.together()``; ``gather`` fetches what was asked for, when that has ended.
    """

    def __init__(self, statements: Statements, told: Sequence[tuple[str, wire.Checkin]]) -> None:
        """``told``: each check-in after the id of its source."""
        self._statements, self._told = statements, told
        self._inserted: dict[tuple[str, str], Row] = {}
        self._changed: dict[tuple[str, str], Row] = {}
        self._checkins: list[Row] = []
        checkins = [checkin for _, checkin in told]
        # Locked, by job and source; a few more than asked for where several sources tell of a job.
        wanted = {"job_id": {one.job_id for one in checkins}, "source_id": {source for source, _ in told}}
        self._monitors = statements.select(MONITOR, MONITORS, wanted, order="id", lock="FOR UPDATE")
        ids = {"id": {one.run_id for one in checkins}}
        self._runs = statements.select(RUN, _columns(RUN), ids, order="id", lock="FOR UPDATE")
        # Looked for once the locks are held.
        self._seen = statements.select(CHECKIN, ("id", "source_id", "run_id"), {"id": {one.id for one in checkins}})

    def gather(self) -> None:
        self.monitors = {(row["job_id"], row["source_id"]): row for row in self._monitors()}
        self.runs = {row["id"]: row for row in self._runs()}
        self.seen = {(row["id"], row["source_id"]): row["run_id"] for row in self._seen()}
        self.statuses = self._statuses()
        self.outputs = self._outputs()
        self.jobs = self._jobs()

    def _statuses(self) -> dict[str, str]:
        """Of runs that known check-ins told of and none of these does."""
        others = set(self.seen.values()) - self.runs.keys()
        if not others:
            return {}
        return {row["id"]: row["status"] for row in self._statements.select(RUN, ("id", "status"), {"id": others})()}

    def _outputs(self) -> dict[str, Row]:
        wanted = {checkin.run_id for _, checkin in self._told if checkin.output is not None} & self.runs.keys()
        if not wanted:
            return {}
        found = self._statements.select(OUTPUT, _columns(OUTPUT), {"run_id": wanted})
        return {row["run_id"]: row for row in found()}

    def _jobs(self) -> dict[str, list[Row]]:
        """Index rows by job, for runs that are new and have no monitor to take their job's name from."""
        new = [(checkin.job_id, source) for source, checkin in self._told if checkin.run_id not in self.runs]
        nameless = {pair[0] for pair in new if pair not in self.monitors}
        if not nameless:
            return {}
        columns = "job_id", "tenant_id", "name", "namespace"
        found = self._statements.select(JOB, columns, {"job_id": nameless}, order="path")()
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
        self.monitors[monitor["job_id"], monitor["source_id"]] = monitor
        self._changed["monitor", monitor["id"]] = monitor

    def put_checkin(self, row: Row) -> None:
        self._checkins.append(row)
        self.seen[row["id"], row["source_id"]] = row["run_id"]

    def write(self) -> None:
        """Raises IntegrityError where another process has written one of the new rows since they were looked for."""
        with self._statements.together():
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
