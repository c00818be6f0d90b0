"""Leases: database rows that keep two processes from doing the same work at once.

A lease expires after its length (``LENGTH`` by default), so a dead process blocks others no longer than that; the
lease of a process that died on this machine is free at once. Work under a lease must still be repeatable: a stalled
owner may resume late.
"""

from __future__ import annotations

import logging
import os
import secrets
import socket
import threading
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

log = logging.getLogger(__name__)

LENGTH = timedelta(seconds=60)
# How often a process that stands by looks whether the lease is free.
STANDBY_S = 2.0
# Process ids are reused, in a restarted container at once: this distinguishes the processes.
_PROCESS = secrets.token_hex(6)
# Owners of the leases that this process holds. A row of this process that is not among them could not be deleted: the
# disk was full, or the database unavailable.
_OWNERS: set[str] = set()

Clock = Callable[[], datetime]


class LeaseLost(CrontopusError):
    """Another process took over the lease; the work must stop."""

    code = "lease_lost"


@dataclass(frozen=True)
class HeldLease:
    name: str
    owner: str
    now: Clock
    length: timedelta = LENGTH

    def renew(self) -> None:
        """Extends the lease by its length from now; raises LeaseLost."""
        with writing() as session:
            statement = update(Lease).where(col(Lease.name) == self.name, col(Lease.owner) == self.owner)
            if _count(session, statement.values(until=self.now() + self.length)) != 1:
                raise LeaseLost(f"Another process took over the lease {self.name}.")


@contextmanager
def lease(name: str, now: Clock, length: timedelta = LENGTH) -> Iterator[HeldLease | None]:
    """Holds the lease during the block; yields None if another process holds it."""
    held = HeldLease(name, f"{socket.gethostname()}/{os.getpid()}/{_PROCESS}/{secrets.token_hex(6)}", now, length)
    _OWNERS.add(held.owner)
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
        _OWNERS.discard(held.owner)


def lead(
    name: str, length: timedelta, stop: threading.Event, now: Clock, work: Callable[[HeldLease], None], trouble: str
) -> None:
    """Calls ``work`` while this process holds the lease, and stands by while another one does, until ``stop`` is set.

    Errors are logged as ``trouble``, and the work begins again.
    """
    while not stop.is_set():
        try:
            with lease(name, now, length) as held:
                if held is not None:
                    work(held)
        except LeaseLost as error:
            log.warning("%s", error)
        except CrontopusError as error:
            log.warning("%s: %s", trouble, error)
        except Exception:
            log.exception("%s", trouble)
        stop.wait(STANDBY_S)


def _take(held: HeldLease) -> bool:
    try:
        with writing() as session:
            row = session.get(Lease, held.name)
            if row is None:
                session.add(Lease(name=held.name, owner=held.owner, until=held.now() + held.length))
                return True
            free = col(Lease.until) < held.now()
            if _is_free(row.owner):
                free = or_(free, col(Lease.owner) == row.owner)
            statement = update(Lease).where(col(Lease.name) == held.name, free)
            return _count(session, statement.values(owner=held.owner, until=held.now() + held.length)) == 1
    except IntegrityError:  # another process inserted the row between our query and our insert
        return False


def _count(session: Session, statement: Update) -> int:
    return session.execute(statement).rowcount  # pyright: ignore[reportAttributeAccessIssue] -- an UPDATE's result has it


def _is_free(owner: str) -> bool:
    """Whether the owner was a process of this machine that has ended, or a block of this process that has ended."""
    host, pid, process, _ = owner.split("/")
    if host != socket.gethostname():
        return False
    if int(pid) == os.getpid():
        return process != _PROCESS or owner not in _OWNERS
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except PermissionError:  # the process exists, under another account
        return False
    return False
