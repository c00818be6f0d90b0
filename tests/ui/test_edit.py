"""New and Edit: what is typed on one side reaches the other, what it means is told, and a save is followed."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlmodel import select

from contract.wire import Problem
from crontopus_app.db import reading, writing
from crontopus_app.errors import BadInput
from crontopus_app.models import Change, Endpoint, JobIndex, Tenant
from crontopus_app.ui.edit import desk, rows, talk
from crontopus_app.ui.edit import form as forms
from crontopus_app.ui.edit.form import Form
from crontopus_app.ui.edit.state import EditState
from crontopus_app.ui.kit.editor import marks
from tests.cast import JOB_ID, Member
from tests.ui.states import page_at, run

NEW = "/jobs/new"
EDIT = "/jobs/production/backup/edit"
FILE = f"""\
# ours
apiVersion: v1
kind: Job
metadata:
  id: {JOB_ID}
  name: backup   # as the file
  annotations: {{owner: ops}}
spec:
  # at night
  schedule: "0 2 * * *"
  timezone: Europe/Berlin  # the office
  command: |  # two steps
    /opt/dump

    /opt/send
  env:
    A: "1"   # one
  agent: {{selector: {{role: [db, replica]}}}}
"""


def said(page: Any, side: str = "yaml", **more: Any) -> dict[str, str]:
    """What the browser sends, on top of what it was told last."""
    told = json.loads(page.answer)
    form = {**asdict(Form()), **(told["form"] or {}), **more.pop("form", {})}
    on = {"base": told["base"], "sha": told["sha"]}
    body = {**on, "seq": 1, "side": side, "place": told["place"], "yaml": told["yaml"] or "", "form": form, "dirty": []}
    return {"sent": json.dumps({**body, **more})}


async def opened(address: str, cookie: str) -> Any:
    page = page_at(address, EditState, cookie)
    await run(page, "load")
    return page


def store(text: str, sha: str = "1" * 40, author: str = "alice") -> None:
    """The file as the index has it."""
    with writing() as session:
        row = session.exec(select(JobIndex).where(JobIndex.job_id == JOB_ID)).one()
        row.yaml, row.blob_sha, row.commit_author, row.commit_sha = text.encode(), sha, author, "4f1c2ab" + "0" * 33
        session.add(row)


def host(member: Member, **facts: Any) -> None:
    with writing() as session:
        row = session.get(Endpoint, member.endpoint_id)
        assert row is not None
        for name, value in facts.items():
            setattr(row, name, value)
        session.add(row)


# The form and the text


def test_the_form_says_what_the_text_says() -> None:
    form = forms.shown(FILE, Form())
    assert (form.name, form.schedule, form.timezone, form.owner) == ("backup", "0 2 * * *", "Europe/Berlin", "ops")
    assert (form.command, form.env, form.selector) == ("/opt/dump\n\n/opt/send\n", "A=1", "role=db, replica")
    assert forms.changed(FILE, form) == (FILE, "")


def test_a_field_changes_its_own_line_only() -> None:
    form = replace(forms.shown(FILE, Form()), timezone="Asia/Tokyo", env="A=1\nB=x y", attempts="3")
    text, note = forms.changed(FILE, form)
    assert note == ""
    kept = [line for line in FILE.splitlines() if "Berlin" not in line]
    assert [line for line in text.splitlines() if line in kept] == kept
    assert "  timezone: Asia/Tokyo  # the office\n" in text
    assert '    A: "1"   # one\n    B: x y\n' in text
    assert text.endswith("  retry:\n    attempts: 3\n")


def test_a_block_of_lines_stays_one() -> None:
    text, _ = forms.changed(FILE, replace(forms.shown(FILE, Form()), command="/opt/dump\n/opt/verify"))
    assert "  command: |-  # two steps\n    /opt/dump\n    /opt/verify\n  env:" in text


@pytest.mark.parametrize("name", sorted(forms.PLACES))
def test_every_field_goes_to_the_text_and_back(name: str) -> None:
    samples = {"enabled": "", "env": "A=1\nB=two words", "labels": "team=ops", "selector": "role=db\nzone=a, b"}
    samples |= {"args": "--one\ntwo  three", "endpoints": "db01, db02", "schedule": "0 1 * * *; 0 2 * * *"}
    form = replace(Form(name="a", schedule="@daily", command="x"), **{name: samples.get(name, "12")})
    text, note = forms.changed(forms.fresh(Form(), JOB_ID), form)
    assert note == ""
    assert forms.shown(text, Form()) == form


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=40), st.sampled_from(sorted(forms.PLACES)))
def test_nothing_typed_breaks_the_text_or_touches_another_line(typed: str, name: str) -> None:
    form = replace(forms.shown(FILE, Form()), **{name: typed})
    text, _ = forms.changed(FILE, form)
    assert "# ours" in text
    assert "# at night" in text
    back = asdict(forms.shown(text, Form()))
    others = {key: value for key, value in asdict(form).items() if key != name}
    assert {key: value for key, value in back.items() if key != name} == others


def test_a_text_that_is_no_yaml_leaves_the_form_and_is_not_changed_by_it() -> None:
    form = Form(name="kept")
    assert forms.shown("a: [", form) == form
    assert forms.changed("a: [", form)[0] == "a: ["
    assert "cannot be edited" in forms.changed("a: [", form)[1]


@pytest.mark.parametrize(
    ("place", "name"),
    [
        ("spec.schedule[1]", "schedule"), ("spec.env.PATH", "env"), ("spec.env key", "env"), ("metadata.name", "name"),
        ("namespace", "namespace"), ("spec.checkin.maxRuntime", "limit"), ("spec.commander", ""), ("", ""),
    ],
)  # fmt: skip
def test_an_error_belongs_to_an_input(place: str, name: str) -> None:
    assert forms.field_at(place) == name


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
        assert "load the page again" in page.saved.said
    with reading() as session:
        assert session.exec(select(Change)).all() == []


def test_half_a_surrogate_pair_becomes_text() -> None:
    said = talk.read({"sent": '{"seq":1,"side":"yaml","place":"new","yaml":"a\\ud800b","dirty":["x","env"]}'}, "new")
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
    assert [len(zone.future.coming) for zone in page.check.zones] == [5]


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


async def test_nothing_is_wrong_before_anybody_typed(cookie: str) -> None:
    page = await opened(NEW, cookie)
    assert (page.check.errors, page.check.marks, set(page.check.wrong.values())) == (0, (), {""})
    assert page.check.words
    await run(page, "sent", said(page, "form"))
    assert page.check.wrong["command"]


async def test_errors_stand_at_their_lines_and_inputs(cookie: str) -> None:
    page = await opened(NEW, cookie)
    text = "apiVersion: v1\nkind: Job\nmetadata:\n  name: Bad\nspec:\n  shedule: x\n  command: a\n"
    await run(page, "sent", said(page, yaml=text))
    assert [(mark.line, mark.state, mark.left) for mark in page.check.marks][:2] == [
        (4, "failed", 11),
        (6, "failed", 12),
    ]
    assert page.check.wrong["name"]
    assert page.plan.said == "told when the errors are mended"


def test_a_line_has_one_mark_with_errors_first() -> None:
    found = [
        Problem("a", "advice", line=2, severity="warning"),
        Problem("b", "broken", line=2, column=3),
        Problem("c", "all"),
    ]
    assert [(one.line, one.message, one.said) for one in marks("x\nyy", found)] == [
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
    assert page.check.zones[0].future.zone == "Asia/Tokyo"
    assert "04:05" in page.check.words


async def test_hosts_of_two_zones_are_told_apart(cookie: str, alice: Member) -> None:
    host(alice, timezone="Europe/Berlin", capabilities={"dst_policy": "busybox"})
    from tests.cast import add_endpoint

    second, _ = add_endpoint("alice", "second")
    with writing() as session:
        row = session.get(Endpoint, second)
        assert row is not None
        row.timezone = "Asia/Tokyo"
        session.add(row)
    page = await opened(NEW, cookie)
    await run(page, "sent", said(page, "form", form={"name": "a", "command": "x", "schedule": "30 2 * * *"}))
    zones = {zone.future.zone: zone for zone in page.check.zones}
    assert {zone: told.hosts for zone, told in zones.items()} == {"Europe/Berlin": "alice-host", "Asia/Tokyo": "second"}
    assert any("skipped" in night.text for night in zones["Europe/Berlin"].future.nights)
    assert zones["Asia/Tokyo"].future.nights == ()


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
    assert (page.plan.said, page.plan.unknown) == ("changes on 1 host", "")
    (one,) = page.plan.hosts
    assert [(shown.sign, shown.text) for shown in one.lines] == [("-", line), ("+", line.replace("2", "3", 1))]
    await run(page, "sent", said(page, yaml=FILE.replace("/opt/dump", "/opt/other")))
    assert [shown.sign for shown in page.plan.hosts[0].lines] == [" "]
    assert "what it runs changes" in page.plan.hosts[0].note
    await run(page, "sent", said(page, yaml=FILE.replace("db, replica", "web")))
    assert [shown.sign for shown in page.plan.hosts[0].lines] == ["-"]
    assert "none has role = web" in page.plan.nobody
    await run(page, "sent", said(page, "form", form={"endpoints": "alice-host, db09", "selector": ""}))
    assert page.plan.unknown == "No host is named db09."


async def test_another_name_is_another_job(cookie: str) -> None:
    store(FILE)
    page = await opened(EDIT, cookie)
    await run(page, "sent", said(page, yaml=FILE.replace("name: backup", "name: other")))
    assert "make a new job" in page.check.wrong["name"]


# Conflicts


async def test_a_change_of_somebody_else_is_noticed_and_merged(cookie: str) -> None:
    store(FILE)
    page = await opened(EDIT, cookie)
    mine = FILE.replace("0 2 * * *", "0 3 * * *")
    store(FILE.replace("Europe/Berlin", "UTC"), "2" * 40, "bob")
    await follow(page)
    assert (page.conflict.state, page.conflict.who, page.conflict.commit) == ("noticed", "bob", "4f1c2ab")
    assert json.loads(page.answer)["why"] == "load", "what is typed is not touched"
    await run(page, "sent", said(page, "merge", yaml=mine))
    told = json.loads(page.answer)
    assert (page.conflict.state, told["why"], told["sha"]) == ("merged", "merged", "2" * 40)
    assert told["yaml"] == mine.replace("Europe/Berlin", "UTC")


async def test_what_both_changed_is_chosen(cookie: str) -> None:
    store(FILE)
    page = await opened(EDIT, cookie)
    mine, theirs = FILE.replace("0 2 * * *", "0 3 * * *"), FILE.replace("0 2 * * *", "0 4 * * *").replace("ops", "dba")
    store(theirs, "2" * 40, "bob")
    await run(page, "sent", said(page, "merge", yaml=mine))
    (hunk,) = page.conflict.hunks
    assert [(line.sign, line.text.strip()) for line in hunk.mine] == [
        ("-", 'schedule: "0 2 * * *"'),
        ("+", 'schedule: "0 3 * * *"'),
    ]
    await run(page, "settle", "chosen")
    assert (page.conflict.state, page.conflict.left) == ("open", 1)
    for nonsense in ((99, "mine"), (hunk.index, "x"), (-1, "mine"), (hunk.index - 1, "mine")):
        await run(page, "choose", *nonsense)
    assert page.conflict.left == 1
    await run(page, "choose", hunk.index, "mine")
    assert page.conflict.left == 0
    await run(page, "settle", "chosen")
    assert json.loads(page.answer)["yaml"] == theirs.replace("0 4 * * *", "0 3 * * *")


@pytest.mark.parametrize("side", ["mine", "theirs", "later"])
async def test_one_can_take_a_side_whole_or_wait(cookie: str, side: str) -> None:
    store(FILE)
    page = await opened(EDIT, cookie)
    texts = {"mine": FILE.replace("0 2", "0 3"), "theirs": FILE.replace("0 2", "0 4") + "# theirs\n"}
    store(texts["theirs"], "2" * 40)
    await run(page, "sent", said(page, "merge", yaml=texts["mine"]))
    await run(page, "settle", side)
    if side == "later":
        assert page.conflict.state == "noticed"
    else:
        assert json.loads(page.answer)["yaml"] == texts[side]


async def test_a_draft_that_stands_on_an_older_file_is_told(cookie: str) -> None:
    store(FILE, "2" * 40, "bob")
    page = await opened(EDIT, cookie)
    await run(page, "sent", said(page, "draft", yaml="# mine\n" + FILE, base=FILE, sha="1" * 40))
    assert page.conflict.state == "noticed"
    assert json.loads(page.answer)["sha"] == "1" * 40


async def test_a_deleted_job_is_told(cookie: str) -> None:
    store(FILE)
    page = await opened(EDIT, cookie)
    with writing() as session:
        session.delete(session.exec(select(JobIndex)).one())
    await follow(page)
    assert page.conflict.state == "gone"
    assert page.problem == ""


async def follow(page: Any) -> None:
    """As an event of the tenant does."""
    from crontopus_app.ui import session

    await session.fill(page, await session.actor_of(page))


# Saving


async def test_a_job_that_is_not_there_yet_is_opened_when_it_is(cookie: str) -> None:
    page = await opened("/jobs/production/later/edit", cookie)
    assert "There is no job" in page.problem
    with writing() as session:
        row = session.exec(select(JobIndex)).one()
        row.name, row.yaml = "later", FILE.encode()
        session.add(row)
    await follow(page)
    assert (page.problem, json.loads(page.answer)["place"]) == ("", "production/later")


async def test_a_file_that_leans_on_the_policy_is_accepted(cookie: str, alice: Member) -> None:
    with writing() as session:
        tenant = session.get(Tenant, "alice")
        assert tenant is not None
        tenant.policy = b"defaults:\n  staging:\n    schedule: '5 4 * * *'\n"
        session.add(tenant)
    text = "apiVersion: v1\nkind: Job\nmetadata: {name: a}\nspec: {command: x}\n"
    typed = talk.Said(yaml=text, form=Form(namespace="staging"))
    with writing() as session:
        on, made = desk.submitted(session, alice.actor, desk.Desk(namespace="staging"), typed)
    assert (made.path, on.target) == ("staging/a.yaml", "staging/a")
    with writing() as session, pytest.raises(BadInput):
        desk.submitted(session, alice.actor, desk.Desk(), replace(typed, form=Form()))


async def test_what_is_wrong_is_not_saved_and_told_in_its_place(cookie: str) -> None:
    page = await opened(NEW, cookie)
    await run(page, "save", said(page))
    assert page.saved.state == "failed"
    assert page.check.wrong["command"]
    with reading() as session:
        assert session.exec(select(Change)).all() == []


async def test_a_stranger_cannot_save_into_anothers_job(cookie: str, charlies: str) -> None:
    store(FILE)
    mine = await opened(EDIT, cookie)
    page = page_at(EDIT, EditState, charlies)
    page._desk = mine._desk
    await run(page, "save", said(mine, yaml=FILE + "# x\n"))
    assert "There is no job" in page.saved.said
    with reading() as session:
        assert session.exec(select(Change)).all() == []


async def test_without_a_session_what_is_typed_is_kept(cookie: str) -> None:
    page = await opened(NEW, cookie)
    message, page = said(page), page_at(NEW, EditState, "crontopus_session=forged")
    page._desk = page._desk._replace(namespace="production")
    await run(page, "sent", message)
    assert (page.saved.href, page.saved.state) == ("/login", "failed")


async def test_a_server_that_was_started_anew_overwrites_nobodys_change(cookie: str) -> None:
    store(FILE.replace("Europe/Berlin", "UTC"), "2" * 40, "bob")
    page = await opened(EDIT, cookie)
    await run(page, "save", said(page, yaml=FILE + "# mine\n", base=FILE, sha="1" * 40))
    assert page.conflict.state == "merged"
    assert json.loads(page.answer)["yaml"] == FILE.replace("Europe/Berlin", "UTC") + "# mine\n"
    with reading() as session:
        assert session.exec(select(Change)).all() == []


@pytest.mark.parametrize(
    ("state", "expected", "told"),
    [
        ("pending", 0, ("waiting", "")),
        ("done", 0, ("done", "no host takes it")),
        ("done", 3, ("done", "on 2 of 3 hosts")),
        ("failed", 0, ("failed", "")),
    ],
)
def test_how_far_a_save_is_in_words(state: str, expected: int, told: tuple[str, str]) -> None:
    from contract.wire import ChangeStatus
    from tests.cast import NOON

    change = ChangeStatus(
        "c", state, "update", "production/a.yaml", "4f1c2ab" + "0" * 33, "why", "alice", NOON, 2, expected
    )
    shown = rows.saved(change, "production/a")
    assert (shown.state, shown.hosts) == told
