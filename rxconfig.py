"""Reflex's configuration; ``crontopus_app.programs.frontend`` sets what differs between building and serving."""

import reflex as rx
from reflex.constants import StateManagerMode

from crontopus_app.programs.frontend import BUILT_IN_URL

config = rx.Config(
    app_name="crontopus_app",
    api_url=BUILT_IN_URL,
    show_built_with_reflex=False,
    telemetry_enabled=False,
    # A websocket stays with its process, so states need nothing but its memory; the default writes them to disk.
    state_manager_mode=StateManagerMode.MEMORY,
    # No other site may read answers or open the websocket; serving names our own address.
    cors_allowed_origins=[BUILT_IN_URL],
    disable_plugins=[rx.plugins.SitemapPlugin],
)
