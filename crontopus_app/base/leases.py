"""Leases: rows that keep two processes from doing the same work at once, on every database.

A lease ends by itself, so a process that died blocks nobody for longer than ``LENGTH``; one that died on this machine
is noticed at once. Work under a lease must bear being done twice all the same: a stalled owner may wake up late.
"""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Update, delete, or_, update
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, col

from crontopus_app.base.db import writing
from crontopus_app.base.errors import CrontopusError
from crontopus_app.models import Lease

LENGTH = timedelta(seconds=60)
# A process id comes again, in a restarted container even at once: this tells the two apart.
_PROCESS = secrets.token_hex(6)
# The leases that blocks of this process hold now. A row of ours that is not among them was not given back: the disk
# was full, or the database away.
_HELD: set[str] = set()

Clock = Callable[[], datetime]


class LeaseLost(CrontopusError):
    """Somebody else took the lease over: stop."""

    code = "lease_lost"


@dataclass(frozen=True)
class Held:
    name: str
    owner: str
    now: Clock

    def renew(self) -> None:
        """Moves the end on; raises LeaseLost."""
        with writing() as session:
            mine = update(Lease).where(col(Lease.name) == self.name, col(Lease.owner) == self.owner)
            if _count(session, mine.values(until=self.now() + LENGTH)) != 1:
                raise LeaseLost(f"The lease {self.name} was taken over.")


@contextmanager
def lease(name: str, now: Clock) -> Iterator[Held | None]:
    """The lease for the length of the block, or None where somebody else has it."""
    held = Held(name, f"{socket.gethostname()}/{os.getpid()}/{_PROCESS}/{secrets.token_hex(6)}", now)
    _HELD.add(held.owner)
    try:
        if not _take(held):
            yield None
            return
        try:
            yield held
        finally:
            with writing() as session:
                session.execute(delete(Lease).where(col(Lease.name) == name, col(Lease.owner) == held.owner))
    finally:
        _HELD.discard(held.owner)


def _take(held: Held) -> bool:
    try:
        with writing() as session:
            row = session.get(Lease, held.name)
            if row is None:
                session.add(Lease(name=held.name, owner=held.owner, until=held.now() + LENGTH))
                return True
            free = col(Lease.until) < held.now()
            if _is_free(row.owner):
                free = or_(free, col(Lease.owner) == row.owner)
            taken = update(Lease).where(col(Lease.name) == held.name, free)
            return _count(session, taken.values(owner=held.owner, until=held.now() + LENGTH)) == 1
    except IntegrityError:  # somebody else made the row between our look and our insert
        return False


def _count(session: Session, statement: Update) -> int:
    return session.execute(statement).rowcount  # pyright: ignore[reportAttributeAccessIssue] -- an UPDATE's result has it


def _is_free(owner: str) -> bool:
    """Whether the owner was a process of this machine that is gone, or a block of this process that has ended."""
    host, pid, process, _ = owner.split("/")
    if host != socket.gethostname():
        return False
    if int(pid) == os.getpid():
        return process != _PROCESS or owner not in _HELD
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except PermissionError:  # it lives, under another account
        return False
    return False
