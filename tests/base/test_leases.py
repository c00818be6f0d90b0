"""One process at a time, and none that died blocks the rest."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from datetime import datetime, timedelta

import pytest
from sqlalchemy import Engine, update
from sqlalchemy.exc import IntegrityError
from sqlmodel import select

from crontopus_app.base.db import reading, writing
from crontopus_app.base.leases import LENGTH, LeaseLost, lease
from crontopus_app.models import Lease
from tests.cast import NOON


class Clock:
    def __init__(self) -> None:
        self.at = NOON

    def __call__(self) -> datetime:
        return self.at


@pytest.fixture
def clock() -> Clock:
    return Clock()


def hold(owner: str, until: datetime) -> None:
    with writing() as session:
        session.add(Lease(name="work", owner=owner, until=until))


def taken(clock: Clock) -> bool:
    with lease("work", clock) as held:
        return held is not None


def test_the_second_gets_nothing_until_the_first_ends(db: Engine, clock: Clock) -> None:
    with lease("work", clock) as held:
        assert held is not None
        assert not taken(clock)
    assert taken(clock)
    with reading() as session:
        assert session.exec(select(Lease)).all() == []


def test_names_do_not_hinder_each_other(db: Engine, clock: Clock) -> None:
    with lease("other", clock):
        assert taken(clock)


def test_an_error_gives_it_back(db: Engine, clock: Clock) -> None:
    with pytest.raises(RuntimeError), lease("work", clock):
        raise RuntimeError
    assert taken(clock)


def test_it_ends_by_itself(db: Engine, clock: Clock) -> None:
    hold("elsewhere/1/x/y", NOON + LENGTH)
    assert not taken(clock)
    clock.at = NOON + LENGTH + timedelta(seconds=1)
    assert taken(clock)


def test_renewing_moves_the_end(db: Engine, clock: Clock) -> None:
    with lease("work", clock) as held:
        assert held is not None
        clock.at = NOON + LENGTH - timedelta(seconds=1)
        held.renew()
        clock.at = NOON + LENGTH + timedelta(seconds=1)
        assert not taken(clock)


def test_an_owner_that_was_replaced_is_told(db: Engine, clock: Clock) -> None:
    with lease("work", clock) as held:
        assert held is not None
        with writing() as session:
            session.execute(update(Lease).values(owner="elsewhere/1/x/y"))
        with pytest.raises(LeaseLost):
            held.renew()
    assert not taken(clock)


def test_a_process_of_this_machine_that_died_is_replaced_at_once(db: Engine, clock: Clock) -> None:
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    hold(f"{socket.gethostname()}/{child.pid}/x/y", NOON + LENGTH)
    assert taken(clock)


def test_a_process_with_our_number_that_is_not_us_is_dead(db: Engine, clock: Clock) -> None:
    hold(f"{socket.gethostname()}/{os.getpid()}/before-the-restart/y", NOON + LENGTH)
    assert taken(clock)


def test_a_living_process_of_this_machine_keeps_it(db: Engine, clock: Clock) -> None:
    hold(f"{socket.gethostname()}/{os.getppid()}/x/y", NOON + LENGTH)
    assert not taken(clock)


def test_an_owner_takes_its_own_lease_again_where_it_could_not_be_given_back(sqlite_db: Engine, clock: Clock) -> None:
    full = "CREATE TRIGGER full BEFORE DELETE ON lease BEGIN SELECT RAISE(FAIL, 'database or disk is full'); END"
    with sqlite_db.begin() as connection:
        connection.exec_driver_sql(full)
    with pytest.raises(IntegrityError, match="disk is full"), lease("work", clock):
        assert not taken(clock), "while it is held"
    with sqlite_db.begin() as connection:
        connection.exec_driver_sql("DROP TRIGGER full")
    assert taken(clock)
