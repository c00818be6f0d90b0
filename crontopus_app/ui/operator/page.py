"""The operator's pages: Health, Tenants, Tasks, Settings."""

from __future__ import annotations

from typing import Any

import reflex as rx

from contract.wire_operator import SettingInForce
from crontopus_app.operations.operators import SUSPENSION
from crontopus_app.ui import shell
from crontopus_app.ui.kit import dialog, parts, skeleton
from crontopus_app.ui.operator import rows
from crontopus_app.ui.operator.state import EffectiveSettingsState, HealthState, TasksState, TenantsState

TABS = (
    ("Health", "/operator"),
    ("Tenants", "/operator/tenants"),
    ("Tasks", "/operator/tasks"),
    ("Settings", "/operator/settings"),
)
TENANTS = ["Tenant", "State", "Users", "Jobs", "Endpoints", "Runs, 30 d", "Output, 30 d", "Last check-in"]
PEOPLE = ["User", "E-mail", "Role", ""]
QUEUES = ["Queue", "Waiting", "Oldest", "Running", "Scheduled", "Failed"]
WORKERS = ["Worker", "State", "Task", "Heartbeat", "Done", "Failed"]
CHANGES = ["Tenant", "State", "Change", "Author", "Reason", "Attempts", "Since", ""]


def _frame(tab: str, state: Any, *body: Any, right: tuple[rx.Component, ...] = ()) -> rx.Component:
    # Another application: the router must not handle the link.
    rq = parts.link("RQ dashboard", "/operator/rq/", css="button", reload_document=True)
    title = rx.fragment(rx.el.span("Operator / ", class_name="muted"), tab)
    shape = rx.fragment(_tabs(tab), skeleton.figures())
    return shell.frame("Operator", title, state, _tabs(tab), *body, right=(*right, rq), shape=shape)


def _tabs(tab: str) -> rx.Component:
    """Tabs; shown while the page loads, too."""
    tabs = [
        parts.link(name, path, css="on" if name == tab else "", aria_current="page" if name == tab else "false")
        for name, path in TABS
    ]
    return rx.el.nav(*tabs, class_name="tabs top", aria_label="operator's pages")


def health() -> rx.Component:
    """``/operator``."""
    state = HealthState
    measured = rx.cond(
        state.measured_at, rx.fragment("checked ", parts.when(state.measured_at)), rx.fragment("checking …")
    )
    table = parts.table(["Component", "State", "Lag", "Details"], rx.foreach(state.parts, _part), numeric=("Lag",))
    paused = parts.note("Checks are paused. Press Check now to resume.", state="late")
    return _frame(
        "Health",
        state,
        rx.el.section(rx.foreach(state.tiles, _tile), class_name="tiles"),
        parts.card("Components", rx.cond(state.paused, paused), table, note=measured, flush=True),
        right=(rx.el.button("Check now", on_click=HealthState.follow),),
    )


def _tile(tile: rows.Figure) -> rx.Component:
    return parts.link(rx.fragment(rx.el.b(tile.value), rx.el.span(tile.label)), tile.href, css=f"tile s-{tile.state}")


def _part(part: rows.PartRow) -> rx.Component:
    return rx.el.tr(
        rx.el.td(parts.dot(part.state), part.title),
        rx.el.td(parts.tag(part.label, part.state)),
        rx.el.td(part.lag, rx.el.small(part.what), class_name="num"),
        rx.el.td(part.detail, class_name="wrap long"),
        key=part.title,
    )


def tenants() -> rx.Component:
    """``/operator/tenants``."""
    state = TenantsState
    none = parts.empty("No tenants match", rx.el.p("The filter searches names and e-mail addresses."))
    listed = parts.table(TENANTS, rx.foreach(state.tenants, _tenant), numeric=tuple(TENANTS[2:7]))
    return _frame(
        "Tenants",
        state,
        rx.el.section(parts.pills(state.pills), _search(), class_name="filters", aria_label="filters"),
        rx.cond(state.chosen.row.id, _chosen()),
        rx.el.section(rx.cond(state.tenants, listed, none), class_name="card flush"),
        parts.pager(state.pages.before, state.pages.after, ("Previous", "Next"), state.pages.summary),
        _suspend_dialog(),
        _role_dialogs(),
    )


def _search() -> rx.Component:
    box = rx.el.input(
        name="q",
        type="search",
        placeholder="Name or e-mail",
        aria_label="search tenants",
        default_value=TenantsState.text,
        key=TenantsState.text,
    )
    return rx.el.form(box, rx.el.button("Filter", class_name="small"), action="/operator/tenants", method="get")


