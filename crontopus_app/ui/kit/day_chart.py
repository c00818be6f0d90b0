"""The 24-hour chart with *now* in the middle: one lane per job, one SVG path per outcome for ended runs.

Running runs are a small field of their own. A lane is drawn for the time of its ``Grid``; from there the browser
moves it and lets running bars grow (assets/js/timeline.js), without messages from the server.
"""

from __future__ import annotations

import base64
from collections import defaultdict, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from statistics import median
from typing import Any

import reflex as rx

from crontopus_app.queries.timeline import HALF, Day, Lane, TimelineRun
from crontopus_app.ui.kit import colours, words
from crontopus_app.ui.kit.charts import Paths, bar, paths_of
from crontopus_app.ui.kit.parts import link, when

MINUTES = 1440
SHORTEST = 5.0
NARROWEST = 3.0
GOING = 20
# Of runs that began within the same minute, and so overlap, at most this many, the newest, are sent.
PER_MINUTE = 20
GAP = 2.0
# Minutes before and after now that its label covers on a narrow screen; minutes that an hour's label covers.
NEAR = (-40, 150)
BESIDE = 60
# The reference time of a drawing changes this often: until then paths stay equal and are not sent again.
DRAWN_FOR = timedelta(minutes=10)
TICK = timedelta(hours=3)
# An ended run: left edge and width, in minutes.
EndedBar = tuple[float, float, TimelineRun]


@dataclass(frozen=True)
class HourMark:
    """A full hour; ``mute`` hides a label that would overlap now's or an edge."""

    at: str
    left: str
    mute: bool = False


@dataclass(frozen=True)
class Grid:
    """The time in the middle of the drawing, and the full hours of the axis."""

    at: str = ""
    ticks: tuple[HourMark, ...] = ()


@dataclass(frozen=True)
class LaneRow:
    """One job's day in a box of 1440 × 27; ``runs`` lists the runs for the browser's tooltips, newest last.

    A run is ``left,width,status,host,seconds,id`` (the id's bytes in base64); ``host`` is an index into ``hosts``.
    """

    key: str
    name: str
    namespace: str
    href: str
    state: str
    label: str
    paths: Paths
    slots: str
    runs: str
    hosts: str
    last_at: str
    next_at: str


@dataclass(frozen=True)
class RunningBar:
    """The bar of a running run: position, start, and its tooltip ``label``."""

    key: str
    left: str
    top: str
    run_id: str
    since: str
    state: str
    label: str


