"""Small charts as SVG paths, one path an outcome: cheap to send, cheap to draw."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import reflex as rx

from contract import wire
from crontopus_app.ui.kit import words
from crontopus_app.ui.kit.parts import link, when

DAY = 1440
HALF = timedelta(hours=12)
SHORTEST = 5.0
SLOT = 8.0


@dataclass(frozen=True)
class Paths:
    """The ``d`` of one path an outcome; empty ones draw nothing."""

    ok: str = ""
    failed: str = ""
    running: str = ""
    missed: str = ""
    unknown: str = ""


def _paths(drawn: Iterable[tuple[str, str]]) -> Paths:
    by_state: dict[str, list[str]] = defaultdict(list)
    for state, path in drawn:
        by_state[state if state in Paths.__dataclass_fields__ else "unknown"].append(path)
    return Paths(**{state: "".join(paths) for state, paths in by_state.items()})


def bars(runs: Sequence[wire.Run], count: int, height: int = 20) -> Paths:
    """A bar a run, as high as it was long, oldest first, right-aligned in ``count`` places of 6 units."""
    longest = max((run.duration_s or 0 for run in runs), default=0) or 1
    shown = runs[-count:]
    first = count - len(shown)
    drawn = []
    for place, run in enumerate(shown, start=first):
        tall = max(0.2, (run.duration_s or 0) / longest) * height
        drawn.append((words.run_state(run.status), f"M{place * 6} {height - tall:.1f}h4v{tall:.1f}h-4z"))
    return _paths(drawn)


def _outlines(lefts: Sequence[float]) -> str:
    """An outline a slot; slots closer than an outline is wide become one band."""
    bands: list[list[float]] = []
    for left in lefts:
        if bands and left - bands[-1][1] < SLOT:
            bands[-1][1] = left + SLOT - 2
        else:
            bands.append([left, left + SLOT - 2])
    return "".join(f"M{left:.1f} 7h{right - left:.1f}v13h-{right - left:.1f}z" for left, right in bands)


@dataclass(frozen=True)
class Lane:
    """One job's day: paths in a box of 1440 × 27, ``runs`` tells the pointer which run is where."""

    name: str
    namespace: str
    href: str
    state: str
    paths: Paths
    slots: str
    runs: str


def axis(now: datetime) -> list[str]:
    """The eight moments that the axis names, three hours apart, now the fifth."""
    return [(now - HALF + timedelta(hours=3 * step)).isoformat() for step in range(8)]


def place(at: datetime, now: datetime) -> float:
    """Minutes from the left edge of a day that has ``now`` in its middle."""
    return (at - now + HALF).total_seconds() / 60


def lane(job: wire.JobSummary, runs: Sequence[wire.Run], slots: Iterable[datetime], now: datetime) -> Lane:
    """A job's runs of the last twelve hours and its slots of the next twelve."""
    drawn, known = [], []
    for run in runs:
        begun = run.started_at or run.received_at
        left = max(0.0, place(begun, now))
        right = DAY / 2 if run.status == "running" else left + (run.duration_s or 0) / 60
        wide = max(right - left, SHORTEST)
        state = words.run_state(run.status)
        drawn.append((state, f"M{left:.1f} 7h{wide:.1f}v13h-{wide:.1f}z"))
        text = f"{job.name} · {run.status} on {run.endpoint_name or 'no host'} · took {words.took(run.duration_s)}"
        known.append(f"{left:.0f}\t{wide:.0f}\t{run.id}\t{text}")
    outlines = _outlines([place(slot, now) for slot in slots])
    href = f"/jobs/{job.namespace}/{job.name}"
    state = words.job_state(job.state)
    return Lane(job.name, job.namespace, href, state, _paths(drawn), outlines, "\n".join(known))


def _drawn(paths: Paths) -> list[rx.Component]:
    return [
        rx.el.path(d=paths.ok, class_name="s-ok"),
        rx.el.path(d=paths.failed, class_name="s-failed"),
        rx.el.path(d=paths.running, class_name="s-running"),
        rx.el.path(d=paths.missed, class_name="s-missed"),
        rx.el.path(d=paths.unknown, class_name="s-unknown"),
    ]


def spark(paths: Paths, label: str) -> rx.Component:
    """The last twenty runs."""
    return rx.el.svg(
        *_drawn(paths),
        view_box="0 0 118 20",
        class_name="bars",
        role="img",
        custom_attrs={"aria-label": label, "preserveAspectRatio": "none"},
    )


def durations(paths: Paths) -> rx.Component:
    """The last sixty runs, over the whole width."""
    return rx.el.svg(
        *_drawn(paths),
        view_box="0 0 358 96",
        class_name="dur",
        role="img",
        custom_attrs={"aria-label": "how long the last runs took", "preserveAspectRatio": "none"},
    )


def timeline(lanes: Any, hours: Any, now: Any) -> rx.Component:
    """24 hours with now in the middle: one lane a job; ``hours`` are the eight moments of the axis."""
    ticks = [rx.el.span(when(hours[i], "clock"), style={"left": f"{i * 12.5}%"}) for i in range(8) if i != 4]
    return rx.el.div(
        rx.el.div(*ticks, class_name="axis"),
        rx.foreach(lanes, _row),
        rx.el.div(rx.el.span("now ", when(now, "clock")), class_name="now"),
        class_name="timeline",
    )


def _row(lane: Lane) -> rx.Component:
    drawing = rx.el.svg(
        rx.el.path(d=lane.slots, class_name="slots"),
        *_drawn(lane.paths),
        view_box="0 0 1440 27",
        custom_attrs={"preserveAspectRatio": "none", "data-runs": lane.runs, "aria-hidden": "true"},
    )
    return rx.el.div(
        rx.el.div(
            rx.el.s(class_name=f"dot s-{lane.state}"),
            link(lane.name, lane.href),
            rx.el.span(lane.namespace, class_name=f"ns {lane.namespace}"),
            class_name="who2",
        ),
        rx.el.div(drawing, class_name="lane"),
        class_name="row",
    )
