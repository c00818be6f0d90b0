"""Saving from the editor, and conflicts between two users."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from sqlmodel import select

from contract.wire import ChangeStatus
from crontopus_app.base.db import reading, writing
from crontopus_app.base.errors import BadInput
from crontopus_app.jobs.batch import blob_sha
from crontopus_app.models import Change, JobIndex, Tenant
from crontopus_app.ui.edit import draft, messages, rows
from crontopus_app.ui.edit.form import Form
from crontopus_app.ui.edit.state import EditState
from tests.cast import NOON, Member
from tests.ui.editing import EDIT, FILE, NEW, follow, opened, sent, store
from tests.ui.states import page_at, run


async def test_another_users_change_is_noted_and_merged(cookie: str) -> None:
    store(FILE)
    page = await opened(EDIT, cookie)
    mine = FILE.replace("0 2 * * *", "0 3 * * *")
    store(FILE.replace("Europe/Berlin", "UTC"), "2" * 40, "bob")
    await follow(page)
    assert (page.conflict.state, page.conflict.who, page.conflict.commit) == ("noticed", "bob", "4f1c2ab")
    assert json.loads(page.answer)["why"] == "load", "what is typed is not touched"
    await run(page, "sent", sent(page, "merge", yaml=mine))
    answer = json.loads(page.answer)
    assert (page.conflict.state, answer["why"], answer["sha"]) == ("merged", "merged", "2" * 40)
    assert answer["yaml"] == mine.replace("Europe/Berlin", "UTC")


async def test_conflicting_lines_are_chosen_by_the_user(cookie: str) -> None:
    store(FILE)
    page = await opened(EDIT, cookie)
    mine, theirs = FILE.replace("0 2 * * *", "0 3 * * *"), FILE.replace("0 2 * * *", "0 4 * * *").replace("ops", "dba")
    store(theirs, "2" * 40, "bob")
    await run(page, "sent", sent(page, "merge", yaml=mine))
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
async def test_a_user_can_take_one_version_or_decide_later(cookie: str, side: str) -> None:
    store(FILE)
    page = await opened(EDIT, cookie)
    texts = {"mine": FILE.replace("0 2", "0 3"), "theirs": FILE.replace("0 2", "0 4") + "# theirs\n"}
    store(texts["theirs"], "2" * 40)
    await run(page, "sent", sent(page, "merge", yaml=texts["mine"]))
    await run(page, "settle", side)
    if side == "later":
        assert page.conflict.state == "noticed"
    else:
        assert json.loads(page.answer)["yaml"] == texts[side]


async def test_a_draft_of_an_older_file_shows_the_newer_change(cookie: str) -> None:
    store(FILE, "2" * 40, "bob")
    page = await opened(EDIT, cookie)
    await run(page, "sent", sent(page, "draft", yaml="# mine\n" + FILE, base=FILE, sha="1" * 40))
    assert page.conflict.state == "noticed"
    assert json.loads(page.answer)["sha"] == "1" * 40


async def test_a_deleted_job_is_noted(cookie: str) -> None:
    store(FILE)
    page = await opened(EDIT, cookie)
    with writing() as session:
        session.delete(session.exec(select(JobIndex)).one())
    await follow(page)
    assert page.conflict.state == "gone"
    assert page.problem == ""


# Saving


async def test_a_job_is_opened_as_soon_as_it_exists(cookie: str) -> None:
    page = await opened("/jobs/production/later/edit", cookie)
    assert "No job" in page.problem
    with writing() as session:
        row = session.exec(select(JobIndex)).one()
        row.name, row.yaml = "later", FILE.encode()
        session.add(row)
    await follow(page)
    assert (page.problem, json.loads(page.answer)["place"]) == ("", "production/later")


async def test_a_pending_save_is_tracked_to_its_commit(cookie: str, alice: Member) -> None:
    store(FILE)
    page = await opened(EDIT, cookie)
    mine = FILE + "# mine\n"
    typed = messages.EditMessage(seq=3, yaml=mine, base=FILE, sha="1" * 40)
    with writing() as session:
        page._draft, made = draft.submitted(session, alice.actor, page._draft, typed)
    await follow(page)
    assert (page.saved.state, json.loads(page.answer)["why"]) == ("waiting", "load")
    with writing() as session:
        row = session.get(Change, made.id)
        assert row is not None
        row.state, row.commit_sha, row.done_at = "done", "4f1c2ab" + "0" * 33, NOON
        tenant = session.get(Tenant, "alice")
        assert tenant is not None
        tenant.head = row.commit_sha
        session.add_all([row, tenant])
    store(mine, page._draft.sha)
    await follow(page)
    answer = json.loads(page.answer)
    assert (page.saved.state, page.saved.commit, page.saved.hosts) == ("done", "4f1c2ab", "on 0 of 1 host")
    assert (answer["why"], answer["base"], answer["sha"]) == ("saved", mine, blob_sha(mine.encode()))
    assert page.conflict.state == "", "the user's own change is no conflict"


async def test_a_save_that_git_rejects_shows_the_error_and_loses_nothing(cookie: str, alice: Member) -> None:
    store(FILE)
    page = await opened(EDIT, cookie)
    with writing() as session:
        typed = messages.EditMessage(seq=3, yaml=FILE + "# mine\n", base=FILE, sha="1" * 40)
        page._draft, made = draft.submitted(session, alice.actor, page._draft, typed)
        row = session.get(Change, made.id)
        assert row is not None
        row.state, row.error = "failed", "The Git server said no."
        session.add(row)
    await follow(page)
    assert (page.saved.state, page.saved.text) == ("failed", "The Git server said no.")
    assert json.loads(page.answer)["why"] == "load"
    assert page._draft.base == FILE


async def test_a_file_that_relies_on_the_policys_defaults_is_accepted(cookie: str, alice: Member) -> None:
    with writing() as session:
        tenant = session.get(Tenant, "alice")
        assert tenant is not None
        tenant.policy = b"defaults:\n  staging:\n    schedule: '5 4 * * *'\n"
        session.add(tenant)
    text = "apiVersion: v1\nkind: Job\nmetadata: {name: a}\nspec: {command: x}\n"
    typed = messages.EditMessage(yaml=text, form=Form(namespace="staging"))
    with writing() as session:
        on, made = draft.submitted(session, alice.actor, draft.Draft(namespace="staging"), typed)
    assert (made.path, on.target) == ("staging/a.yaml", "staging/a")
    with writing() as session, pytest.raises(BadInput):
        draft.submitted(session, alice.actor, draft.Draft(), replace(typed, form=Form()))


async def test_an_invalid_form_is_not_saved_and_shows_its_errors(cookie: str) -> None:
    page = await opened(NEW, cookie)
    await run(page, "save", sent(page))
    assert page.saved.state == "failed"
    assert page.check.wrong["command"]
    with reading() as session:
        assert session.exec(select(Change)).all() == []


async def test_another_tenants_user_cannot_save(cookie: str, charlies: str) -> None:
    store(FILE)
    mine = await opened(EDIT, cookie)
    page = page_at(EDIT, EditState, charlies)
    page._draft = mine._draft
    await run(page, "save", sent(mine, yaml=FILE + "# x\n"))
    assert "No job" in page.saved.text
    with reading() as session:
        assert session.exec(select(Change)).all() == []


async def test_without_a_session_typing_is_kept(cookie: str) -> None:
    page = await opened(NEW, cookie)
    message, page = sent(page), page_at(NEW, EditState, "crontopus_session=forged")
    page._draft = page._draft._replace(namespace="production")
    await run(page, "sent", message)
    assert (page.saved.href, page.saved.state) == ("/login", "failed")


async def test_a_restarted_server_overwrites_nobodys_change(cookie: str) -> None:
    store(FILE.replace("Europe/Berlin", "UTC"), "2" * 40, "bob")
    page = await opened(EDIT, cookie)
    await run(page, "save", sent(page, yaml=FILE + "# mine\n", base=FILE, sha="1" * 40))
    assert page.conflict.state == "merged"
    assert json.loads(page.answer)["yaml"] == FILE.replace("Europe/Berlin", "UTC") + "# mine\n"
    with reading() as session:
        assert session.exec(select(Change)).all() == []


@pytest.mark.parametrize(
    ("state", "expected", "status"),
    [
        ("pending", 0, ("waiting", "")),
        ("done", 0, ("done", "no host runs it")),
        ("done", 3, ("done", "on 2 of 3 hosts")),
        ("failed", 0, ("failed", "")),
    ],
)
def test_the_status_of_a_save(state: str, expected: int, status: tuple[str, str]) -> None:

    change = ChangeStatus(
        "c", state, "update", "production/a.yaml", "4f1c2ab" + "0" * 33, "why", "alice", NOON, 2, expected
    )
    shown = rows.saved(change, "production/a")
    assert (shown.state, shown.hosts) == status
