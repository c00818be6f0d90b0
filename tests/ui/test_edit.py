"""New and Edit: what is typed on one side reaches the other, what it means is told, and a save is followed."""

from __future__ import annotations

import json

import pytest
from sqlmodel import select

from contract.wire import Problem
from crontopus_app.base.db import reading, writing
from crontopus_app.models import Change, Endpoint, Tenant
from crontopus_app.ui.edit import messages
from crontopus_app.ui.kit.editor import marks
from tests.cast import JOB_ID, Member, add_endpoint
from tests.ui.editing import EDIT, FILE, NEW, host, opened, said, store
from tests.ui.states import run

# What the browser says


@pytest.mark.parametrize(
    "sent",
    [
        "", "[]", "null", "{}", "[" * 5000,
        '{"seq":1}',
        '{"seq":"x","side":"yaml","place":"new"}',
        '{"seq":1e999,"side":"yaml","place":"new"}',
        '{"seq":1,"side":"rm","place":"new"}',
        '{"seq":1,"side":"yaml","place":"other/job"}',
        '{"seq":1,"side":"yaml","place":"new","form":[1]}',
    ],
)  # fmt: skip
async def test_a_message_of_nonsense_is_refused_in_words(cookie: str, sent: str) -> None:
    page = await opened(NEW, cookie)
    before = page.answer
    for handler in ("sent", "save"):
        await run(page, handler, {"sent": sent})
        assert (page.saved.state, page.answer) == ("failed", before)
        assert "load the page again" in page.saved.text
    with reading() as session:
        assert session.exec(select(Change)).all() == []


def test_half_a_surrogate_pair_becomes_text() -> None:
    said = messages.read(
        {"sent": '{"seq":1,"side":"yaml","place":"new","yaml":"a\\ud800b","dirty":["x","env"]}'}, "new"
    )
    assert (said.yaml, said.dirty) == ("a?b", {"env"})


# The page


async def test_form_and_text_are_one_truth(cookie: str) -> None:
    page = await opened(NEW, cookie)
    await run(page, "sent", said(page, "form", form={"name": "greet", "command": "echo hello"}, seq=7))
    told = json.loads(page.answer)
    assert (told["why"], told["seq"], told["form"]) == ("form", 7, None)
    assert "name: greet" in told["yaml"]
    await run(page, "sent", said(page, yaml=told["yaml"].replace("0 2 * * *", "*/5 * * * *") + "# a note\n", seq=8))
    told = json.loads(page.answer)
    assert (told["why"], told["yaml"], told["form"]["schedule"]) == ("yaml", None, "*/5 * * * *")
    await run(page, "sent", said(page, "form", form={"timezone": "Europe/Berlin"}))
    assert "# a note" in json.loads(page.answer)["yaml"]
    assert page.check.errors == 0
    assert page.check.words.startswith("Every 5")
    assert [len(zone.forecast.next_runs) for zone in page.check.zones] == [5]


async def test_a_field_that_is_emptied_and_filled_again_stands_where_it_stood(cookie: str) -> None:
    store(FILE)
    page = await opened(EDIT, cookie)
    form = json.loads(page.answer)["form"]
    await run(page, "sent", said(page, "form", form={**form, "timezone": ""}))
    assert "Berlin" not in json.loads(page.answer)["yaml"]
    await run(page, "sent", said(page, "form", form=form))
    assert json.loads(page.answer)["yaml"] == FILE


async def test_typed_on_both_sides_at_once_nothing_is_lost(cookie: str) -> None:
    page = await opened(NEW, cookie)
    text = json.loads(page.answer)["yaml"] + "# typed\n"
    await run(page, "sent", said(page, yaml=text, form={"name": "both"}, dirty=["name"]))
    told = json.loads(page.answer)
    assert "# typed" in told["yaml"]
    assert "name: both" in told["yaml"]


async def test_an_address_fills_the_form(cookie: str) -> None:
    page = await opened(f"{NEW}?namespace=staging&name=x", cookie)
    told = json.loads(page.answer)
    assert (told["form"]["namespace"], told["form"]["name"]) == ("staging", "x")
    assert "name: x\n" in told["yaml"]
    assert "production" not in told["yaml"]
    assert {"default", "discovered"} <= set(page.head.namespaces)


async def test_what_is_not_filled_in_yet_is_no_error_until_one_saves(cookie: str) -> None:
    page = await opened(NEW, cookie)
    assert (page.check.errors, page.check.marks, set(page.check.wrong.values())) == (0, (), {""})
    assert page.check.words
    assert page.plan.summary == "told when name and command are filled in"
    await run(page, "sent", said(page, "form", form={"name": "a"}))
    assert (page.check.errors, page.plan.summary) == (0, "told when command is filled in")
    await run(page, "sent", said(page, "form", form={"schedule": "x"}))
    assert page.check.wrong["schedule"]
    assert (page.check.wrong["name"], page.check.errors) == ("", 1)
    assert page.plan.summary == "told when the errors are mended"
    await run(page, "save", said(page))
    assert page.check.wrong["command"] == "must not be empty"


