"""The embedded forge: the used part of Forgejo's REST API and Git's smart HTTP, on bare repositories."""

from crontopus_app.forge.embedded.app import forge_app

__all__ = ["forge_app"]
