"""Dialogs and toasts: the components, the script in a real browser, and undo."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

from crontopus_app.base.actor import Actor
from crontopus_app.base.errors import NotFound
from crontopus_app.ui import session, undo
from crontopus_app.ui.jobs.state import JobsState
from crontopus_app.ui.kit import dialog, toast
from crontopus_app.ui.undo import UndoState
from tests.ui.states import page_at, run, shown

ORIGIN = "http://kit.example"
ASSETS = Path(__file__).resolve().parents[2] / "assets"
# What the components draw, by hand: the journeys use them through React.
PAGE = """
<main id="main" tabindex="-1">
  <button id="one" data-open="revoke" data-give-id="t1" data-give-name="ci">Revoke</button>
  <button id="two" data-open="revoke" data-give-id="t2" data-give-name="<b>laptop</b>">Revoke</button>
</main>
<dialog id="revoke"><h2>Revoke</h2><form data-closes="">
  <input type="hidden" name="id" data-take="id"><p><b data-given="name"></b></p>
  <button type="button" data-close="">Cancel</button><button type="submit">Revoke it</button></form></dialog>
<div id="toasts" role="region" aria-live="polite"></div>
<form data-undo=""><input type="hidden" name="key" data-take="key"></form>
<script>
  window.asked = [];
  document.querySelectorAll("form").forEach((form) => form.addEventListener("submit", (e) => {
    e.preventDefault(); asked.push(Object.fromEntries(new FormData(form))); }));
</script>
"""


@pytest.fixture
def kit(page: Page) -> Page:
    """A page with the kit's scripts, its looks and a clock that stands still."""
    page.clock.install()
    page.route(f"{ORIGIN}/**", _serve)
    page.goto(ORIGIN)
    page.add_style_tag(path=ASSETS / "console.css")
    for name in ("dialogs", "toasts"):
        page.add_script_tag(url=f"/js/{name}.js", type="module")
    return page


def _serve(route: Route) -> None:
    path = route.request.url.removeprefix(ORIGIN).strip("/")
    if path:
        route.fulfill(path=ASSETS / path)
    else:
        route.fulfill(body=PAGE, content_type="text/html; charset=utf-8")


def say(page: Page, **told: str) -> None:
    page.evaluate("told => crontopus.say(told)", told)


def test_a_dialog_opens_without_the_server_and_gives_the_focus_back(kit: Page) -> None:
    opener = kit.locator("#one")
    opener.focus()
    kit.keyboard.press("Enter")
    expect(kit.locator("dialog")).to_be_visible()
    expect(kit.get_by_role("button", name="Cancel")).to_be_focused()
    kit.keyboard.press("Escape")
    expect(kit.locator("dialog")).to_be_hidden()
    expect(opener).to_be_focused()


def test_the_focus_stays_within_a_dialog(kit: Page) -> None:
    kit.locator("#one").click()
    for _ in range(5):
        kit.keyboard.press("Tab")
        assert kit.evaluate("document.activeElement === document.body || !!document.activeElement.closest('dialog')")


def test_one_dialog_serves_many_rows_and_their_names_stay_text(kit: Page) -> None:
    kit.locator("#two").click()
    expect(kit.locator("[data-given=name]")).to_have_text("<b>laptop</b>")
    kit.get_by_role("button", name="Cancel").click()
    expect(kit.locator("#two")).to_be_focused()
    kit.locator("#one").click()
    kit.get_by_role("button", name="Revoke it").click()
    expect(kit.locator("dialog")).to_be_hidden()
    assert kit.evaluate("asked") == [{"id": "t1"}]


def test_a_click_beside_a_dialog_closes_it_and_one_inside_does_not(kit: Page) -> None:
    kit.locator("#one").click()
    kit.locator("dialog h2").click()
    expect(kit.locator("dialog")).to_be_visible()
    kit.mouse.click(5, 5)
    expect(kit.locator("dialog")).to_be_hidden()


def test_the_focus_goes_to_the_page_where_the_opener_has_gone(kit: Page) -> None:
    kit.locator("#one").click()
    kit.evaluate("document.getElementById('one').remove()")
    kit.keyboard.press("Escape")
    expect(kit.locator("#main")).to_be_focused()


def test_a_toast_goes_by_itself_but_not_under_the_pointer(kit: Page) -> None:
    say(kit, text="Saved as 4f1c2ab.")
    kit.locator(".toast").hover()
    kit.clock.run_for(60_000)
    expect(kit.locator(".toast.held")).to_have_text(re.compile("Saved as 4f1c2ab"))
    kit.mouse.move(0, 0)
    kit.clock.run_for(60_000)
    expect(kit.locator(".toast")).to_have_count(0)


def test_a_toast_stays_while_it_has_the_focus_and_gives_it_to_the_page(kit: Page) -> None:
    say(kit, text="Paused.")
    kit.get_by_role("button", name="close").focus()
    kit.clock.run_for(60_000)
    expect(kit.locator(".toast")).to_have_count(1)
    kit.keyboard.press("Escape")
    expect(kit.locator(".toast")).to_have_count(0)
    expect(kit.locator("#main")).to_be_focused()


