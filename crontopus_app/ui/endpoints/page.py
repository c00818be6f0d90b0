"""The Endpoints page, and the page of one endpoint with its crontab."""

from __future__ import annotations

import reflex as rx

from crontopus_app.ui import shell
from crontopus_app.ui.endpoints.rows import CrontabRow, DriftRow, HostRow, InstanceRow
from crontopus_app.ui.endpoints.state import EndpointsState, EndpointState
from crontopus_app.ui.kit import dialog, parts, skeleton

HEADS = ["Endpoint", "State", "Last seen", "Jobs", "Commit applied", "Agent", "Platform", "Labels"]
DRIFT = ["Change", "Expected", "Found", "Who", "When"]
JOBS = ["Job", "Namespace", "State", "Installed", "Commit", "Last run"]


def endpoints() -> rx.Component:
    """``/endpoints``."""
    state = EndpointsState
    pager = parts.pager(state.pages.before, state.pages.after, ("Previous", "Next"))
    listed = rx.el.section(
        parts.table(HEADS, rx.foreach(state.hosts, _host), numeric=("Jobs",)), class_name="card flush"
    )
    none = rx.el.section(
        rx.cond(state.text + state.state + state.pages.before, _none_here(), _none()),
        class_name="card",
    )
    return shell.frame(
        "Endpoints",
        "Endpoints",
        state,
        _filters(),
        rx.cond(state.hosts, rx.fragment(listed, pager), none),
        shape=skeleton.table(skeleton.TALL),
        right=(parts.link("Enrol", "/enrol", css="button primary"),),
    )


def _filters() -> rx.Component:
    """Filters by state as links, by text as a form, which ``assets/js/filters.js`` puts into the address."""
    state = EndpointsState
    box = rx.el.input(
        name="q", type="search", placeholder="Name, label, platform", default_value=state.text,
        aria_label="filter endpoints by name, label or platform", key=state.text,
    )  # fmt: skip
    form = rx.el.form(
        box,
        rx.el.input(type="hidden", name="state", value=state.state, read_only=True),
        rx.el.button("Filter", class_name="small"),
        action="/endpoints",
        data_go="",
    )
    return rx.el.section(parts.pills(state.pills), form, class_name="filters", aria_label="filters")


def _none() -> rx.Component:
    return parts.empty(
        "No endpoints yet",
        rx.el.p("An endpoint is a machine whose agent keeps its crontab equal to your repository."),
        rx.el.div(parts.link("Enrol a host", "/enrol", css="button primary"), class_name="pad"),
    )


def _none_here() -> rx.Component:
    return parts.empty("No endpoints match", rx.el.p(parts.link("Show all endpoints", "/endpoints")))


def _host(host: HostRow) -> rx.Component:
    state = rx.fragment(parts.tag(host.label, host.state), rx.cond(host.message, rx.el.small(host.message)))
    return rx.el.tr(
        rx.el.td(parts.dot(host.state), parts.link(host.name, host.href), rx.el.small(host.hostname)),
        rx.el.td(state, class_name="wrap outcome"),
        rx.el.td(rx.cond(host.reported, parts.when(host.seen), "never reported"), class_name="muted"),
        rx.el.td(host.jobs, class_name="num"),
        rx.el.td(host.head, class_name="mono"),
        rx.el.td(host.agent, rx.cond(host.old, rx.el.small("older than the server"))),
        rx.el.td(host.platform, class_name="muted"),
        rx.el.td(host.labels, class_name="mono muted"),
        key=host.id,
    )


def endpoint() -> rx.Component:
    """``/endpoints/[endpoint]``."""
    host = EndpointState.host
    actions = (
        dialog.opens("Revoke", "revoke"),
        dialog.opens("Rename", "rename"),
        rx.el.button("Sync now", on_click=EndpointState.sync, class_name="primary"),
    )
    return shell.frame(
        "Endpoints",
        rx.fragment(rx.el.span("Endpoints / ", class_name="muted"), host.name),
        EndpointState,
        rx.cond(host.message, parts.note(host.message, state=host.state)),
        rx.cond(
            host.reported | host.revoked,
            rx.fragment(),
            parts.note("Never reported. Is ", rx.el.span("crontopus-agent run", class_name="mono"), " running?"),
        ),
        _tiles(),
        _crontab(),
        rx.cond(EndpointState.drift, _drift()),
        parts.card(
            "Jobs",
            rx.cond(
                EndpointState.jobs,
                parts.table(JOBS, rx.foreach(EndpointState.jobs, _job)),
                rx.el.p("No job runs on this host.", class_name="muted pane"),
            ),
            flush=True,
        ),
        _rename(),
        _revoke(),
        shape=skeleton.endpoint(),
        right=(rx.cond(host.revoked, rx.fragment(), rx.fragment(*actions)),),
    )


