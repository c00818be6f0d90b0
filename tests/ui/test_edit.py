"""New and Edit: form and YAML follow each other, errors, forecast and plan are shown, saves are tracked."""

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
from tests.ui.editing import EDIT, FILE, NEW, host, opened, sent, store
from tests.ui.states import run

# Messages of the browser


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
async def test_an_invalid_message_is_rejected(cookie: str, sent: str) -> None:
    page = await opened(NEW, cookie)
    before = page.answer
    for handler in ("sent", "save"):
        await run(page, handler, {"sent": sent})
        assert (page.saved.state, page.answer) == ("failed", before)
        assert "Reload the page" in page.saved.text
    with reading() as session:
        assert session.exec(select(Change)).all() == []


def test_half_a_surrogate_pair_becomes_text() -> None:
    message = messages.read(
        {"sent": '{"seq":1,"side":"yaml","place":"new","yaml":"a\\ud800b","dirty":["x","env"]}'}, "new"
    )
    assert (message.yaml, message.dirty) == ("a?b", {"env"})


# The page


async def test_form_and_yaml_follow_each_other(cookie: str) -> None:
    page = await opened(NEW, cookie)
    await run(page, "sent", sent(page, "form", form={"name": "greet", "command": "echo hello"}, seq=7))
    answer = json.loads(page.answer)
    assert (answer["why"], answer["seq"], answer["form"]) == ("form", 7, None)
    assert "name: greet" in answer["yaml"]
    await run(page, "sent", sent(page, yaml=answer["yaml"].replace("0 2 * * *", "*/5 * * * *") + "# a note\n", seq=8))
    answer = json.loads(page.answer)
    assert (answer["why"], answer["yaml"], answer["form"]["schedule"]) == ("yaml", None, "*/5 * * * *")
    await run(page, "sent", sent(page, "form", form={"timezone": "Europe/Berlin"}))
    assert "# a note" in json.loads(page.answer)["yaml"]
    assert page.check.errors == 0
    assert page.check.words.startswith("Every 5")
    assert [len(zone.forecast.next_runs) for zone in page.check.zones] == [5]


async def test_a_field_that_is_emptied_and_filled_again_keeps_its_place(cookie: str) -> None:
    store(FILE)
    page = await opened(EDIT, cookie)
    form = json.loads(page.answer)["form"]
    await run(page, "sent", sent(page, "form", form={**form, "timezone": ""}))
    assert "Berlin" not in json.loads(page.answer)["yaml"]
    await run(page, "sent", sent(page, "form", form=form))
    assert json.loads(page.answer)["yaml"] == FILE


async def test_typing_on_both_sides_at_once_loses_nothing(cookie: str) -> None:
    page = await opened(NEW, cookie)
    text = json.loads(page.answer)["yaml"] + "# typed\n"
    await run(page, "sent", sent(page, yaml=text, form={"name": "both"}, dirty=["name"]))
    answer = json.loads(page.answer)
    assert "# typed" in answer["yaml"]
    assert "name: both" in answer["yaml"]


async def test_an_address_fills_the_form(cookie: str) -> None:
    page = await opened(f"{NEW}?namespace=staging&name=x", cookie)
    answer = json.loads(page.answer)
    assert (answer["form"]["namespace"], answer["form"]["name"]) == ("staging", "x")
    assert "name: x\n" in answer["yaml"]
    assert "production" not in answer["yaml"]
    assert {"default", "discovered"} <= set(page.head.namespaces)


async def test_empty_fields_of_a_new_job_are_errors_only_after_a_save(cookie: str) -> None:
    page = await opened(NEW, cookie)
    assert (page.check.errors, page.check.marks, set(page.check.wrong.values())) == (0, (), {""})
    assert page.check.words
    assert page.plan.summary == "fill in name and command to see it"
    await run(page, "sent", sent(page, "form", form={"name": "a"}))
    assert (page.check.errors, page.plan.summary) == (0, "fill in command to see it")
    await run(page, "sent", sent(page, "form", form={"schedule": "x"}))
    assert page.check.wrong["schedule"]
    assert (page.check.wrong["name"], page.check.errors) == ("", 1)
    assert page.plan.summary == "fix the errors to see it"
    await run(page, "save", sent(page))
    assert page.check.wrong["command"] == "must not be empty"


