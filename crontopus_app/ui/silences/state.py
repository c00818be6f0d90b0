"""State of the Silences page."""

from __future__ import annotations

from typing import Any

import reflex as rx
from reflex.event import EventSpec

from contract.wire_alerts import WindowRequest, WindowScope
from crontopus_app.base import bounds, clock
from crontopus_app.base.actor import Actor
from crontopus_app.base.errors import CrontopusError
from crontopus_app.jobs import changes, windows
from crontopus_app.ui import problems, session
from crontopus_app.ui.call import call, moment, outside
from crontopus_app.ui.kit import filters, toast
from crontopus_app.ui.kit.filters import Pill
from crontopus_app.ui.silences import rows

FIELDS = ("jobs", "hosts", "minutes", "reason")
KINDS = {"silence": "Silence", "maintenance": "Maintenance"}


class SilencesState(rx.State):
    """The silences and the maintenance. ``kind`` is the chosen one of the form; ``job`` and ``host`` are offered.

    ``added`` counts what was added: the form is empty again then.
    """

    ready: bool = False
    problem: str = ""
    kind: str = "silence"
    kinds: list[Pill] = []  # noqa: RUF012 -- Reflex copies the defaults of a state
    job: str = ""
    host: str = ""
    added: int = 0
    wrong: dict[str, str] = {}  # noqa: RUF012
    windows: list[rows.WindowRow] = []  # noqa: RUF012

    @rx.event
    async def load(self) -> Any:
        """Fills the page and subscribes it to live events."""
        self.wrong = {}
        return await session.opened(self, "tenant", "change")

    async def _fill(self, actor: Actor) -> None:
        chosen = session.query_of(self, "kind")
        session.put(self, "kind", chosen if chosen in KINDS else "silence")
        job, host = session.query_of(self, "job"), session.query_of(self, "host")
        session.put(self, "job", job)
        session.put(self, "host", host)
        given = {name: value for name, value in (("job", job), ("host", host)) if value}
        pills = [
            Pill(label, filters.address("/silences", {"kind": name, **given}), name == self.kind)
            for name, label in KINDS.items()
        ]
        session.put(self, "kinds", pills)
        found = [
            rows.window(one, kind) for kind in KINDS for one in await call(windows.list_all, actor, kind, moment())
        ]
        session.put(self, "windows", sorted(found, key=lambda row: list(rows.COLOURS).index(row.state)))

    @rx.event
    async def add(self, form: dict[str, Any]) -> EventSpec | None:
        """Commits a silence or a maintenance of the chosen kind."""
        try:
            actor = await session.actor_of(self)
            change = await outside(changes.save, windows.add, actor, self.kind, _request(form), clock.now())
            self.wrong, self.added = {}, self.added + 1
            await session.fill(self, actor)
        except CrontopusError as error:
            self.wrong = {name if name in FIELDS else "": words for name, words in problems.fields(error).items()}
            return None
        return toast.say(f"{KINDS[self.kind]} {'committed' if change.commit else 'waits to be committed'}.")

    @rx.event
    async def end(self, form: dict[str, Any]) -> EventSpec:
        """Removes one from crontopus.yaml."""
        try:
            actor = await session.actor_of(self)
            kind = "maintenance" if form.get("kind") == "maintenance" else "silence"
            await outside(changes.save, windows.end, actor, kind, str(form.get("id") or ""), clock.now())
            await session.fill(self, actor)
        except CrontopusError as error:
            return toast.say(problems.sentence(error), "failed")
        return toast.say(f"{KINDS[kind]} removed.")


def _request(form: dict[str, Any]) -> WindowRequest:
    jobs, hosts = (str(form.get(name) or "").replace(",", " ").split() for name in ("jobs", "hosts"))
    if not jobs and not hosts:
        raise bounds.bad("jobs", "Say what it covers: jobs, hosts, or * for everything.")
    everything = set(jobs + hosts) == {"*"}
    scope = WindowScope() if everything else WindowScope(jobs=jobs, endpoints=hosts)
    minutes = str(form.get("minutes") or "")
    return WindowRequest(
        minutes=int(minutes) if minutes.isdigit() else None, when=scope, reason=str(form.get("reason") or "").strip()
    )