def drawn_at(now: datetime) -> datetime:
    """The time in the middle of the drawing: ``now`` rounded down to ten minutes."""
    seconds = int(DRAWN_FOR.total_seconds())
    return datetime.fromtimestamp(int(now.timestamp()) // seconds * seconds, UTC)


def grid(at: datetime) -> Grid:
    first = at - HALF
    step = int(TICK.total_seconds())
    whole = datetime.fromtimestamp(-(-int(first.timestamp()) // step) * step, UTC)
    moments = [whole + TICK * each for each in range(9)]
    return Grid(at.isoformat(), tuple(_hour(one, place(one, at)) for one in moments))


def _hour(moment: datetime, minutes: float) -> HourMark:
    near = NEAR[0] < minutes - MINUTES / 2 < NEAR[1]
    return HourMark(moment.isoformat(), f"{minutes / 14.4:.2f}%", near or not BESIDE <= minutes <= MINUTES - BESIDE)


def place(moment: datetime, at: datetime) -> float:
    """Minutes from the left edge of the day with ``at`` in its middle."""
    return (moment - at + HALF).total_seconds() / 60


def lane_row(lane: Lane, at: datetime) -> LaneRow:
    """The lane as drawn at the time ``at``."""
    ended = sorted(
        (mark for mark in lane.marks if mark.seconds is not None), key=lambda mark: (mark.begun, mark.run_id)
    )
    hosts = list(dict.fromkeys(mark.host for mark in ended))
    bars = [(round(place(mark.begun, at), 1), round(_wide(mark), 1), mark) for mark in ended]
    drawn = dict.fromkeys((colours.of_run(mark.status, late=mark.late), left, wide) for left, wide, mark in bars)
    by_minute = defaultdict[int, deque[EndedBar]](lambda: deque(maxlen=PER_MINUTE))
    for each in bars:
        by_minute[round(each[0])].append(each)
    return LaneRow(
        key=f"{lane.namespace}/{lane.name}",
        name=lane.name,
        namespace=lane.namespace,
        href=f"/jobs/{lane.namespace}/{lane.name}",
        state=colours.of_job(lane.state),
        label=words.JOB_WORDS.get(lane.state, lane.state),
        paths=paths_of((colour, _path(colour, left, wide)) for colour, left, wide in drawn),
        slots=outlines([place(slot, at) for slot in lane.slots], _usual(ended)),
        runs="\n".join(_encoded(each, hosts) for minute in by_minute.values() for each in minute),
        hosts="\n".join(hosts),
        last_at=words.iso(ended[-1].begun) if ended else "",
        next_at=words.iso(lane.slots[0]) if lane.slots else "",
    )


def _path(state: str, left: float, wide: float) -> str:
    """The bar of a run; only the states whose shape differs are more than a plain box, which is short to send."""
    if state in ("failed", "late", "unknown"):
        return bar(state, left, 7, wide, 13)
    return f"M{left:.1f} 7h{wide:.1f}v13h-{wide:.1f}z"


def _wide(mark: TimelineRun) -> float:
    return max((mark.seconds or 0) / 60, SHORTEST)


def _encoded(bar: EndedBar, hosts: Sequence[str]) -> str:
    left, wide, mark = bar
    return f"{left:.0f},{wide:.0f},{mark.status},{hosts.index(mark.host)},{mark.seconds:.3g},{_short(mark.run_id)}"


def _short(run_id: str) -> str:
    return base64.urlsafe_b64encode(bytes.fromhex(run_id.replace("-", ""))).decode().rstrip("=")


def _usual(ended: Sequence[TimelineRun]) -> float:
    """Width of a planned run's outline in minutes: the median duration of the last runs."""
    took = [mark.seconds / 60 for mark in ended[-20:] if mark.seconds and mark.status == "success"]
    return max(median(took), 8.0) if took else 8.0


def outlines(lefts: Sequence[float], usual: float) -> str:
    """One outline per slot; a band where slots are too close to be drawn apart."""
    if not lefts:
        return ""
    closest = min((after - before for before, after in pairwise(lefts)), default=MINUTES)
    if closest >= NARROWEST + GAP:
        wide = min(usual, closest - GAP)
        return "".join(f"M{left:.1f} 7h{wide:.1f}v13h-{wide:.1f}z" for left in lefts)
    bands = [[lefts[0], lefts[0] + NARROWEST]]
    for left in lefts[1:]:
        if left - bands[-1][1] < GAP:
            bands[-1][1] = left + NARROWEST
        else:
            bands.append([left, left + NARROWEST])
    return "".join(f"M{left:.1f} 7h{right - left:.1f}v13h-{right - left:.1f}z" for left, right in bands)


def going(day: Day, at: datetime) -> list[RunningBar]:
    """Bars of the running runs, lane by lane; at most ``GOING`` per job, the newest."""
    return [
        RunningBar(
            key=f"{lane.namespace}/{lane.name}",
            left=f"{max(0.0, place(mark.begun, at)) / 14.4:.3f}%",
            top=f"{row * 27 + 29}px",
            run_id=mark.run_id,
            since=mark.begun.isoformat(),
            state=colours.of_run(mark.status, late=mark.late),
            label=f"{lane.name} · running on {mark.host or 'no host'}",
        )
        for row, lane in enumerate(day.lanes)
        for mark in [mark for mark in lane.marks if mark.seconds is None][:GOING]
    ]


def changed(base: Sequence[LaneRow], rows: Iterable[LaneRow]) -> dict[str, LaneRow]:
    """Rows that differ from those in ``base``, by key; both have the same keys."""
    before = {row.key: row for row in base}
    return {row.key: row for row in rows if before[row.key] != row}


def chart(lanes: Any, fresh: Any, now: Any, axis: Any) -> rx.Component:
    """``fresh`` overrides ``lanes`` by key, ``now`` holds the running bars, ``axis`` is a ``Grid``."""
    moved = rx.el.div(rx.foreach(axis.ticks, _tick), rx.foreach(now, _bar), class_name="moved")
    return rx.el.div(
        rx.el.div(moved, class_name="axis"),
        rx.foreach(lanes, lambda lane: _row(rx.cond(fresh.contains(lane.key), fresh[lane.key], lane))),
        rx.el.div(rx.el.span("now ", when(axis.at, "now")), class_name="now"),
        rx.el.div(class_name="sr", id="told", role="status"),
        class_name="timeline",
        data_drawn=axis.at,
    )


def _tick(tick: HourMark) -> rx.Component:
    return rx.el.span(
        when(tick.at, "clock"), class_name=rx.cond(tick.mute, "tick mute", "tick"), style={"left": tick.left}
    )


def _bar(one: RunningBar) -> rx.Component:
    return rx.el.i(
        class_name=f"going s-{one.state}",
        style={"--left": one.left, "top": one.top},
        data_run=one.run_id,
        data_key=one.key,
        data_since=one.since,
        data_label=one.label,
        key=one.run_id,
    )


def _row(lane: Any) -> rx.Component:
    drawing = rx.el.svg(
        rx.el.path(d=lane.slots, class_name="slots"),
        *[rx.el.path(d=getattr(lane.paths, state), class_name=f"s-{state}") for state in Paths.__dataclass_fields__],
        view_box="0 0 1440 27",
        custom_attrs={"preserveAspectRatio": "none", "aria-hidden": "true"},
    )
    return rx.el.div(
        rx.el.div(
            rx.el.s(class_name=f"dot s-{lane.state}", title=lane.label),
            link(lane.name, lane.href),
            rx.el.span(lane.namespace, class_name=f"ns {lane.namespace}"),
            class_name="who2",
        ),
        rx.el.div(
            drawing,
            class_name="lane",
            tab_index=0,
            role="group",
            aria_label=f"runs of {lane.name}: arrow keys move between runs, Enter opens one",
            data_key=lane.key,
            data_name=lane.name,
            data_runs=lane.runs,
            data_hosts=lane.hosts,
        ),
        rx.el.div(
            rx.cond(lane.state == "running", "running · ", ""),
            rx.cond(lane.last_at, rx.fragment("last run ", when(lane.last_at)), "no run in 12 h"),
            rx.cond(lane.next_at, rx.fragment(" · next ", when(lane.next_at, "short")), ""),
            class_name="brief",
        ),
        class_name="row",
        key=lane.key,
    )
