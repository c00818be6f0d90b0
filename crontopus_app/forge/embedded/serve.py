"""Serves the embedded forge alone: ``granian --interface asgi --factory …forge.embedded.serve:factory``."""

from __future__ import annotations

from starlette.types import ASGIApp

from crontopus_app.base.settings import Settings, settings
from crontopus_app.forge import addresses
from crontopus_app.forge.embedded.app import forge_app


def factory(config: Settings | None = None) -> ASGIApp:
    """The app for the given settings; by default, those of the environment."""
    config = config or settings()
    return forge_app(
        config.home,
        admin_user=config.forgejo_admin_user,
        admin_password=config.forgejo_admin_password,
        url=addresses.public_forge(config),
    )
