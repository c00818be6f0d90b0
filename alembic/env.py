"""Runs migrations in one transaction, one process at a time, on SQLite and PostgreSQL."""

from alembic import context
from sqlalchemy import Connection, text

from crontopus_app.base.db import make_engine
from crontopus_app.base.settings import settings
from crontopus_app.models import metadata

# The key of the advisory lock; any number not used by other locks of this database.
LOCK = 7_206_314_559


def _url() -> str:
    return context.config.attributes.get("url") or settings().database_url


def _migrate(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=metadata,
        compare_type=True,
        render_as_batch=True,
        # Works on SQLite too, with the BEGIN IMMEDIATE of db.py: an interrupted migration changes nothing.
        transactional_ddl=True,
    )
    with context.begin_transaction():
        context.run_migrations()


def run() -> None:
    """Migrates under a lock, so that concurrent migrations wait for each other. Locks of readers have a timeout."""
    engine = make_engine(_url())
    try:
        with engine.connect() as connection:
            if engine.dialect.name == "postgresql":
                connection.execute(text("SET lock_timeout = '60s'"))
                connection.execute(text(f"SELECT pg_advisory_lock({LOCK})"))
                connection.commit()
            else:
                # A batch migration replaces a table; with foreign keys on, dropping the old one would delete rows of
                # other tables. SQLite ignores this statement inside a transaction, so execute it in the driver before.
                cursor = connection.connection.cursor()
                cursor.execute("PRAGMA foreign_keys=OFF")
                cursor.close()
            _migrate(connection)
            connection.commit()
    finally:
        engine.dispose()


run()
