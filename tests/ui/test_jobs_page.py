"""The Jobs page: filters, order, and acts on many jobs."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from contract import wire
from crontopus_app.ui.jobs import rows
from crontopus_app.ui.jobs.rows import JobQuery
from crontopus_app.ui.jobs.state import JobsState
from tests.cast import NOON, Member
from tests.ui.states import page_at, run

JOB = wire.JobSummary(
    "id", "b", "production", "p", ["0 2 * * *"], None, True, False, True, [], NOON, "ok", ["h"], "sha"
)
JOBS = [
    replace(JOB, name="c", state="ok", next_run=None, changed_at=NOON),
    replace(JOB, name="a", state="paused", endpoints=["h", "i"], changed_at=NOON - timedelta(days=1)),
    replace(JOB, name="b", state="failing", namespace="staging", endpoints=[]),
    replace(JOB, name="d", state="invalid", valid=False),
]


@pytest.mark.parametrize(
    ("query", "names"),
    [
        (JobQuery(), "bdca"),
        (JobQuery(sort="name"), "abcd"),
        (JobQuery(sort="-name"), "dcba"),
        (JobQuery(sort="hosts"), "bcda"),
        (JobQuery(sort="-hosts"), "acdb"),
        (JobQuery(sort="next"), "adbc"),
        (JobQuery(sort="changed"), "acdb"),
        (JobQuery(sort="nonsense"), "bdca"),
        (JobQuery(state="healthy"), "c"),
        (JobQuery(state="ok"), "c"),
        (JobQuery(namespace="staging"), "b"),
    ],
)
def test_jobs_in_order_by_default_those_first_that_need_attention(query: JobQuery, names: str) -> None:
    assert "".join(job.name for job in rows.chosen(JOBS, query)) == names


def test_a_head_sorts_up_then_down_then_by_need_again() -> None:
    orders = []
    query = JobQuery(text="label:env=prod", state="ok")
    for _ in range(3):
        head = rows.heads(query)[0]
        orders.append((head.order, head.href))
        query = replace(query, sort={"none": "name", "ascending": "-name", "descending": ""}[head.order])
    kept = "/jobs?state=ok&q=label%3Aenv%3Dprod"
    assert orders == [("none", f"{kept}&sort=name"), ("ascending", f"{kept}&sort=-name"), ("descending", kept)]
    assert [head.text for head in rows.heads(query) if not head.href] == ["Schedule", "Last 20", "Typical"]


def test_each_word_of_the_filter_can_be_taken_out() -> None:
    made = rows.pills(JOBS, JobQuery(text="label:env=prod host:db01", sort="name"))
    assert [(pill.text, pill.href) for pill in made if pill.text.endswith("✕")] == [
        ("label:env=prod ✕", "/jobs?q=host%3Adb01&sort=name"),
        ("host:db01 ✕", "/jobs?q=label%3Aenv%3Dprod&sort=name"),
    ]
    assert made[0].text == "all 4"
    assert [pill.text for pill in made if pill.apart][:1] == ["failing 1"]


@pytest.mark.parametrize(
    ("form", "words"),
    [
        ({"action": "pause", "jobs": ""}, "Name each job as namespace/name"),
        ({"action": "burn", "jobs": "production/backup"}, "action must be one of"),
        (
            {"action": "pause", "jobs": "production/none"},
            "No job was changed. production/none: No job production/none.",
        ),
        ({}, "Name each job"),
    ],
)
async def test_an_act_on_jobs_that_cannot_be_done_is_explained(
    alice: Member, cookie: str, form: dict[str, str], words: str
) -> None:
    del alice
    page = page_at("/jobs", JobsState, cookie)
    assert words in str(await run(page, "bulk", form))


async def test_a_visitor_changes_no_job() -> None:
    assert "Sign in" in str(await run(page_at("/jobs", JobsState), "bulk", {"action": "delete", "jobs": "a/b"}))
