"""The Git server of this installation."""

from __future__ import annotations

from functools import lru_cache

from crontopus_app.base.settings import settings
from crontopus_app.forge import addresses
from crontopus_app.forge.client import Forgejo

TIMEOUT_S = 15.0


@lru_cache(maxsize=1)
def forge() -> Forgejo:
    """This process's client for the configured Git server."""
    ours = settings()
    return Forgejo(
        addresses.forge(ours),
        ours.forgejo_admin_user,
        ours.forgejo_admin_password,
        timeout=TIMEOUT_S,
        allow_broad_tokens=ours.forgejo_broad_tokens,
    )
