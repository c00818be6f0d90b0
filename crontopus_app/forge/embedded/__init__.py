"""The embedded forge: what Crontopus uses of Forgejo's REST API, and Git's smart HTTP, over bare repositories."""

from crontopus_app.forge.embedded.app import forge_app

__all__ = ["forge_app"]
