"""The forge for tests of services."""

from tests.fixtures.forge_server import forge, forge_server, tenant_name

__all__ = ["forge", "forge_server", "tenant_name"]
