"""Tells the control plane's answers from those of a proxy, a captive portal, a firewall or another server.

An answer is the control plane's if it has the header ``Crontopus-Api: 1`` and is JSON (or empty, with status 204). Any
other answer says nothing about the endpoint or its check-ins: to the agent, the server is away.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

HEADER, VERSION = "crontopus-api", "1"
# With these codes the control plane says that the request itself is invalid, so sending it again is useless.
INVALID = ("bad_input", "too_large")
# The token is unknown or revoked. A request that lost its token on the way gets another code.
BAD_TOKEN = "bad_token"  # noqa: S105 -- the code of an error, not a token


@dataclass(frozen=True)
class Answer:
    """An HTTP answer. ``headers`` have names in lower case; ``body`` is as received, without any decoding."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def genuine(self) -> bool:
        """Whether the control plane has sent this answer."""
        if self.headers.get(HEADER) != VERSION:
            return False
        if 200 <= self.status < 300:
            return self.status == 204 or self.json() is not None
        return self.status >= 400 and bool(self.code)

    @property
    def code(self) -> str:
        """The code of an error; empty for other answers."""
        return self._error_field("code")

    @property
    def detail(self) -> str:
        """The sentence of an error; empty for other answers."""
        return self._error_field("detail")

    def json(self) -> Any:
        """The body as JSON; None if it is none."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            return None

    def _error_field(self, field: str) -> str:
        value = self.json()
        found = value.get(field) if isinstance(value, dict) else None
        return found if isinstance(found, str) else ""

    def __str__(self) -> str:
        """What the server answered, for a message to the user."""
        if self.genuine:
            return f"the server answered {self.status}: {self.detail}" if self.detail else f"{self.status}"
        return f"{self.status} from another server than Crontopus. Check the address and any proxy before it"
