"""Fixtures: an endpoint of tenant acme in its own folder, and its control plane."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from agent import enroll as enrolment
from agent.control import connect
from agent.host import Host
from agent.reconcile import Agent
from agent.schedulers import Crontab, CrontabFile
from agent.state import State
from contract.wire import PassReport
from tests.agent.twin import ENROLLMENT, Twin, running

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=timezone.utc)


@pytest.fixture
def twin() -> Iterator[Twin]:
    with running(Twin()) as served:
        yield served


@dataclass
class Box:
    """One host: its state folder, its crontab file, and the control plane."""

    twin: Twin
    folder: Path
    state: State
    crontab: Path
    host: Host
    agent: Agent = field(init=False)

    def once(self, **options: Any) -> PassReport:
        return self.agent.once(**options)

    def push(self, files: dict[str, Any], message: str = "A change") -> PassReport:
        """Pushes and makes the next pass."""
        self.twin.push(files, message)
        return self.once()

    def text(self) -> str:
        return self.crontab.read_text()

    def outcomes(self, report: PassReport) -> dict[str, str]:
        return {entry.path: entry.outcome for entry in report.entries}

    def reasons(self, report: PassReport) -> str:
        return "\n".join(entry.reason for entry in report.entries)


def make_host(**facts: Any) -> Host:
    defaults: dict[str, Any] = {
        "hostname": "db01",
        "platform": "linux-x86_64",
        "zone": "UTC",
        "root": False,
        "user": "ana",
        "policy": "debian",
        "capabilities": {"scheduler": "file"},
    }
    return Host(**{**defaults, **facts})


@pytest.fixture
def make_box(twin: Twin, tmp_path: Path) -> Iterator[Callable[..., Box]]:
    """Enrols a host with ``original`` as its crontab (None: no crontab)."""

    agents: list[Agent] = []

    def make(
        original: bytes | None = b"", name: str = "db01", labels: dict[str, str] | None = None, **facts: Any
    ) -> Box:
        folder = tmp_path / name
        folder.mkdir()
        crontab = folder / "crontab"
        if original is not None:
            crontab.write_bytes(original)
        state = State(folder / "state")
        enrolment.enroll(state, twin.url, ENROLLMENT, str(crontab), name, labels or {}, "machine-1")
        host = make_host(**facts)
        box = Box(twin, folder, state, crontab, host)
        box.agent = Agent(
            state, Crontab(CrontabFile(crontab), state.runner), connect(state.identity()), lambda: box.host, lambda: NOW
        )
        agents.append(box.agent)
        return box

    yield make
    for agent in agents:
        agent.close()


@pytest.fixture
def box(make_box: Callable[..., Box]) -> Box:
    return make_box()