def test_a_failure_is_an_alert_that_stays(kit: Page) -> None:
    say(kit, text="Refused.", state="failed")
    kit.clock.run_for(600_000)
    expect(kit.get_by_role("alert")).to_contain_text("Refused.")
    kit.get_by_role("button", name="close").click()
    expect(kit.locator(".toast")).to_have_count(0)


def test_undo_is_sent_once_with_its_key(kit: Page) -> None:
    say(kit, text="Deleted.", undo="k1")
    kit.get_by_role("button", name="Undo").click()
    expect(kit.locator(".toast")).to_have_count(0)
    assert kit.evaluate("asked") == [{"key": "k1"}]


def test_only_the_last_four_toasts_are_kept_and_their_words_stay_text(kit: Page) -> None:
    for number in range(6):
        say(kit, text=f"<i>{number}</i>", href="//elsewhere.example")
    assert kit.locator(".toast span").all_inner_texts() == [f"<i>{number}</i>" for number in (2, 3, 4, 5)]
    expect(kit.locator(".toast a")).to_have_count(0)


def test_reduced_motion_has_no_animations(kit: Page) -> None:
    kit.emulate_media(reduced_motion="reduce")
    say(kit, text="Saved.")
    assert kit.locator(".toast").evaluate("e => getComputedStyle(e).animationName") == "none"


def test_the_components_draw_what_the_script_looks_for() -> None:
    asks = dialog.confirm(
        "revoke", "Revoke", dialog.given("name"), act="Revoke", on_submit=UndoState.undo, takes=("id",)
    )
    drawn = json.dumps([asks.render(), dialog.opens("Revoke", "revoke", id="t1", name="ci").render()])
    drawn += json.dumps(toast.region(UndoState.undo).render())
    for mark in ("data-closes", "data-close", "data-take", "data-given", "data-open", "data-give-id", "data-undo"):
        assert mark in drawn, mark


@pytest.mark.parametrize("name", ["two words", "Upper", "a-b", "n1"])
def test_fields_of_a_dialog_have_plain_names(name: str) -> None:
    with pytest.raises(ValueError, match="one lower-case word"):
        dialog.opens("Open", "it", **{name: "x"})


def test_a_toasts_text_is_data_not_script() -> None:
    text = '");alert(1)//</script>'
    (code,) = [str(value) for name, value in toast.say(text, "late").args if str(name) == "javascript_code"]
    told = json.loads(json.loads(code).removeprefix("crontopus.say(").removesuffix(")"))
    assert told == {"text": text, "state": "late", "href": "", "label": "Open", "undo": ""}
    with pytest.raises(ValueError, match="not a state"):
        toast.say("x", "purple")


async def offered(cookie: str, act: undo.Act) -> tuple[Any, str]:
    """A page after an act that can be undone, and the key of its Undo."""
    page = page_at("/jobs", JobsState, cookie)
    event = await undo.offer(page, await session.actor_of(page), "Done.", act)
    found = re.search(r"undo\W+([\w-]{16})", str(event))
    assert found, event
    return await page.get_state(UndoState), found[1]


async def test_undo_works_once(cookie: str) -> None:
    done: list[str] = []

    async def act(actor: Actor) -> str:
        done.append(actor.tenant_id)
        return "Taken back."

    state, key = await offered(cookie, act)
    assert "Taken back." in str(await run(state, "undo", {"key": key}))
    assert "can no longer be undone" in str(await run(state, "undo", {"key": key}))
    assert done == ["alice"]


async def test_a_rejected_undo_shows_its_error(cookie: str) -> None:
    async def act(actor: Actor) -> str:
        raise NotFound(f"There is no such job of {actor.tenant_id}.")

    state, key = await offered(cookie, act)
    assert "There is no such job of alice." in str(await run(state, "undo", {"key": key}))


async def test_another_user_cannot_undo(cookie: str, charlies: str) -> None:
    async def act(_: Actor) -> str:
        raise AssertionError("charlie must never come here")

    state, key = await offered(cookie, act)
    seen = page_at("/jobs", JobsState, charlies)
    theirs = await seen.get_state(UndoState)
    theirs._offers = dict(state._offers)
    assert "can no longer be undone" in str(await run(theirs, "undo", {"key": key}))


@pytest.mark.parametrize("form", [{}, {"key": None}, {"key": ["x"]}, {"key": "x" * 10_000}])
async def test_an_unknown_key_gets_an_error(cookie: str, form: dict[str, Any]) -> None:
    state = await page_at("/jobs", JobsState, cookie).get_state(UndoState)
    assert "can no longer be undone" in str(await run(state, "undo", form))


async def test_only_the_last_few_acts_are_kept_and_none_is_sent(cookie: str) -> None:
    async def act(_: Actor) -> str:
        return "x"

    page = page_at("/jobs", JobsState, cookie)
    actor = await session.actor_of(page)
    for _ in range(undo.KEPT + 5):
        await undo.offer(page, actor, "Done.", act)
    state = await page.get_state(UndoState)
    assert len(state._offers) == undo.KEPT
    assert not any(key in shown(page) for key in state._offers)
