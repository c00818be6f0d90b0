"""Versions of the installation's components, and the settings in force. For operators only."""

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
    results = probes.run(functions, timeout_s)
    schema, head = results["schema"].value or (results["schema"].problem, "")
    own = [wire.Version("Crontopus", version("crontopus")), wire.Version("Python", platform.python_version())]
    own += [wire.Version(name, version(package)) for name, package in LIBRARIES]
    probed = [
        _version("Database", results["version of the database"]),
        _version("Redis", results["version of Redis"]),
        _version("Git server", results["version of the forge"]),
    ]
    with reading() as session:
        return wire.Versions(own + probed, _agents(session), schema, head)


def _version(name: str, result: ProbeResult) -> wire.Version:
    return wire.Version(name, result.problem, ok=False) if result.problem else wire.Version(name, str(result.value))


def _database() -> str:
    with reading() as session:
        name, query = DATABASES[session.get_bind().dialect.name]
        return f"{name} {session.connection().execute(text(query)).scalar_one()}"


def _redis() -> str:
    server = info("server")
    return f"Valkey {server['valkey_version']}" if "valkey_version" in server else f"Redis {server['redis_version']}"


def _forge() -> str:
    return f"{'embedded, ' if settings().embedded_forge else 'Forgejo '}{forge().version()}"


def _agents(session: Session) -> list[wire.AgentVersion]:
    """Agent versions of active endpoints, the most common first."""
    count = func.count()
    used = select(Endpoint.agent_version, count).where(Endpoint.status == "active")
    rows = session.exec(used.group_by(col(Endpoint.agent_version)).order_by(count.desc()))
    return [wire.AgentVersion(agent or "not reported yet", endpoints) for agent, endpoints in rows]


def settings_in_force(actor: Actor) -> list[wire.SettingInForce]:
    """Every setting with its value and origin. Secrets are masked."""
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
    origin = source(os.environ, name)
    return "generated" if origin == "default" and name in SECRETS else origin
