"""What deploy/ says agrees with the programs and settings that exist: no engine runs it here."""

from __future__ import annotations

import configparser
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from crontopus_app.base.settings import NAMES
from crontopus_app.programs import frontend
from crontopus_app.programs.server import main

DEPLOY = frontend.ROOT / "deploy"
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
OURS = sorted(name for name, service in COMPOSE["services"].items() if service["image"] == "crontopus")
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))


def unit(path: Path) -> configparser.RawConfigParser:
    # Systemd's keys may repeat and keep their case.
    parser = configparser.RawConfigParser(strict=False)
    parser.optionxform = str  # pyright: ignore[reportAttributeAccessIssue] -- how configparser documents it
    parser.read(path)
    return parser


def test_compose_has_every_part_of_a_real_installation() -> None:
    assert {"postgres", "redis", "forgejo", "migrate", "web", "worker", "evaluator"} <= set(COMPOSE["services"])
    assert OURS == ["edits", "evaluator", "migrate", "web", "worker"]


@pytest.mark.parametrize("name", OURS)
def test_each_service_of_ours_runs_a_verb_that_exists(name: str) -> None:
    assert COMPOSE["services"][name]["command"][0] in main.commands


@pytest.mark.parametrize("name", OURS)
def test_only_settings_that_exist_are_set_and_nothing_is_embedded(name: str) -> None:
    given = {key.removeprefix("CRONTOPUS_").removesuffix("_FILE") for key in COMPOSE["services"][name]["environment"]}
    assert given <= NAMES
    assert {"DATABASE_URL", "REDIS_URL", "FORGEJO_URL", "SECRET_KEY"} <= given


@pytest.mark.parametrize("name", OURS)
def test_each_party_is_given_an_address_that_it_can_reach(name: str) -> None:
    """Containers know each other by the names of their services; hosts and people know neither name."""
    given = COMPOSE["services"][name]["environment"]
    for variable, service in (("CRONTOPUS_INTERNAL_URL", "web"), ("CRONTOPUS_FORGEJO_URL", "forgejo")):
        host, port = given[variable].removeprefix("http://").split(":")
        assert host == service
        assert COMPOSE["services"][service]["ports"][0].endswith(f":{port}")
    for variable in ("CRONTOPUS_PUBLIC_URL", "CRONTOPUS_FORGEJO_PUBLIC_URL"):
        assert re.fullmatch(r"\$\{\w+:-http://127\.0\.0\.1:\d+/?\}", given[variable])


def test_forgejo_itself_gives_the_address_that_hosts_are_given() -> None:
    root = COMPOSE["services"]["forgejo"]["environment"]["FORGEJO__server__ROOT_URL"]
    assert root == COMPOSE["services"]["web"]["environment"]["CRONTOPUS_FORGEJO_PUBLIC_URL"]


def test_every_reference_in_compose_is_defined() -> None:
    for name, service in COMPOSE["services"].items():
        assert set(service.get("secrets", ())) <= set(COMPOSE["secrets"]), name
        assert {volume.partition(":")[0] for volume in service.get("volumes", ())} <= set(COMPOSE["volumes"]), name
        assert set(service.get("depends_on", ())) <= set(COMPOSE["services"]), name


def test_nothing_listens_beyond_this_machine() -> None:
    ports = [port for service in COMPOSE["services"].values() for port in service.get("ports", ())]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_the_image_copies_what_exists_and_runs_a_verb_that_exists() -> None:
    text = (DEPLOY / "Dockerfile").read_text()
    for source in re.findall(r"^COPY (?!--from)(\S+)", text, re.MULTILINE):
        assert (frontend.ROOT / source).exists()
    verbs = re.findall(r"crontopus-server (\w+)", text) + re.findall(r'^CMD \["(\w+)"\]', text, re.MULTILINE)
    assert verbs == ["build", "web"]
    assert set(verbs) <= set(main.commands)
    assert {*re.findall(r"CRONTOPUS_(\w+)=", text)} <= NAMES


def test_the_image_leaves_out_secrets_and_data() -> None:
    ignored = (DEPLOY / "Dockerfile.dockerignore").read_text().split()
    assert {".git", ".venv", ".crontopus"} <= set(ignored)


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.name)
def test_a_unit_runs_a_verb_that_exists_as_its_own_user(path: Path) -> None:
    service = unit(path)["Service"]
    assert service["ExecStart"].split("crontopus-server ")[1].split()[0] in main.commands
    assert service["User"] == "crontopus"


def test_a_unit_wants_only_units_that_exist() -> None:
    target = unit(DEPLOY / "systemd" / "crontopus.target")["Unit"]
    assert all((DEPLOY / "systemd" / name).exists() for name in target["Wants"].split())
    for path in UNITS:
        ours = re.findall(r"crontopus-?\w*\.(?:service|target)", path.read_text())
        assert all((DEPLOY / "systemd" / name).exists() for name in ours)
