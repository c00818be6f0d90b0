"""The Repository page: branch and index, invalid files, folders, commits, Git credentials."""

from __future__ import annotations

from typing import Any

import reflex as rx

from crontopus_app.ui import shell
from crontopus_app.ui.kit import dialog, form_key, parts, skeleton
from crontopus_app.ui.repository.rows import ACCESS, Credential, Folder, InvalidFile, LogRow
from crontopus_app.ui.repository.state import RepositoryState as State

CREDENTIALS = ["Credential", "Access", "Created by", ""]
HEADS = ["Commit", "Message", "Author", "When"]


def repository() -> rx.Component:
    """``/repository``."""
    repo = State.repo
    web = rx.cond(
        repo.web, rx.el.a("Open in the Git server", href=repo.web, class_name="button", target="_blank", rel="noopener")
    )
    reindex = rx.el.button("Re-index", on_click=State.reindex, title="Reads every file of the branch again")
    return shell.frame(
        "Repository",
        "Repository",
        State,
        rx.cond(repo.problem, parts.note(repo.problem, state="failed")),
        rx.cond(State.access.created.token, _new_credential()),
        rx.foreach(State.invalid, _invalid),
        rx.cond(
            State.left_out,
            rx.el.p(State.left_out, " more invalid files. Fix these first.", class_name="muted"),
        ),
        _facts(),
        rx.el.div(_folders(), _clone(), class_name="cols even"),
        _commits(),
        _create(),
        _revoke(),
        shape=skeleton.repository(),
        right=(web, reindex),
    )


def _facts() -> rx.Component:
    repo = State.repo
    facts = rx.el.dl(
        parts.fact("Repository", rx.el.span(repo.name, class_name="mono")),
        parts.fact("Branch", rx.el.span(repo.branch, class_name="mono")),
        parts.fact("Latest commit", rx.el.span(repo.head, class_name="mono")),
        parts.fact("Index", rx.fragment(parts.tag(repo.label, repo.state), _history())),
        parts.fact(
            "Last indexed", rx.fragment(rx.el.span(repo.indexed, class_name="mono"), " ", parts.when(repo.indexed_at))
        ),
        parts.fact("Policy", rx.el.span(repo.policy, class_name=f"t-state s-{repo.policy_state}")),
        class_name="facts",
    )
    broken = rx.cond(repo.policy_problem, parts.note(repo.policy_problem, state="failed"))
    return rx.el.section(facts, broken, class_name="card", aria_label="the branch and the index")


def _history() -> rx.Component:
    history = State.repo.history
    return rx.cond(history, rx.el.span(" ", history, class_name="muted", role="status"))


def _invalid(file: InvalidFile) -> rx.Component:
    return rx.el.div(
        rx.el.b("Invalid manifest "),
        parts.link(file.where, file.href, css="link mono"),
        ": ",
        file.message,
        " ",
        rx.el.span(file.more, class_name="muted"),
        class_name="note top s-failed",
    )


def _folders() -> rx.Component:
    rows = rx.el.table(rx.el.tbody(rx.foreach(State.folders, _folder)))
    none = rx.el.p("No folders yet. Each folder is a namespace.", class_name="muted pane")
    return parts.card("Folders", rx.cond(State.folders, rows, none), note=State.repo.jobs, flush=True)


def _folder(folder: Folder) -> rx.Component:
    return rx.el.tr(
        rx.el.td(parts.link(folder.name, folder.href), class_name="mono"),
        rx.el.td(folder.count, class_name="num muted"),
        key=folder.name,
    )


def _clone() -> rx.Component:
    return parts.card(
        "Clone with Git",
        parts.copy_line(State.repo.clone),
        rx.el.p(
            "Git asks for a user name and a password. A credential has both, for this repository only. ",
            "Pushes to the branch are indexed within seconds.",
            class_name="muted",
        ),
        rx.el.div(dialog.opens("Create credential", "make-credential"), class_name="pad"),
        rx.cond(State.access.credentials, rx.el.div(_credentials(), class_name="pad")),
    )


def _credentials() -> rx.Component:
    return parts.table(CREDENTIALS, rx.foreach(State.access.credentials, _credential))


def _credential(one: Credential) -> rx.Component:
    label = rx.fragment("Revoke", rx.el.span(" ", one.name, class_name="sr"))
    revoke = dialog.opens(label, "revoke-credential", css="danger", id=one.id, name=one.name)
    ending = rx.el.span("revoked; waiting for the Git server", class_name="muted")
    return rx.el.tr(
        rx.el.td(one.name, class_name="wrap"),
        rx.el.td(one.access, class_name="muted"),
        rx.el.td(one.made_by, " ", parts.when(one.at), class_name="muted"),
        rx.el.td(rx.cond(one.state == "active", revoke, ending), class_name="act"),
        key=one.id,
    )


def _new_credential() -> rx.Component:
    """The new credential, shown once."""
    created = State.access.created
    hint = rx.el.p(
        "The password is shown only once. ",
        rx.el.span("git config credential.helper", class_name="mono"),
        " names the helper that stores it: cache, osxkeychain, libsecret or manager.",
        class_name="muted",
    )
    steps = [_step("Clone", State.repo.clone), _step("User name", created.username), _step("Password", created.token)]
    title = rx.fragment("New credential ", created.name)
    card = parts.card(title, *steps, hint, note=created.access)
    return rx.el.div(card, role="status", custom_attrs={"id": "made"})


def _step(label: str, text: Any) -> rx.Component:
    return rx.el.div(rx.el.span(label, class_name="hint"), parts.copy_line(text))


def _create() -> rx.Component:
    choices = [rx.el.option(label, value=access) for access, label in reversed(ACCESS.items())]
    body = rx.el.div(
        form_key.hidden(State.form_key),
        parts.field("Name", rx.el.input(name="name", required=True, max_length=100), hint="e.g. laptop"),
        parts.field("Access", rx.el.select(*choices, name="access")),
        class_name="form",
    )
    return dialog.confirm(
        "make-credential",
        "Create Git credential",
        body,
        act="Create credential",
        on_submit=State.create_credential,
        danger=False,
    )


def _revoke() -> rx.Component:
    return dialog.confirm(
        "revoke-credential",
        "Revoke Git credential",
        rx.el.p("Git rejects ", dialog.given("name"), " immediately. Clones are kept; they need a new credential."),
        act="Revoke credential",
        on_submit=State.revoke_credential,
        takes=("id",),
    )


def _commits() -> rx.Component:
    log = State.commits
    pager = rx.el.div(parts.pager(log.newer, log.older), class_name="pane")
    none = rx.el.p(rx.cond(log.problem, log.problem, "No commits."), class_name="muted pane", role="status")
    table = parts.table(HEADS, rx.foreach(log.rows, _commit))
    return parts.card("Commits", rx.cond(log.rows, table, none), rx.cond(log.paged, pager), flush=True)


def _commit(one: LogRow) -> rx.Component:
    sha = rx.cond(one.web, rx.el.a(one.short, href=one.web, target="_blank", rel="noopener"), one.short)
    return rx.el.tr(
        rx.el.td(sha, parts.copy(one.sha), class_name="mono"),
        rx.el.td(one.title, rx.cond(one.head, rx.el.span(" ", parts.tag("indexed", "ok"))), class_name="wrap"),
        rx.el.td(one.author),
        rx.el.td(parts.when(one.at), class_name="muted"),
        key=one.sha,
    )