def _tenant(one: rows.TenantRow) -> rx.Component:
    operator = rx.cond(one.operators > 0, rx.el.small("operator"))
    return rx.el.tr(
        rx.el.td(parts.dot(one.state), parts.link(one.id, one.href), operator),
        rx.el.td(parts.tag(one.label, one.state), rx.cond(one.error, rx.el.small(one.error)), class_name="wrap"),
        rx.el.td(one.users, class_name="num"),
        rx.el.td(one.jobs, class_name="num"),
        rx.el.td(one.endpoints, class_name="num"),
        rx.el.td(one.runs, class_name="num"),
        rx.el.td(one.output, class_name="num muted"),
        rx.el.td(parts.when(one.last), class_name="muted"),
        key=one.id,
    )


def _chosen() -> rx.Component:
    """The selected tenant with its actions."""
    chosen = TenantsState.chosen
    row = chosen.row
    suspend = dialog.opens("Suspend", "suspend", css="danger", tenant=row.id)
    resume = rx.el.button("Resume", on_click=TenantsState.resume(row.id), class_name="primary")
    again = rx.el.button("Provision repository again", on_click=TenantsState.provision(row.id))
    close = parts.link("Close", "/operator/tenants", css="link right")
    own = rx.el.span("You cannot suspend your own tenant.", class_name="muted")
    return rx.el.section(
        rx.el.h2(row.id, parts.tag(row.label, row.state), close, class_name="flex"),
        rx.cond(row.suspended, parts.note(SUSPENSION, state="late")),
        rx.cond(row.error, parts.note(row.error, state="failed")),
        rx.el.dl(rx.foreach(chosen.facts, _fact), class_name="facts"),
        parts.table(PEOPLE, rx.foreach(chosen.people, _person)),
        rx.el.div(rx.cond(row.suspended, resume, rx.cond(chosen.own, own, suspend)), again, class_name="flex"),
        class_name="card chosen",
        aria_label="tenant",
    )


def _fact(fact: rows.Fact) -> rx.Component:
    return parts.fact(fact.name, rx.cond(fact.value, fact.value, parts.when(fact.at)))  # pyright: ignore[reportArgumentType] -- a Var


def _person(one: rows.PersonRow) -> rx.Component:
    whose = rx.el.span(" of ", one.username, class_name="sr")
    grant = dialog.opens(rx.fragment("Make operator", whose), "grant", name=one.username)
    revoke = dialog.opens(rx.fragment("Make user", whose), "ungrant", css="danger", name=one.username)
    return rx.el.tr(
        rx.el.td(one.username, rx.cond(~one.active, rx.el.small("disabled"))),
        rx.el.td(one.email, class_name="muted"),
        rx.el.td(rx.cond(one.operator, "operator", "user")),
        rx.el.td(rx.cond(one.operator, revoke, grant), class_name="act"),
        key=one.username,
    )


def _role_dialogs() -> rx.Component:
    name = dialog.given("name")
    return rx.fragment(
        dialog.confirm(
            "grant",
            "Make operator",
            rx.el.p(name, " can see every tenant's usage, suspend tenants, and grant or revoke the operator role."),
            act="Make operator",
            on_submit=TenantsState.grant,
            takes=("name",),
            danger=False,
        ),
        dialog.confirm(
            "ungrant",
            "Make user",
            rx.el.p(name, " loses access to the operator's pages immediately, and keeps their own tenant."),
            act="Make user",
            on_submit=TenantsState.revoke,
            takes=("name",),
        ),
    )


def _suspend_dialog() -> rx.Component:
    return dialog.confirm(
        "suspend",
        rx.fragment("Suspend ", dialog.given("tenant")),
        rx.el.p(SUSPENSION),
        act="Suspend",
        on_submit=TenantsState.suspend,
        takes=("tenant",),
    )


def tasks() -> rx.Component:
    """``/operator/tasks``."""
    state = TasksState
    work = state.work
    none = rx.el.p("No failed tasks.", class_name="muted")
    again = rx.cond(state.failed, rx.el.button("Retry all", on_click=state.retry_all, class_name="right"))
    return _frame(
        "Tasks",
        state,
        rx.cond(work.away, parts.note(work.away, state="failed")),
        parts.card(
            "Queues",
            parts.table(QUEUES, rx.foreach(work.queues, _queue), numeric=tuple(QUEUES[1:])),
            flush=True,
            note=rx.fragment("as of ", parts.when(state.looked_at)),
        ),
        parts.card(
            "Failed tasks",
            rx.cond(state.failed, rx.foreach(state.failed, _failed), none),
            note="the latest 50, kept for a day",
            aside=again,
        ),
        parts.card(
            "Workers",
            parts.table(WORKERS, rx.foreach(work.workers, _worker), numeric=("Done", "Failed")),
            flush=True,
        ),
        _changes(),
        _stuck(),
        _discard_dialog(),
        right=(rx.el.button("Refresh", on_click=TasksState.refresh),),
    )


def _queue(one: rows.QueueRow) -> rx.Component:
    return rx.el.tr(
        rx.el.td(one.name, class_name="mono"),
        rx.el.td(one.waiting, class_name="num"),
        rx.el.td(one.oldest, class_name="num"),
        rx.el.td(one.running, class_name="num"),
        rx.el.td(one.scheduled, class_name="num"),
        rx.el.td(one.failed, class_name="num"),
        key=one.name,
    )


