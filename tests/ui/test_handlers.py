"""Handlers of the pages, with valid and invalid input."""

from __future__ import annotations

from typing import Any

import pytest
from sqlmodel import select

from contract.wire import Problem
from crontopus_app.base.db import reading, writing
from crontopus_app.base.errors import BadInput
from crontopus_app.base.settings import settings
from crontopus_app.models import ApiToken, EnrollmentToken
from crontopus_app.ui import problems
from crontopus_app.ui.endpoints.state import EndpointsState
from crontopus_app.ui.enrol.state import EnrolState
from crontopus_app.ui.jobs import rows as job_rows
from crontopus_app.ui.jobs.state import JobsState
from crontopus_app.ui.kit.filters import Pages
from crontopus_app.ui.live import watchers
from crontopus_app.ui.runs.state import RunsState, RunState
from crontopus_app.ui.session import refill
from crontopus_app.ui.tokens.state import TokensState
from tests.ui.conftest import RUN_ID, SECRET
from tests.ui.states import page_at, run


async def opened(address: str, state: Any, cookie: str) -> Any:
    page = page_at(address, state, cookie)
    await run(page, "load")
    return page


async def test_an_enrolment_token_is_shown_once_in_its_command(cookie: str) -> None:
    page = await opened("/enrol", EnrolState, cookie)
    await run(page, "create", {"name": "web hosts", "days": "7", "uses": "3"})
    assert page.commands[0].startswith("export CRONTOPUS_ENROLLMENT_TOKEN=cet_")
    assert page.commands[1].startswith("crontopus-agent enroll --url http")
    assert [(token.name, token.uses) for token in page.tokens] == [("web hosts", "3 of 3 left")]
    await run(page, "load")
    assert page.commands == []


