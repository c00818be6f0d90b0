"""Small charts of SVG paths, one path per outcome: cheap to send and to draw."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

import reflex as rx

from crontopus_app.ui.kit import colours


@dataclass(frozen=True)
class Paths:
    """The ``d`` attribute of each outcome's path; an empty one draws nothing."""

    ok: str = ""
    failed: str = ""
    running: str = ""
    late: str = ""
    missed: str = ""
    unknown: str = ""


def paths_of(drawn: Iterable[tuple[str, str]]) -> Paths:
    by_state: dict[str, list[str]] = defaultdict(list)
    for state, path in drawn:
        by_state[state if state in Paths.__dataclass_fields__ else "unknown"].append(path)
    return Paths(**{state: "".join(paths) for state, paths in by_state.items()})


def bar(state: str, left: float, top: float, wide: float, tall: float) -> str:
    """A bar whose shape says its state without colour: failed is cut in two, late has a slanted top, unknown is hollow.

    Missed bars are dashed and hollow by CSS.
    """
    if state == "failed":
        part = round(tall * 0.38, 1)
        piece = f"h{wide:g}v{part:.1f}h-{wide:g}z"
        return f"M{left:g} {top:.1f}{piece}M{left:g} {top + tall - part:.1f}{piece}"
    if state == "late":
        return f"M{left:g} {top + tall / 2:.1f}l{wide:g} -{tall / 2:.1f}v{tall:.1f}h-{wide:g}z"
    if state == "unknown":
        edge, inner = min(1.2, wide / 4), max(tall - 2.4, 0.0)
        hole = f"M{left + edge:g} {top + 1.2:.1f}v{inner:.1f}h{wide - 2 * edge:g}v-{inner:.1f}z"
        return f"M{left:g} {top:.1f}h{wide:g}v{tall:.1f}h-{wide:g}z{hole}"
    return f"M{left:g} {top:.1f}h{wide:g}v{tall:.1f}h-{wide:g}z"


class HasDuration(Protocol):
    """What a bar shows of a run: status and duration in seconds."""

    @property
    def status(self) -> str: ...

    @property
    def duration_s(self) -> float | None: ...


def bars(runs: Sequence[HasDuration], count: int, height: int = 20) -> Paths:
    """One bar per run, its height the duration; oldest first, right-aligned in ``count`` places of 6 units."""
    longest = max((run.duration_s or 0 for run in runs), default=0) or 1
    shown = runs[-count:]
    first = count - len(shown)
    drawn = []
    for place, run in enumerate(shown, start=first):
        tall = max(0.2, (run.duration_s or 0) / longest) * height
        state = colours.of_run(run.status)
        drawn.append((state, bar(state, place * 6, height - tall, 4, tall)))
    return paths_of(drawn)


def _drawn(paths: Paths) -> list[rx.Component]:
    return [
        rx.el.path(d=paths.ok, class_name="s-ok"),
        rx.el.path(d=paths.failed, class_name="s-failed"),
        rx.el.path(d=paths.running, class_name="s-running"),
        rx.el.path(d=paths.late, class_name="s-late"),
        rx.el.path(d=paths.missed, class_name="s-missed"),
        rx.el.path(d=paths.unknown, class_name="s-unknown"),
    ]


def spark(paths: Paths, label: str) -> rx.Component:
    """Sparkline of the last twenty runs."""
    return rx.el.svg(
        *_drawn(paths),
        view_box="0 0 118 20",
        class_name="bars",
        role="img",
        custom_attrs={"aria-label": label, "preserveAspectRatio": "none"},
    )
