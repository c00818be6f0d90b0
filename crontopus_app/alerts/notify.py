"""Decides the messages about incidents, and writes them as deliveries in the same transaction.

Each incident says when it is looked at next (``notify_at``), so the cost follows what changes. Whatever is decided is
stored with its reason: a problem that nobody is told of says why.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import update
from sqlmodel import Session, col, func, select

from contract.policy_types import Policy
from contract.routing import Subject, Told, tell
from crontopus_app.alerts import incidents
from crontopus_app.alerts.kinds import KINDS
from crontopus_app.base.db import reading, writing
from crontopus_app.jobs import policies
from crontopus_app.models import Channel, Delivery, Incident, JobIndex

BATCH = 500
# An incident that nobody is told of is looked at again after this time: crontopus.yaml may have changed.
RECHECK = timedelta(minutes=10)
# Open incidents of a tenant that are looked at to see whether they inhibit others.
MOST_OTHERS = 5000


@dataclass(frozen=True)
class _Message:
    """An incident to tell of now, and to whom."""

    incident: Incident
    event: str
    told: Told
    key: str


def notify_due(now: datetime) -> int:
    """Decides the messages that are due. Returns how many incidents it looked at."""
    with reading() as session:
        if session.exec(select(Incident.id).where(col(Incident.notify_at) <= now).limit(1)).first() is None:
            return 0
    with writing() as session:
        due = select(Incident).where(col(Incident.notify_at) <= now).order_by(col(Incident.notify_at)).limit(BATCH)
        found = session.exec(due.with_for_update(skip_locked=True)).all()
        tenants: dict[str, list[Incident]] = defaultdict(list)
        for incident in found:
            tenants[incident.tenant_id].append(incident)
        for tenant_id, some in tenants.items():
            _Decision(session, tenant_id, now).decide(some)
        return len(found)


class _Decision:
    """The messages of one tenant in one transaction."""

    def __init__(self, session: Session, tenant_id: str, now: datetime) -> None:
        self.session, self.tenant_id, self.now = session, tenant_id, now
        self.policy: Policy = policies.of_tenant(session, tenant_id)
        channels = session.exec(select(Channel).where(Channel.tenant_id == tenant_id).order_by(Channel.name)).all()
        self.channels = {channel.name: channel for channel in channels}
        self.open: Sequence[tuple[str, Subject]] | None = None

    def decide(self, found: Sequence[Incident]) -> None:
        jobs = self._jobs({incident.job_id for incident in found if incident.job_id})
        groups: dict[tuple[str, str], list[_Message]] = defaultdict(list)
        for incident in found:
            if incident.closed_at is not None:
                self._tell_closing(incident)
                continue
            message = self._message(incident, subject_of(incident, jobs.get(incident.job_id, {})))
            if message is not None:
                groups[message.key, message.event].append(message)
        if any(event == "opened" for _, event in groups):
            self._add_waiting(groups)
        for (key, event), messages in groups.items():
            self._send(key, event, messages)

    def _add_waiting(self, groups: dict[tuple[str, str], list[_Message]]) -> None:
        """Adds incidents that still wait to the messages of their groups that are sent now."""
        waiting = select(Incident).where(
            Incident.tenant_id == self.tenant_id,
            col(Incident.closed_at).is_(None),
            col(Incident.notify_at) > self.now,
            Incident.handling == "waiting",
        )
        known = {message.incident.id for messages in groups.values() for message in messages}
        locked = self.session.exec(waiting.with_for_update(skip_locked=True)).all()
        found = [incident for incident in locked if incident.id not in known]
        jobs = self._jobs({incident.job_id for incident in found if incident.job_id})
        for incident in found:
            subject = subject_of(incident, jobs.get(incident.job_id, {}))
            told = self._tell(incident, subject)
            key = told.group_key(subject)
            snoozed = incident.snoozed_until is not None and incident.snoozed_until > self.now
            if told.handling == "delivered" and (key, "opened") in groups and not snoozed:
                repeat = told.rules.repeat
                incident.notify_at = None if repeat is None else self.now + repeat
                self.session.add(incident)
                groups[key, "opened"].append(_Message(incident, "opened", told, key))

    def _jobs(self, job_ids: set[str]) -> dict[str, Mapping[str, Any]]:
        mine = JobIndex.tenant_id == self.tenant_id, col(JobIndex.job_id).in_(job_ids)
        return {
            job: manifest or {}
            for job, manifest in self.session.exec(select(JobIndex.job_id, JobIndex.manifest).where(*mine))
        }

    def _message(self, incident: Incident, subject: Subject) -> _Message | None:
        """What is to be told now of an open incident; None, and its next look, if nothing is."""
        incident.notify_at = None
        self.session.add(incident)
        if incident.handling == "bundled":
            return None
        told = self._tell(incident, subject)
        if told.handling != "delivered":
            self._handle(incident, told)
            incident.notify_at = min(told.until or self.now + RECHECK, self.now + RECHECK)
            return None
        begins = max(incident.opened_at + told.rules.group.wait, incident.snoozed_until or incident.opened_at)
        if begins > self.now:
            incident.notify_at = begins
            return None
        event, incident.notify_at = self._next(incident, told)
        if incident.told_at is not None and incident.handling != "delivered":  # held back for a time
            self._handle(incident, told)
        return _Message(incident, event, told, told.group_key(subject)) if event else None

    def _tell(self, incident: Incident, subject: Subject) -> Told:
        others = (other for other_id, other in self._others() if other_id != incident.id)
        return tell(self.policy, subject, self.channels.keys(), self.now, incident.opened_at, others)

    def _others(self) -> Sequence[tuple[str, Subject]]:
        """The tenant's open incidents, if the policy's inhibitions need them, as routes look at them."""
        if self.open is None:
            self.open = self._read_open() if self.policy.inhibit else []
        return self.open

    def _read_open(self) -> list[tuple[str, Subject]]:
        mine = Incident.tenant_id == self.tenant_id, col(Incident.closed_at).is_(None)
        found = self.session.exec(select(Incident).where(*mine).limit(MOST_OTHERS)).all()
        jobs = self._jobs({incident.job_id for incident in found if incident.job_id})
        return [(incident.id, subject_of(incident, jobs.get(incident.job_id, {}))) for incident in found]

    def _next(self, incident: Incident, told: Told) -> tuple[str, datetime | None]:
        """The event to tell of now (empty: none), and when to look again."""
        later = [incident.opened_at + each.after for each in told.rules.escalate]
        again = [at for at in later if at > self.now]
        if incident.told_at is None:
            event = "opened"
        elif incident.acknowledged_at is not None:
            return "", None
        elif any(incident.told_at < at <= self.now for at in later):
            event = "opened"  # for the channels of the escalation: the others have been told
        elif told.rules.repeat is not None and incident.told_at + told.rules.repeat <= self.now:
            event = "reminder"
        else:
            event = ""
        if told.rules.repeat is not None:
            again.append((self.now if event else incident.told_at or self.now) + told.rules.repeat)
        return event, min(again, default=None)

    def _handle(self, incident: Incident, told: Told) -> None:
        if (incident.handling, incident.handling_reason) == (told.handling, told.reason):
            return
        incident.handling, incident.handling_reason, incident.route = told.handling, told.reason, told.route
        incidents.note(self.session, incident, told.handling, self.now, told.reason)

    def _send(self, key: str, event: str, messages: Sequence[_Message]) -> None:
        """One message of the group for each channel, or later, if the last one is too recent."""
        first = messages[0].told
        newest = self.session.exec(
            select(func.max(Delivery.created_at)).where(
                Delivery.tenant_id == self.tenant_id, Delivery.group_key == key, Delivery.event == event
            )
        ).one()
        earliest = None if newest is None or event == "reminder" else newest + first.rules.group.interval
        if earliest is not None and earliest > self.now and not any(m.incident.told_at for m in messages):
            for message in messages:
                message.incident.notify_at = earliest
            return
        for name in dict.fromkeys(name for message in messages for name in message.told.channels):
            some = [message.incident for message in messages if name in message.told.channels]
            if event == "opened":
                some = [incident for incident in some if not self._has_told(self.channels[name], incident)]
            self._deliver(self.channels[name], event, some, key)
        for message in messages:
            message.incident.told_at = self.now
            self._handle(message.incident, message.told)

    def _has_told(self, channel: Channel, incident: Incident) -> bool:
        return channel.id in _told_channels(self.session, incident)

    def _tell_closing(self, incident: Incident) -> None:
        told = _told_channels(self.session, incident)
        for channel in self.channels.values():
            if channel.id in told:
                self._deliver(channel, "closed", [incident], incident.id)
        incident.closing_told_at, incident.notify_at = self.now, None
        self.session.add(incident)

    def _deliver(self, channel: Channel, event: str, about: Sequence[Incident], key: str) -> None:
        if not about:
            return
        each = [[incident] for incident in about] if KINDS[channel.kind].one_by_one else [list(about)]
        for some in each:
            self.session.add(_delivery(channel, event, some, key, self.now))


def look_again(session: Session, tenant_id: str, now: datetime) -> None:
    """Lets the tenant's incidents that nobody is told of be looked at again, because its channels have changed."""
    untold = col(Incident.tenant_id) == tenant_id, col(Incident.closed_at).is_(None), col(Incident.handling) == "nobody"
    session.execute(update(Incident).where(*untold).values(notify_at=now))


