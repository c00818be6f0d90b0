"""Each party is given an address that it can reach, in every way that an installation is set up."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import astuple, dataclass
from pathlib import Path

import httpx
import pytest
from starlette.types import ASGIApp

from crontopus_app.base.settings import Settings, read
from crontopus_app.forge import addresses
from crontopus_app.forge.embedded import serve
from crontopus_app.programs.asgi import forge

REPOSITORY = "crontopus/job-manifests-ann"
FORGEJO = {"FORGEJO_ADMIN_USER": "svc-root", "FORGEJO_ADMIN_PASSWORD": "a-long-password"}


def of(home: Path, **values: str) -> Settings:
    return read({"CRONTOPUS_HOME": str(home), **{f"CRONTOPUS_{name}": value for name, value in values.items()}})


@dataclass(frozen=True)
class Given:
    """What each party is given."""

    console: str
    clone: str
    page: str
    webhook: str
    forge: str


def given(ours: Settings) -> Given:
    return Given(
        addresses.console(ours),
        addresses.clone(ours, REPOSITORY),
        addresses.repository_page(ours, REPOSITORY),
        addresses.webhook(ours),
        addresses.forge(ours),
    )


CASES = {
    "nothing set": (
        {},
        Given(
            "http://127.0.0.1:8000",
            f"http://127.0.0.1:8000/forge/{REPOSITORY}.git",
            "",
            "http://127.0.0.1:8000/api/git/webhook",
            "http://127.0.0.1:8000/forge",
        ),
    ),
    "bound to all addresses with a public URL": (
        {"BIND": "0.0.0.0:8000", "PUBLIC_URL": "http://cron01:8000/"},
        Given(
            "http://cron01:8000",
            f"http://cron01:8000/forge/{REPOSITORY}.git",
            "",
            "http://127.0.0.1:8000/api/git/webhook",
            "http://127.0.0.1:8000/forge",
        ),
    ),
    "bound to all addresses of IPv6": (
        {"BIND": "[::]:8000", "PUBLIC_URL": "http://cron01:8000"},
        Given(
            "http://cron01:8000",
            f"http://cron01:8000/forge/{REPOSITORY}.git",
            "",
            "http://[::1]:8000/api/git/webhook",
            "http://[::1]:8000/forge",
        ),
    ),
    "behind a proxy that ends TLS": (
        {"BIND": "127.0.0.1:8000", "PUBLIC_URL": "https://cron.example.org", "TRUSTED_PROXIES": "127.0.0.1"},
        Given(
            "https://cron.example.org",
            f"https://cron.example.org/forge/{REPOSITORY}.git",
            "",
            "http://127.0.0.1:8000/api/git/webhook",
            "http://127.0.0.1:8000/forge",
        ),
    ),
    "the embedded forge under a name of its own": (
        {"PUBLIC_URL": "https://cron.example.org", "FORGEJO_PUBLIC_URL": "https://git.example.org/forge"},
        Given(
            "https://cron.example.org",
            f"https://git.example.org/forge/{REPOSITORY}.git",
            "",
            "http://127.0.0.1:8000/api/git/webhook",
            "http://127.0.0.1:8000/forge",
        ),
    ),
    "a Forgejo under one name": (
        {**FORGEJO, "PUBLIC_URL": "https://cron.example.org", "FORGEJO_URL": "https://git.example.org/"},
        Given(
            "https://cron.example.org",
            f"https://git.example.org/{REPOSITORY}.git",
            f"https://git.example.org/{REPOSITORY}",
            "https://cron.example.org/api/git/webhook",
            "https://git.example.org",
        ),
    ),
    "a Forgejo under an internal and a public name": (
        {
            **FORGEJO,
            "PUBLIC_URL": "https://cron.example.org",
            "INTERNAL_URL": "http://web:8000",
            "FORGEJO_URL": "http://forgejo:3000",
            "FORGEJO_PUBLIC_URL": "https://git.example.org",
        },
        Given(
            "https://cron.example.org",
            f"https://git.example.org/{REPOSITORY}.git",
            f"https://git.example.org/{REPOSITORY}",
            "http://web:8000/api/git/webhook",
            "http://forgejo:3000",
        ),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_each_party_is_given_what_it_can_reach(tmp_path: Path, name: str) -> None:
    values, expected = CASES[name]
    assert astuple(given(of(tmp_path, **values))) == astuple(expected)


def test_a_commit_has_a_page_where_its_repository_has_one(tmp_path: Path) -> None:
    ours = of(tmp_path, FORGEJO_URL="https://git.example.org", **FORGEJO)
    page = addresses.repository_page(ours, REPOSITORY)
    assert addresses.commit_page(page, "1c9f2e4") == f"https://git.example.org/{REPOSITORY}/commit/1c9f2e4"
    embedded = addresses.repository_page(of(tmp_path), REPOSITORY)
    assert addresses.commit_page(embedded, "1c9f2e4") == ""


PROXIED = {"PUBLIC_URL": "https://cron.example.org"}


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({}, ""),
        ({"BIND": "127.0.0.1:8000", "PUBLIC_URL": "http://localhost:8000"}, ""),
        ({"BIND": "0.0.0.0:8000", "PUBLIC_URL": "http://cron01:8000"}, ""),
        ({"BIND": "10.0.0.5:8000"}, ""),
        (PROXIED, ""),
        ({"BIND": "0.0.0.0:8000"}, "CRONTOPUS_PUBLIC_URL"),
        ({"BIND": "[::]:8000"}, "CRONTOPUS_PUBLIC_URL"),
        ({"TRUSTED_PROXIES": "127.0.0.1"}, "CRONTOPUS_PUBLIC_URL"),
        ({"BIND": "0.0.0.0:8000", "PUBLIC_URL": "http://localhost:8000"}, "CRONTOPUS_PUBLIC_URL"),
        ({"BIND": "0.0.0.0:8000", "PUBLIC_URL": "http://127.8.0.1:8000"}, "CRONTOPUS_PUBLIC_URL"),
        ({"BIND": "0.0.0.0:8000", "PUBLIC_URL": "http://0.0.0.0:8000"}, "CRONTOPUS_PUBLIC_URL"),
        ({"BIND": "0.0.0.0:8000", "PUBLIC_URL": "http://[::1]:8000"}, "CRONTOPUS_PUBLIC_URL"),
        ({**FORGEJO, **PROXIED, "FORGEJO_URL": "http://127.0.0.1:3000"}, "CRONTOPUS_FORGEJO_PUBLIC_URL"),
        ({**FORGEJO, **PROXIED, "FORGEJO_URL": "http://127.0.0.1:3000", "FORGEJO_PUBLIC_URL": "https://git.x"}, ""),
    ],
)
def test_an_address_that_other_machines_cannot_reach_is_told(
    tmp_path: Path, values: dict[str, str], named: str
) -> None:
    problem = addresses.unreachable(of(tmp_path, **values))
    assert (f"Set {named} to" in problem) if named else problem == ""


def links(value: object) -> Iterator[str]:
    """All addresses in an answer of the Git server."""
    if isinstance(value, dict):
        for inner in value.values():
            yield from links(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from links(inner)
    elif isinstance(value, str) and "://" in value:
        yield value


@pytest.mark.parametrize("app", [forge, serve.factory], ids=["in web", "alone"])
async def test_links_in_the_embedded_forges_answers_lead_to_it(
    tmp_path: Path, app: Callable[[Settings], ASGIApp]
) -> None:
    ours = of(tmp_path, PUBLIC_URL="https://cron.example.org", **FORGEJO)
    login = (ours.forgejo_admin_user, ours.forgejo_admin_password)
    transport = httpx.ASGITransport(app(ours))
    # The name by which a proxy reaches us decides nothing.
    async with httpx.AsyncClient(transport=transport, base_url="http://10.0.0.1:8000/forge/api/v1", auth=login) as http:
        (await http.post("orgs", json={"username": "crontopus"})).raise_for_status()
        made = await http.post("orgs/crontopus/repos", json={"name": "job-manifests-ann", "auto_init": False})
        lost = await http.get("repos/crontopus/nothing")
    assert made.json()["clone_url"] == addresses.clone(ours, REPOSITORY)
    found = [*links(made.json()), *links(lost.json())]
    assert len(found) >= 4
    assert all(link.startswith("https://cron.example.org/forge/") and "/forge/forge" not in link for link in found)