def _tiles() -> rx.Component:
    host, coverage = EndpointState.host, EndpointState.coverage
    agent = rx.fragment(host.clock, " · agent ", host.agent, rx.cond(host.old, ", older than the server", ""))
    head = rx.fragment(rx.cond(host.head, host.head, "no commit applied"), " · seen ", parts.when(host.seen))
    monitored = parts.tile(coverage.text, "lines monitored", "accent", share=coverage.share, wide=True)
    return rx.el.section(
        rx.el.div(
            rx.el.b(host.label),
            rx.el.span(rx.cond(host.reported, head, "never reported")),
            class_name=f"tile wide s-{host.state}",
        ),
        parts.tile(host.jobs, "jobs", "ok"),
        rx.cond(host.reported, monitored),
        rx.el.div(
            rx.el.b(rx.cond(host.platform, host.platform, host.hostname)),
            rx.el.span(rx.cond(host.reported, agent, "no report yet")),
            rx.el.span(host.abilities),
            rx.cond(host.labels, rx.el.span(host.labels, class_name="mono")),
            class_name="tile wide2",
        ),
        class_name="tiles",
    )


def _crontab() -> rx.Component:
    legend = parts.legend(
        ("ours", "from Git"), ("adopted", "adopted"), ("drift", "drifted"), ("foreign", "not monitored")
    )
    shown = rx.el.div(rx.foreach(EndpointState.lines, line), class_name="lines", tab_index=0, aria_label="crontab")
    none = rx.el.p("The agent has not reported a crontab yet.", class_name="muted pane")
    return parts.card("Crontab on the host", rx.cond(EndpointState.lines, shown, none), flush=True, aside=legend)


def _drift() -> rx.Component:
    return parts.card(
        "Changed outside Crontopus",
        parts.table(DRIFT, rx.foreach(EndpointState.drift, _drifted)),
        note="edits found in the managed block, newest first",
        flush=True,
    )


def _drifted(one: DriftRow) -> rx.Component:
    return rx.el.tr(
        rx.el.td(parts.tag(one.kind, "late")),
        rx.el.td(rx.el.code(rx.cond(one.expected, one.expected, "–")), class_name="wrap"),
        rx.el.td(rx.el.code(rx.cond(one.found, one.found, "–")), class_name="wrap"),
        rx.el.td(one.who, class_name="wrap"),
        rx.el.td(parts.when(one.at), class_name="muted"),
    )


def line(one: CrontabRow) -> rx.Component:
    """A crontab line with its number and a note."""
    return rx.el.div(
        rx.el.em(one.number), rx.el.code(one.text), rx.el.span(one.note), class_name=f"ln {one.css}", key=one.number
    )


def _job(one: InstanceRow) -> rx.Component:
    return rx.el.tr(
        rx.el.td(parts.dot(one.state), parts.link(one.job, one.href)),
        rx.el.td(parts.namespace(one.namespace)),
        rx.el.td(parts.tag(one.label, one.state)),
        rx.el.td(one.outcome, rx.cond(one.reason, rx.el.small(one.reason)), class_name="wrap"),
        rx.el.td(one.commit, class_name="mono"),
        rx.el.td(rx.cond(one.last_href, parts.link(parts.when(one.last), one.last_href), "–")),
    )


def _rename() -> rx.Component:
    host = EndpointState.host
    box = rx.el.input(name="name", default_value=host.name, key=host.name, required=True, max_length=63)
    return dialog.confirm(
        "rename",
        "Rename endpoint",
        parts.field("Name", box, hint="Jobs that list hosts by name use this name"),
        act="Rename",
        on_submit=EndpointState.rename,
        danger=False,
    )


def _revoke() -> rx.Component:
    host = EndpointState.host
    return dialog.confirm(
        "revoke",
        rx.fragment("Revoke ", host.name),
        rx.el.p(
            "Its token stops working immediately; monitoring of its ",
            rx.cond(host.jobs == 1, "1 job", rx.fragment(host.jobs, " jobs")),
            " ends. Crontab lines on the host stay until you run ",
            rx.el.span("crontopus-agent leave", class_name="mono"),
            " there; its history is kept here. This cannot be undone: the host must enrol again.",
        ),
        act="Revoke",
        on_submit=EndpointState.revoke,
    )  # fmt: skip
