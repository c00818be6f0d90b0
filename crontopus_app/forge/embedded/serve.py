"""The embedded forge alone, for ``granian --interface asgi --factory crontopus_app.forge.embedded.serve:factory``."""

from __future__ import annotations

from starlette.types import ASGIApp

from crontopus_app.base.settings import Settings, settings
from crontopus_app.forge import addresses
from crontopus_app.forge.embedded.app import forge_app


def factory(given: Settings | None = None) -> ASGIApp:
    """The app for these settings, else for those of the environment."""
    chosen = given or settings()
    return forge_app(
        chosen.home,
        admin_user=chosen.forgejo_admin_user,
        admin_password=chosen.forgejo_admin_password,
        url=addresses.public_forge(chosen),
    )