async def test_enrol_warns_of_an_address_that_other_hosts_cannot_reach(
    cookie: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = await opened("/enrol", EnrolState, cookie)
    assert page.unreachable == ""
    monkeypatch.setenv("CRONTOPUS_BIND", "0.0.0.0:8000")
    settings.cache_clear()
    await run(page, "load")
    assert page.unreachable.startswith("Other machines cannot reach http://127.0.0.1:8000. Set CRONTOPUS_PUBLIC_URL")


async def test_a_host_that_enrols_again_counts_as_joined(cookie: str) -> None:
    page = await opened("/enrol", EnrolState, cookie)
    for name in ("earlier", "hosts"):
        await run(page, "create", {"name": name})
    used = {"earlier": False, "hosts": True}
    for name, joined in used.items():
        with writing() as session:
            token = session.exec(select(EnrollmentToken).where(EnrollmentToken.name == name)).one()
            token.uses = 1
            session.add(token)
        ((_, watch),) = watchers.of("alice", {"endpoint"})
        await refill({"endpoint"}, page, watch)
        assert page.joined is joined
    await run(page, "load")
    assert page.joined is False


async def test_a_double_click_creates_one_enrolment_token(cookie: str) -> None:
    page = await opened("/enrol", EnrolState, cookie)
    clicked = {"name": "hosts", "form_key": page.form_key}
    for _ in range(2):
        await run(page, "create", clicked)
        assert page.wrong == ""
    assert len(page.tokens) == 1
    assert page.form_key != clicked["form_key"]
    await run(page, "create", {**clicked, "form_key": page.form_key})
    assert len(page.tokens) == 2


async def test_a_double_click_creates_one_api_token_and_shows_it(cookie: str) -> None:
    page = await opened("/tokens", TokensState, cookie)
    clicked = {"name": "ci", "read:runs": True, "form_key": page.form_key}
    await run(page, "create", clicked)
    shown = page.new_token
    await run(page, "create", clicked)
    assert page.new_token == shown != ""
    assert len(page.tokens) == 1
    assert page.form_key != clicked["form_key"]


async def test_an_enrolment_token_can_be_revoked_by_its_owner_only(cookie: str, charlies: str) -> None:
    page = await opened("/enrol", EnrolState, cookie)
    await run(page, "create", {"name": "hosts"})
    token_id = page.tokens[0].id
    stranger = await opened("/enrol", EnrolState, charlies)
    assert "No enrolment token " in str(await run(stranger, "revoke", {"id": token_id}))
    assert page.tokens[0].state == "active"
    assert "No more hosts can enrol with it." in str(await run(page, "revoke", {"id": token_id}))
    assert page.tokens[0].state == "revoked"
    with reading() as session:
        assert session.exec(select(EnrollmentToken.revoked_at)).one() is not None


async def test_a_bad_form_shows_its_error_and_creates_nothing(cookie: str) -> None:
    page = await opened("/tokens", TokensState, cookie)
    await run(page, "create", {"name": "ci"})
    assert page.wrong["scopes"].startswith("Choose one or more")
    assert page.new_token == ""
    with reading() as session:
        assert session.exec(select(ApiToken)).all() == []


async def test_an_api_token_has_the_ticked_scopes(cookie: str) -> None:
    page = await opened("/tokens", TokensState, cookie)
    await run(page, "create", {"name": "ci", "read:runs": True, "write:jobs": "on", "days": "30"})
    assert page.new_token.startswith("ctp_")
    assert page.tokens[0].scopes == "read:runs write:jobs"
    await run(page, "revoke", {"id": page.tokens[0].id})
    assert page.tokens[0].state == "revoked"


async def test_a_ping_key_shows_its_url_until_it_is_revoked(cookie: str, charlies: str) -> None:
    page = await opened("/tokens", TokensState, cookie)
    await run(page, "create_ping_key", {"name": ""})
    assert page.key_wrong
    clicked = {"name": "scripts", "form_key": page.form_key}
    await run(page, "create_ping_key", clicked)
    await run(page, "create_ping_key", clicked)
    (key,) = page.ping_keys
    assert (key.name, "/ping/pk_" in key.url, page.key_wrong) == ("scripts", True, "")
    stranger = await opened("/tokens", TokensState, charlies)
    assert stranger.ping_keys == []
    assert "No ping key " in str(await run(stranger, "revoke_ping_key", {"id": key.id}))
    await run(page, "revoke_ping_key", {"id": key.id})
    assert [(each.state, each.url) for each in page.ping_keys] == [("revoked", "")]


async def test_output_is_shown_with_its_gap(cookie: str) -> None:
    page = await opened(f"/runs/{RUN_ID}", RunState, cookie)
    assert [(piece.text, piece.css) for piece in page.output.head] == [(SECRET, "a31"), ("\n", "")]
    assert page.output.gap == "2.0 KiB left out here"
    assert {fact.name: fact.value for fact in page.facts}["Outcome"] == "failed · exit 2"
    assert page.run.delay == "+0.4 s"


@pytest.mark.parametrize(("address", "count"), [("/runs", 1), ("/runs?status=failed", 1), ("/runs?status=success", 0)])
async def test_the_address_filters_runs(cookie: str, address: str, count: int) -> None:
    page = await opened(address, RunsState, cookie)
    assert (len(page.rows), page.total) == (count, count)


async def test_an_unknown_filter_value_is_an_error(cookie: str) -> None:
    page = await opened("/runs?status=purple", RunsState, cookie)
    assert "status must be one of" in page.problem


@pytest.mark.parametrize("number", ["abc", "-1", "999999999999"])
async def test_an_invalid_page_number_means_the_first_page(cookie: str, number: str) -> None:
    page = await opened(f"/endpoints?page={number}", EndpointsState, cookie)
    assert (page.pages.before, len(page.hosts)) == ("", 1)


@pytest.mark.parametrize(("query", "count"), [("", 1), ("?namespace=staging", 0), ("?q=back", 1), ("?q=zzz", 0)])
async def test_the_address_filters_jobs(cookie: str, query: str, count: int) -> None:
    page = await opened(f"/jobs{query}", JobsState, cookie)
    assert len(page.jobs) == count


@pytest.mark.parametrize(
    ("wanted", "page", "summary", "before", "after"),
    [
        ("", 1, "1–100 of 250", "", "/jobs?state=ok&page=2"),
        ("2", 2, "101–200 of 250", "/jobs?state=ok", "/jobs?state=ok&page=3"),
        ("99", 3, "201–250 of 250", "/jobs?state=ok&page=2", ""),
        ("-1", 1, "1–100 of 250", "", "/jobs?state=ok&page=2"),
    ],
)
def test_many_jobs_are_shown_in_pages(wanted: str, page: int, summary: str, before: str, after: str) -> None:
    assert job_rows.page_of(wanted, 250, 100) == page
    assert job_rows.pages(page, 250, 100, job_rows.JobQuery(state="ok")) == Pages(before, after, summary)


def test_few_jobs_have_no_pages() -> None:
    assert job_rows.page_of("7", 0, 100) == 1
    assert job_rows.pages(1, 100, 100, job_rows.JobQuery()) == Pages()


def test_errors_go_to_their_fields() -> None:
    error = BadInput("No.", problems=[Problem("value", "too long", field="metadata.name")])
    assert problems.fields(error) == {"name": "too long"}
    assert problems.fields(BadInput("No.")) == {"": "No."}


def test_errors_lose_the_backticks_that_no_page_renders() -> None:
    error = BadInput("Set `name`.", problems=[Problem("value", "`name` is too long", field="metadata.name")])
    assert problems.sentence(error) == "Set name."
    assert problems.fields(error) == {"name": "name is too long"}


@pytest.mark.logs_errors
def test_an_unexpected_error_has_a_reference_to_the_log(caplog: pytest.LogCaptureFixture) -> None:
    text = problems.unexpected(ValueError("secret detail"))
    reference = text.split("Reference ")[1].split(" ")[0]
    assert reference in caplog.text
    assert "secret detail" not in text


@pytest.mark.logs_errors
def test_the_app_shows_exceptions_that_no_page_caught(caplog: pytest.LogCaptureFixture) -> None:
    from crontopus_app.crontopus_app import app

    toast = str(app.backend_exception_handler(ValueError("secret detail")))
    assert "Reference" in toast
    assert "secret detail" not in toast
    assert "secret detail" in caplog.text
