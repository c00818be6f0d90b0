"""The client of this installation's Git server."""

from __future__ import annotations

from functools import lru_cache

from crontopus_app.base.settings import settings
from crontopus_app.forge import addresses
from crontopus_app.forge.client import Forgejo

TIMEOUT_S = 15.0


@lru_cache(maxsize=1)
def forge() -> Forgejo:
    """This process's client of the configured Git server."""
    config = settings()
    return Forgejo(
        addresses.forge(config),
        config.forgejo_admin_user,
        config.forgejo_admin_password,
        timeout=TIMEOUT_S,
        allow_broad_tokens=config.forgejo_broad_tokens,
    )
