"""Bringing the database to the tables that this release knows."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy.exc import DatabaseError, OperationalError

from crontopus_app.base.db import make_engine
from crontopus_app.base.errors import ConfigurationError

ROOT = Path(__file__).resolve().parents[2]


def config(url: str) -> Config:
    made = Config(str(ROOT / "alembic.ini"))
    made.set_main_option("script_location", str(ROOT / "alembic").replace("%", "%%"))
    made.attributes["url"] = url
    return made


def to_head(url: str) -> None:
    """Migrates; two at once wait for each other. Raises ConfigurationError with a sentence where it cannot."""
    try:
        command.upgrade(config(url), "head")
    except OperationalError as error:
        raise ConfigurationError(f"The database {_shown(url)} cannot be opened: {error.orig}") from error
    except DatabaseError as error:
        raise ConfigurationError(
            f"The database {_shown(url)} is damaged or not one of Crontopus ({error.orig}): "
            "restore it from a backup, or move it away to begin with an empty one."
        ) from error
    except CommandError as error:
        raise ConfigurationError(
            f"The database {_shown(url)} was written by another release of Crontopus ({error}): install that one."
        ) from error


def at_head(url: str) -> bool:
    """Whether the database has exactly this release's tables."""
    current, head = revisions(url)
    return current == head


def revisions(url: str) -> tuple[str, str]:
    """The revision of the database's tables, empty where there are none, and this release's."""
    engine = make_engine(url)
    try:
        with engine.connect() as connection:
            current = MigrationContext.configure(connection).get_current_heads()
    finally:
        engine.dispose()
    return " ".join(sorted(current)), " ".join(sorted(ScriptDirectory.from_config(config(url)).get_heads()))


def _shown(url: str) -> str:
    """The address without its password."""
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2]}"
