"""What every test stands on: no settings of this machine, no log record at ERROR, real servers on request."""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

from crontopus_app.base.settings import settings

pytest_plugins = [
    "tests.fixtures.browser",
    "tests.fixtures.database",
    "tests.fixtures.redis_server",
    "tests.fixtures.served",
    "tests.fixtures.tenants",
    "tests.fixtures.unheld",
]


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks the tests that drive a browser: they need a process of their own.

    Playwright keeps an event loop running in the thread that started it, beside which no asynchronous test can run.
    """
    for item in items:
        if "browser" in getattr(item, "fixturenames", ()):
            item.add_marker("browser")


def pytest_configure() -> None:
    """Programs under test begin with signals as cron hands them down, however these tests were started.

    ``nohup`` ignores HUP, and a shell that starts something in the background INT and QUIT; children inherit that.
    """
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    signal.signal(signal.SIGQUIT, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)


# Both say something of the machine's load or of chance, nothing of our code.
hypothesis.settings.register_profile(
    "ours",
    deadline=None,
    derandomize=bool(os.environ.get("CI")),
    suppress_health_check=[hypothesis.HealthCheck.too_slow, hypothesis.HealthCheck.filter_too_much],
)
hypothesis.settings.load_profile("ours")


@pytest.fixture(autouse=True, scope="session")
def _own_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A data folder of this session's own: a developer's settings and data are neither read nor written."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("CRONTOPUS_")]:
            patch.delenv(name)
        patch.setenv("CRONTOPUS_HOME", str(home))
        settings.cache_clear()
        yield home
    settings.cache_clear()


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Asynchronous tests run on asyncio, as granian does."""
    return "asyncio"


class _Errors(logging.Handler):
    """Keeps the records at ERROR and above."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


@pytest.fixture(autouse=True)
def _no_errors_logged(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fails a test that logs at ERROR (Reflex only logs a wrong assignment), unless it is marked ``logs_errors``."""
    handler = _Errors()
    logging.getLogger().addHandler(handler)
    try:
        yield
    finally:
        logging.getLogger().removeHandler(handler)
    if handler.records and request.node.get_closest_marker("logs_errors") is None:
        pytest.fail("logged at ERROR: " + "; ".join(record.getMessage() for record in handler.records))
