"""What ``crontopus.yaml`` says to an agent. A policy with errors leaves the last good one in force."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from contract.policy import Policy

HALF = 0.5


@dataclass(frozen=True)
class HostPolicy:
    """The last good policy and its text."""

    text: str = ""
    policy: Policy | None = None

    @property
    def heal(self) -> bool:
        return self.policy is None or self.policy.drift != "report"

    @property
    def prune_max_share(self) -> float:
        return HALF if self.policy is None else self.policy.prune_max_share

    def defaults_for(self, namespace: str) -> dict[str, Any]:
        """What a manifest of this namespace gets where it is silent."""
        return {} if self.policy is None else self.policy.defaults_for(namespace)

    def frozen(self, now: datetime) -> str:
        """The sentence of the freeze window that holds at ``now``, or nothing."""
        if self.policy is None:
            return ""
        window = self.policy.frozen(now)
        return f"frozen by crontopus.yaml: {window}" if window else ""


NO_POLICY = HostPolicy()


def policy_of(text: str, last_good: str = "") -> HostPolicy:
    """The policy in ``text``, or the last good one when it has errors; no text means no policy."""
    if not text:
        return NO_POLICY
    from contract.policy import decode  # most repositories have no policy: the daemon stays small without it

    decoded = decode(text.encode())
    if decoded.policy is None:
        return policy_of(last_good)
    return HostPolicy(text, decoded.policy)
