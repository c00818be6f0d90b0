"""What this installation is made of: versions, and the settings in force. For operators only."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version

from sqlalchemy import text
from sqlmodel import Session, col, func, select

from contract import wire_operator as wire
from crontopus_app.base import migrate, probes
from crontopus_app.base.actor import Actor
from crontopus_app.base.db import reading
from crontopus_app.base.masking import DOTS, masked
from crontopus_app.base.probes import TIMEOUT_S, ProbeResult
from crontopus_app.base.queue import info
from crontopus_app.base.settings import PREFIX, SECRETS, in_force, settings, source
from crontopus_app.forge.configured import forge
from crontopus_app.models import Endpoint

DATABASES = {"sqlite": ("SQLite", "SELECT sqlite_version()"), "postgresql": ("PostgreSQL", "SHOW server_version")}
LIBRARIES = (("Reflex", "reflex"), ("FastAPI", "fastapi"), ("granian", "granian"), ("RQ", "rq"))


def versions(actor: Actor, timeout_s: float = TIMEOUT_S) -> wire.Versions:
    """Versions of all components; one that does not respond within ``timeout_s`` seconds shows the problem instead."""
    actor.require_operator()
    functions = {
        "version of the database": _database,
        "version of Redis": _redis,
        "version of the forge": _forge,
        "schema": lambda: migrate.revisions(settings().database_url),
    }
    answers = probes.run(functions, timeout_s)
    schema, head = answers["schema"].value or (answers["schema"].problem, "")
    own = [wire.Version("Crontopus", version("crontopus")), wire.Version("Python", platform.python_version())]
    own += [wire.Version(name, version(package)) for name, package in LIBRARIES]
    asked = [
        _told("Database", answers["version of the database"]),
        _told("Redis", answers["version of Redis"]),
        _told("Git server", answers["version of the forge"]),
    ]
    with reading() as session:
        return wire.Versions(own + asked, _agents(session), schema, head)


def _told(name: str, answer: ProbeResult) -> wire.Version:
    return wire.Version(name, answer.problem, ok=False) if answer.problem else wire.Version(name, str(answer.value))


def _database() -> str:
    with reading() as session:
        name, question = DATABASES[session.get_bind().dialect.name]
        return f"{name} {session.connection().execute(text(question)).scalar_one()}"


def _redis() -> str:
    said = info("server")
    return f"Valkey {said['valkey_version']}" if "valkey_version" in said else f"Redis {said['redis_version']}"


def _forge() -> str:
    return f"{'embedded, ' if settings().embedded_forge else 'Forgejo '}{forge().version()}"


def _agents(session: Session) -> list[wire.AgentVersion]:
    """Of the active endpoints, the most used first."""
    count = func.count()
    used = select(Endpoint.agent_version, count).where(Endpoint.status == "active")
    rows = session.exec(used.group_by(col(Endpoint.agent_version)).order_by(count.desc()))
    return [wire.AgentVersion(agent or "not told yet", endpoints) for agent, endpoints in rows]


def settings_in_force(actor: Actor) -> list[wire.SettingInForce]:
    """Every setting with where it comes from; secrets are dots."""
    actor.require_operator()
    return [
        wire.SettingInForce(
            name=f"{PREFIX}{name}",
            value=DOTS if name in SECRETS else masked(value),
            source=_source(name),
        )
        for name, value in in_force(settings()).items()
    ]


def _source(name: str) -> str:
    found = source(os.environ, name)
    return "made in the data folder" if found == "default" and name in SECRETS else found