async def test_errors_stand_at_their_lines_and_inputs(cookie: str) -> None:
    page = await opened(NEW, cookie)
    text = "apiVersion: v1\nkind: Job\nmetadata:\n  name: Bad\nspec:\n  shedule: x\n  command: a\n"
    await run(page, "sent", said(page, yaml=text))
    assert [(mark.line, mark.state, mark.left) for mark in page.check.marks][:2] == [
        (4, "failed", 11),
        (6, "failed", 12),
    ]
    assert page.check.wrong["name"]
    assert page.plan.summary == "told when the errors are mended"


def test_a_line_has_one_mark_with_errors_first() -> None:
    found = [
        Problem("a", "advice", line=2, severity="warning"),
        Problem("b", "broken", line=2, column=3),
        Problem("c", "all"),
    ]
    assert [(one.line, one.message, one.label) for one in marks("x\nyy", found)] == [
        (1, "all", "error"),
        (2, "broken · advice", "error"),
    ]
    assert marks("x", [Problem("a", "far", line=99)])[0].line == 1


async def test_the_policys_defaults_count(cookie: str) -> None:
    with writing() as session:
        tenant = session.get(Tenant, "alice")
        assert tenant is not None
        tenant.policy = b"defaults:\n  production:\n    timezone: Asia/Tokyo\n    schedule: '5 4 * * *'\n"
        session.add(tenant)
    page = await opened(NEW, cookie)
    text = "apiVersion: v1\nkind: Job\nmetadata: {name: a}\nspec: {command: x}\n"
    await run(page, "sent", said(page, yaml=text))
    assert page.check.errors == 0
    assert page.check.zones[0].forecast.zone == "Asia/Tokyo"
    assert "04:05" in page.check.words


async def test_hosts_of_two_zones_are_told_apart(cookie: str, alice: Member) -> None:
    host(alice, timezone="Europe/Berlin", capabilities={"dst_policy": "busybox"})
    second, _ = add_endpoint("alice", "second")
    with writing() as session:
        row = session.get(Endpoint, second)
        assert row is not None
        row.timezone = "Asia/Tokyo"
        session.add(row)
    page = await opened(NEW, cookie)
    await run(page, "sent", said(page, "form", form={"name": "a", "command": "x", "schedule": "30 2 * * *"}))
    zones = {zone.forecast.zone: zone for zone in page.check.zones}
    assert {zone: told.hosts for zone, told in zones.items()} == {"Europe/Berlin": "alice-host", "Asia/Tokyo": "second"}
    assert any("No run takes place" in night.text for night in zones["Europe/Berlin"].forecast.nights)
    assert zones["Asia/Tokyo"].forecast.nights == ()


async def test_the_plan_shows_lines_before_and_after(cookie: str, alice: Member) -> None:
    line = f"0 2 * * * /opt/run-job {JOB_ID}"
    host(
        alice,
        timezone="Europe/Berlin",
        labels={"role": "db"},
        crontab=[{"text": line, "standing": "managed", "job_id": JOB_ID}],
    )
    store(FILE)
    page = await opened(EDIT, cookie)
    await run(page, "sent", said(page, "form", form={"schedule": "0 3 * * *"}))
    assert (page.plan.summary, page.plan.unknown) == ("changes on 1 host", "")
    (one,) = page.plan.hosts
    assert [(shown.sign, shown.text) for shown in one.lines] == [("-", line), ("+", line.replace("2", "3", 1))]
    await run(page, "sent", said(page, yaml=FILE.replace("/opt/dump", "/opt/other")))
    assert [shown.sign for shown in page.plan.hosts[0].lines] == [" "]
    assert "what it runs changes" in page.plan.hosts[0].note
    await run(page, "sent", said(page, yaml=FILE.replace("db, replica", "web")))
    assert [shown.sign for shown in page.plan.hosts[0].lines] == ["-"]
    assert 'no host has the label role="web"' in page.plan.nobody
    await run(page, "sent", said(page, "form", form={"endpoints": "alice-host, db09", "selector": ""}))
    assert page.plan.unknown == "No host is named db09."


async def test_another_name_is_another_job(cookie: str) -> None:
    store(FILE)
    page = await opened(EDIT, cookie)
    await run(page, "sent", said(page, yaml=FILE.replace("name: backup", "name: other")))
    assert "make a new job" in page.check.wrong["name"]
