"""``crontopus-server doctor``: each part asked once, in words that say what to do."""

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


def examine(ours: Settings) -> list[Finding]:
    """One finding a part, in the order in which they depend on each other; never raises for a part that is away."""
    parts: dict[str, Callable[[Settings], str]] = {
        "data folder": _home,
        "console": _console,
        "database": _database,
        "Redis": _redis,
        "forge": _forge,
    }
    return [*(_finding(part, check, ours) for part, check in parts.items()), _addresses(ours)]


def _addresses(ours: Settings) -> Finding:
    """Asks nobody: only what the settings say can be judged from here."""
    problem = addresses.unreachable(ours)
    given = f"hosts use {addresses.console(ours)} and clone from {addresses.public_forge(ours)}"
    return Finding("addresses", True, problem or given, note=bool(problem))


def _finding(part: str, check: Callable[[Settings], str], ours: Settings) -> Finding:
    began = time.monotonic()
    try:
        words = check(ours)
    except (ConfigurationError, OSError, RedisError, DBAPIError, httpx.HTTPError) as error:
        return Finding(part, False, str(error).splitlines()[0] if str(error) else type(error).__name__)
    return Finding(part, True, f"{words} ({(time.monotonic() - began) * 1000:.0f} ms)")


def _home(ours: Settings) -> str:
    ours.home.mkdir(mode=0o700, parents=True, exist_ok=True)
    probe = ours.home / "doctor.probe"
    probe.write_text("")
    probe.unlink()
    return f"{ours.home} can be written"


def _console(_ours: Settings) -> str:
    frontend.check()
    return "built from the present sources"


def _database(ours: Settings) -> str:
    if not migrate.at_head(ours.database_url):
        raise ConfigurationError("its tables are not this release's: run `crontopus-server migrate`")
    return f"{'embedded, ' if ours.embedded_database else ''}tables are this release's"


def _redis(ours: Settings) -> str:
    with Redis.from_url(ours.redis_url, socket_connect_timeout=TIMEOUT_S, socket_timeout=TIMEOUT_S) as client:
        client.ping()
    return f"{'embedded, ' if ours.embedded_redis else ''}answers"


def _forge(ours: Settings) -> str:
    login = (ours.forgejo_admin_user, ours.forgejo_admin_password)
    url = addresses.forge(ours)
    answer = httpx.get(f"{url}/api/v1/user", auth=login, timeout=TIMEOUT_S)
    if answer.status_code == httpx.codes.UNAUTHORIZED:
        raise ConfigurationError(f"{url} refuses the administrator {login[0]}: correct name and password")
    answer.raise_for_status()
    return f"{'embedded, ' if ours.embedded_forge else ''}{url} knows its administrator"
