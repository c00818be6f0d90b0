"""The Start page."""

from __future__ import annotations

from crontopus_app.base.db import writing
from crontopus_app.models import User
from crontopus_app.ui.start.state import StartState
from tests.cast import Member
from tests.ui.states import page_at, run


async def test_it_shows_the_grant_command_while_there_is_no_operator(alice: Member, cookie: str) -> None:
    page = page_at("/start", StartState, cookie)
    await run(page, "load")
    assert page.grant == "crontopus-server admin grant alice"
    with writing() as session:
        session.get_one(User, alice.actor.user_id).role = "operator"
    await run(page, "load")
    assert page.grant == ""
