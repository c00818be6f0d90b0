"""Composes the application: API, pages, live updates, check-in writer. No logic."""

from __future__ import annotations

import reflex as rx

from crontopus_app.api.app import api
from crontopus_app.monitoring.intake import batch
from crontopus_app.ui import live, payloads, problems, session, sockets, theme, unwatched
from crontopus_app.ui.kit import toast
from crontopus_app.ui.pages import MISSING, PAGES, development
from crontopus_app.ui.undo import UndoState

app = rx.App(
    api_transformer=api,
    stylesheets=["/console.css"],
    head_components=theme.head(),
    # Replaces Reflex's toasts and banner: the rail's live mark says more, and our toasts survive a page change.
    app_wraps={(5, "Toasts"): lambda _: toast.region(UndoState.undo)},
    toaster=None,
    backend_exception_handler=problems.announce,
    html_lang="en",
    reset_style=False,
)
sockets.bind(app)
app.add_middleware(payloads.Payloads())
for page in (*PAGES, MISSING, *development()):
    app.add_page(page.component, route=page.route, title=page.title, on_load=page.on_load)
app.register_lifespan_task(live.Follower(app, session.refill, session.mark_stale).run)
app.register_lifespan_task(unwatched.follow)
app.register_lifespan_task(batch.serving)