def _worker(one: rows.WorkerRow) -> rx.Component:
    return rx.el.tr(
        rx.el.td(parts.dot(one.state), rx.el.span(one.name, class_name="mono")),
        rx.el.td(parts.tag(one.label, one.state)),
        rx.el.td(one.task, class_name="mono wrap"),
        rx.el.td(one.heartbeat, class_name="muted"),
        rx.el.td(one.done, class_name="num"),
        rx.el.td(one.failed, class_name="num"),
        key=one.name,
    )


def _failed(one: rows.FailedRow) -> rx.Component:
    """Not a table row: a traceback needs the page's width."""
    retry = rx.el.button("Retry", on_click=TasksState.retry(one.id), aria_label=f"retry {one.function}")
    discard = dialog.opens("Discard", "discard", css="danger", task=one.id, words=one.function)
    tenant = rx.cond(one.tenant, rx.fragment("of ", parts.link(one.tenant, one.href), " · "))
    return rx.el.article(
        parts.dot("failed"),
        rx.el.div(
            rx.el.span(one.function, "(", one.arguments, ")", class_name="mono"),
            rx.el.small(tenant, parts.when(one.at)),
            rx.el.details(rx.el.summary(one.error), rx.el.pre(one.traceback, tab_index=0, aria_label="traceback")),
        ),
        rx.el.div(retry, discard, class_name="pair"),
        class_name="inc",
        key=one.id,
    )


def _changes() -> rx.Component:
    none = rx.el.p("None.", class_name="muted pane")
    table = parts.table(CHANGES, rx.foreach(TasksState.changes, _change), numeric=("Attempts",))
    return parts.card(
        "Uncommitted changes",
        rx.cond(TasksState.changes, table, none),
        flush=True,
        note="of all tenants, including changes that failed in the last week",
    )


def _change(one: rows.OpenChangeRow) -> rx.Component:
    again = rx.el.button(
        "Commit now", on_click=TasksState.ring(one.tenant), aria_label=f"commit changes of {one.tenant}"
    )
    return rx.el.tr(
        rx.el.td(parts.link(one.tenant, one.href)),
        rx.el.td(parts.tag(one.label, one.state)),
        rx.el.td(one.what, class_name="mono"),
        rx.el.td(one.author),
        rx.el.td(one.error, class_name="wrap"),
        rx.el.td(one.tries, class_name="num"),
        rx.el.td(parts.when(one.at), class_name="muted"),
        rx.el.td(rx.cond(one.pending, again)),
    )


def _stuck() -> rx.Component:
    table = parts.table(["Tenant", "Error", ""], rx.foreach(TasksState.stuck, _stuck_row))
    none = rx.el.p("None.", class_name="muted pane")
    return parts.card("Failed repositories", rx.cond(TasksState.stuck, table, none), flush=True)


def _stuck_row(one: rows.TenantRow) -> rx.Component:
    again = rx.el.button(
        "Try again", on_click=TasksState.provision(one.id), aria_label=f"Provision the repository of {one.id} again"
    )
    return rx.el.tr(
        rx.el.td(parts.link(one.id, one.href)), rx.el.td(one.error, class_name="wrap"), rx.el.td(again), key=one.id
    )


def _discard_dialog() -> rx.Component:
    return dialog.confirm(
        "discard",
        rx.fragment("Discard ", dialog.given("words")),
        rx.el.p("Deletes the task with its traceback. The work itself is not lost; it is retried automatically."),
        act="Discard",
        on_submit=TasksState.discard,
        takes=("task",),
    )


def settings() -> rx.Component:
    """``/operator/settings``."""
    state = EffectiveSettingsState
    agents = rx.cond(
        state.agents,
        rx.el.dl(rx.foreach(state.agents, _fact), class_name="facts"),
        rx.el.p("No endpoint is enrolled.", class_name="muted"),
    )
    migrate = rx.fragment(state.outdated, " Run ", rx.el.span("crontopus-server migrate", class_name="mono"), ".")
    schema = rx.cond(
        state.outdated,
        parts.note(migrate, state="failed"),
        rx.el.p("The database schema is up to date: revision ", rx.el.span(state.revision, class_name="mono"), "."),
    )
    table = parts.table(["Variable", "Value", "Source"], rx.foreach(state.settings, _setting))
    return _frame(
        "Settings",
        state,
        parts.card("Versions", rx.el.dl(rx.foreach(state.versions, _fact), class_name="facts"), schema),
        parts.card("Agents in use", agents),
        parts.card("Effective settings", table, flush=True, note="secrets are masked"),
    )


def _setting(one: SettingInForce) -> rx.Component:
    return rx.el.tr(
        rx.el.td(one.name, class_name="mono"),
        rx.el.td(rx.cond(one.value, one.value, "–"), class_name="mono wrap"),
        rx.el.td(one.source, class_name="muted wrap"),
        key=one.name,
    )