async def test_errors_are_at_their_lines_and_fields(cookie: str) -> None:
    page = await opened(NEW, cookie)
    text = "apiVersion: v1\nkind: Job\nmetadata:\n  name: Bad\nspec:\n  shedule: x\n  command: a\n"
    await run(page, "sent", sent(page, yaml=text))
    assert [(mark.line, mark.state, mark.left) for mark in page.check.marks][:2] == [
        (4, "failed", 11),
        (6, "failed", 12),
    ]
    assert page.check.wrong["name"]
    assert page.plan.summary == "fix the errors to see it"


async def test_a_label_without_a_value_says_so_at_its_field(cookie: str) -> None:
    page = await opened(NEW, cookie)
    await run(page, "sent", sent(page, "form", form={"name": "a", "command": "x", "selector": "role="}))
    assert page.check.wrong["selector"] == '"role" needs a value, e.g. role=db'


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


async def test_the_policys_defaults_apply(cookie: str) -> None:
    with writing() as session:
        tenant = session.get(Tenant, "alice")
        assert tenant is not None
        tenant.policy = b"defaults:\n  production:\n    timezone: Asia/Tokyo\n    schedule: '5 4 * * *'\n"
        session.add(tenant)
    page = await opened(NEW, cookie)
    text = "apiVersion: v1\nkind: Job\nmetadata: {name: a}\nspec: {command: x}\n"
    await run(page, "sent", sent(page, yaml=text))
    assert page.check.errors == 0
    assert page.check.zones[0].forecast.zone == "Asia/Tokyo"
    assert "04:05" in page.check.words


async def test_each_zone_has_its_own_forecast(cookie: str, alice: Member) -> None:
    host(alice, timezone="Europe/Berlin", capabilities={"dst_policy": "busybox"})
    second, _ = add_endpoint("alice", "second")
    with writing() as session:
        row = session.get(Endpoint, second)
        assert row is not None
        row.timezone = "Asia/Tokyo"
        session.add(row)
    page = await opened(NEW, cookie)
    await run(page, "sent", sent(page, "form", form={"name": "a", "command": "x", "schedule": "30 2 * * *"}))
    zones = {zone.forecast.zone: zone for zone in page.check.zones}
    assert {zone: shown.hosts for zone, shown in zones.items()} == {
        "Europe/Berlin": "alice-host",
        "Asia/Tokyo": "second",
    }
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
    await run(page, "sent", sent(page, "form", form={"schedule": "0 3 * * *"}))
    assert (page.plan.summary, page.plan.unknown) == ("changed on 1 host", "")
    (one,) = page.plan.hosts
    assert [(shown.sign, shown.text) for shown in one.lines] == [("-", line), ("+", line.replace("2", "3", 1))]
    await run(page, "sent", sent(page, yaml=FILE.replace("/opt/dump", "/opt/other")))
    assert [shown.sign for shown in page.plan.hosts[0].lines] == [" "]
    assert page.plan.hosts[0].note == "same crontab line, new command"
    await run(page, "sent", sent(page, yaml=FILE.replace("db, replica", "web")))
    assert [shown.sign for shown in page.plan.hosts[0].lines] == ["-"]
    assert page.plan.nobody.endswith(" alice-host.")
    await run(page, "sent", sent(page, "form", form={"endpoints": "alice-host, db09", "selector": ""}))
    assert page.plan.unknown == 'No host is called "db09".'


async def test_another_name_needs_a_new_job(cookie: str) -> None:
    store(FILE)
    page = await opened(EDIT, cookie)
    await run(page, "sent", sent(page, yaml=FILE.replace("name: backup", "name: other")))
    assert "Create a new job" in page.check.wrong["name"]
