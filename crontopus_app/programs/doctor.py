"""``crontopus-server doctor``: checks each component, and says what to do about problems."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import httpx
from redis import Redis
from redis.exceptions import RedisError
from sqlalchemy.exc import DBAPIError

from crontopus_app.base import migrate
from crontopus_app.base.errors import ConfigurationError
from crontopus_app.base.settings import Settings
from crontopus_app.forge import addresses
from crontopus_app.programs import frontend

TIMEOUT_S = 5


@dataclass(frozen=True)
class Finding:
    part: str
    fine: bool
    words: str
    note: bool = False

    def __str__(self) -> str:
        mark = "FAIL" if not self.fine else "note" if self.note else "ok  "
        return f"{mark}  {self.part}: {self.words}"


def examine(config: Settings) -> list[Finding]:
    """One finding per component, in the order of their dependencies. Never raises for an unavailable component."""
    parts: dict[str, Callable[[Settings], str]] = {
        "data folder": _home,
        "console": _console,
        "database": _database,
        "Redis": _redis,
        "forge": _forge,
    }
    return [*(_finding(part, check, config) for part, check in parts.items()), _addresses(config)]


def _addresses(config: Settings) -> Finding:
    """Checks the settings only: this machine cannot test the URLs for other machines."""
    problem = addresses.unreachable(config)
    summary = f"hosts use {addresses.console(config)} and clone from {addresses.public_forge(config)}"
    return Finding("addresses", True, problem or summary, note=bool(problem))


def _finding(part: str, check: Callable[[Settings], str], config: Settings) -> Finding:
    began = time.monotonic()
    try:
        words = check(config)
    except (ConfigurationError, OSError, RedisError, DBAPIError, httpx.HTTPError) as error:
        return Finding(part, False, str(error).splitlines()[0] if str(error) else type(error).__name__)
    return Finding(part, True, f"{words} ({(time.monotonic() - began) * 1000:.0f} ms)")


def _home(config: Settings) -> str:
    config.home.mkdir(mode=0o700, parents=True, exist_ok=True)
    probe = config.home / "doctor.probe"
    probe.write_text("")
    probe.unlink()
    return f"{config.home} is writable"


def _console(_ours: Settings) -> str:
    frontend.check()
    return "built from the current sources"


def _database(config: Settings) -> str:
    if not migrate.at_head(config.database_url):
        raise ConfigurationError("its tables are not up to date. Run: crontopus-server migrate")
    return f"{'embedded, ' if config.embedded_database else ''}tables are up to date"


def _redis(config: Settings) -> str:
    with Redis.from_url(config.redis_url, socket_connect_timeout=TIMEOUT_S, socket_timeout=TIMEOUT_S) as client:
        client.ping()
    return f"{'embedded, ' if config.embedded_redis else ''}responds"


def _forge(config: Settings) -> str:
    login = (config.forgejo_admin_user, config.forgejo_admin_password)
    url = addresses.forge(config)
    answer = httpx.get(f"{url}/api/v1/user", auth=login, timeout=TIMEOUT_S)
    if answer.status_code == httpx.codes.UNAUTHORIZED:
        raise ConfigurationError(
            f"{url} rejects the administrator {login[0]}. Correct CRONTOPUS_FORGEJO_ADMIN_USER and "
            "CRONTOPUS_FORGEJO_ADMIN_PASSWORD"
        )
    answer.raise_for_status()
    return f"{'embedded, ' if config.embedded_forge else ''}{url} accepts the administrator"
