"""The time limits of runs follow from the manifest."""

from __future__ import annotations

from typing import Any

import pytest

from crontopus_app.monitoring.limits import Limits, limits


@pytest.mark.parametrize(
    ("manifest", "expected"),
    [
        (None, Limits()),
        ({}, Limits()),
        ({"checkin": {"startGrace": "7m"}}, Limits(420)),
        ({"checkin": {"startGrace": "0s"}}, Limits(0)),
        ({"checkin": {"finishBy": "06:00"}}, Limits(None, None, "06:00")),
        ({"checkin": {"maxRuntime": "1h", "finishBy": "06:00"}}, Limits(None, 3670, "06:00")),
        ({"checkin": {"maxRuntime": "1h"}}, Limits(None, 3600 + 10 + 60)),
        ({"checkin": {"maxRuntime": "1h", "killGrace": "0s"}}, Limits(None, 3600 + 60)),
        ({"checkin": {"maxRuntime": "1m"}, "retry": {"attempts": 2}}, Limits(None, 3 * 70 + 2 * 30 + 60)),
        (
            {"checkin": {"maxRuntime": "1m"}, "retry": {"attempts": 3, "delay": "10s", "backoff": "exponential"}},
            Limits(None, 4 * 70 + 10 + 20 + 40 + 60),
        ),
    ],
)
def test_limits(manifest: dict[str, Any] | None, expected: Limits) -> None:
    assert limits(manifest) == expected
