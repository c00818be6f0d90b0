"""Database migrations: upgrades the schema to this release's revision."""

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
    alembic = Config(str(ROOT / "alembic.ini"))
    alembic.set_main_option("script_location", str(ROOT / "alembic").replace("%", "%%"))
    alembic.attributes["url"] = url
    return alembic


def to_head(url: str) -> None:
    """Upgrades the schema; concurrent upgrades wait for each other. Raises ConfigurationError if it cannot."""
    try:
        command.upgrade(config(url), "head")
    except OperationalError as error:
        raise ConfigurationError(f"The database {_without_password(url)} cannot be opened: {error.orig}") from error
    except DatabaseError as error:
        raise ConfigurationError(
            f"The database {_without_password(url)} is damaged or is not a Crontopus database ({error.orig}). "
            "Restore it from a backup, or move it away to start with an empty one."
        ) from error
    except CommandError as error:
        raise ConfigurationError(
            f"The database {_without_password(url)} was written by another release of Crontopus ({error}). "
            "Install that release."
        ) from error


def at_head(url: str) -> bool:
    """Whether the schema has exactly this release's revision."""
    current, head = revisions(url)
    return current == head


def revisions(url: str) -> tuple[str, str]:
    """The revision of the database (empty without tables), and this release's revision."""
    engine = make_engine(url)
    try:
        with engine.connect() as connection:
            current = MigrationContext.configure(connection).get_current_heads()
    finally:
        engine.dispose()
    return " ".join(sorted(current)), " ".join(sorted(ScriptDirectory.from_config(config(url)).get_heads()))


def _without_password(url: str) -> str:
    scheme, _, location = url.partition("://")
    return f"{scheme}://{location.rpartition('@')[2]}"