def tell_acknowledged(session: Session, incident: Incident, now: datetime) -> None:
    """Tells the receivers that know of the incident, and know acknowledging, that somebody takes care of it."""
    told = select(Channel).where(col(Channel.id).in_(_told_channels(session, incident)))
    for channel in session.exec(told):
        if KINDS[channel.kind].acknowledges:
            session.add(_delivery(channel, "acknowledged", [incident], incident.id, now))


def _told_channels(session: Session, incident: Incident) -> set[str]:
    """Channels that have got, or wait for, the message that the incident is open."""
    query = select(Delivery.channel_id, Delivery.incident_ids).where(
        Delivery.tenant_id == incident.tenant_id,
        Delivery.event == "opened",
        col(Delivery.state).in_(("waiting", "sent")),
        col(Delivery.created_at) >= incident.opened_at,
    )
    return {channel for channel, ids in session.exec(query) if incident.id in ids}


def _delivery(channel: Channel, event: str, some: Sequence[Incident], key: str, now: datetime) -> Delivery:
    return Delivery(
        tenant_id=channel.tenant_id,
        channel_id=channel.id,
        event=event,
        incident_ids=[incident.id for incident in some],
        incident_id=some[0].id,
        total=len(some),
        group_key=key,
        created_at=now,
        next_at=now,
    )


def subject_of(incident: Incident, manifest: Mapping[str, Any]) -> Subject:
    """What routes look at, from the incident and its job's manifest as the index stores it."""
    return Subject(
        incident.namespace,
        incident.job_name,
        incident.endpoint_name,
        incident.cause,
        (manifest.get("labels") or {}),
        (manifest.get("alerts") or {}).get("route"),
        incident.severity,
    )
