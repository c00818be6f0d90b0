"""Rows of the Search page."""

from __future__ import annotations

from dataclasses import dataclass

from crontopus_app.queries.search import Found, Group, Hit
from crontopus_app.ui.kit import colours, words

HEADS = {"job": "Jobs", "run": "Runs", "endpoint": "Endpoints", "commit": "Commits"}


@dataclass(frozen=True)
class HitRow:
    title: str
    detail: str
    href: str
    state: str
    label: str
    at: str


@dataclass(frozen=True)
class GroupRow:
    """Hits of one kind. ``all`` is the address of the full list, empty if all are shown."""

    head: str
    all: str
    hits: list[HitRow]


def groups(results: Found) -> list[GroupRow]:
    return [_group(group) for group in results.groups]


def _group(group: Group) -> GroupRow:
    every = group.href if group.more else ""
    return GroupRow(HEADS[group.kind], every, [_hit(hit) for hit in group.hits])


def _hit(hit: Hit) -> HitRow:
    colour = {"run": colours.of_run, "endpoint": colours.of_host, "job": colours.of_job}.get(hit.kind)
    return HitRow(
        title=hit.title,
        detail=hit.detail,
        href=hit.href,
        state=colour(hit.state) if colour and hit.state else "",
        label=hit.state,
        at=words.iso(hit.at),
    )
