"""Receivers, and settings that let channels reach them on this machine."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from crontopus_app.base import settings as configuration
from tests.alerts.receiver import Receiver, receiving


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as one:
        yield one


@pytest.fixture
def local_allowed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Channels may reach this machine."""
    monkeypatch.setenv("CRONTOPUS_ALERT_NETWORKS", "127.0.0.0/8")
    configuration.settings.cache_clear()
    yield
    monkeypatch.undo()
    configuration.settings.cache_clear()
