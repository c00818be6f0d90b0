"""A manifest, and the browser's side of the editor, for tests of New and Edit."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from sqlmodel import select

from crontopus_app.base.db import writing
from crontopus_app.models import Endpoint, JobIndex
from crontopus_app.ui import session as ui_session
from crontopus_app.ui.edit.form import Form
from crontopus_app.ui.edit.state import EditState
from tests.cast import JOB_ID, Member
from tests.ui.states import page_at, run

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

NEW = "/jobs/new"
EDIT = "/jobs/production/backup/edit"


def sent(page: Any, side: str = "yaml", **more: Any) -> dict[str, str]:
    """A message of the browser, based on the last answer."""
    answer = json.loads(page.answer)
    form = {**asdict(Form()), **(answer["form"] or {}), **more.pop("form", {})}
    revision = {"base": answer["base"], "sha": answer["sha"]}
    body = {
        **revision,
        "seq": 1,
        "side": side,
        "place": answer["place"],
        "yaml": answer["yaml"] or "",
        "form": form,
        "dirty": [],
    }
    return {"sent": json.dumps({**body, **more})}


async def opened(address: str, cookie: str) -> Any:
    page = page_at(address, EditState, cookie)
    await run(page, "load")
    return page


def store(text: str, sha: str = "1" * 40, author: str = "alice") -> None:
    """Puts the file into the index."""
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


async def follow(page: Any) -> None:
    """Refills the page, as a live event does."""
    await ui_session.fill(page, await ui_session.actor_of(page))
