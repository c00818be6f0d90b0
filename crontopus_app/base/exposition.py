"""Prometheus' text format, version 0.0.4. Pure.

Its own writer, because ``prometheus_client`` takes ten times as long for the metrics of a large tenant.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import accumulate

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_ESCAPES = str.maketrans({"\\": "\\\\", "\n": "\\n", '"': '\\"'})


def labels(**values: str) -> str:
    """``name="value",…`` in the given order."""
    return ",".join(f'{name}="{value.translate(_ESCAPES)}"' for name, value in values.items())


class Exposition:
    """Metrics as text. Samples are mappings from rendered ``labels`` to values, so that none can occur twice."""

    def __init__(self) -> None:
        self._parts: list[str] = []

    def gauge(self, name: str, text: str, samples: Mapping[str, float]) -> None:
        self._add(name, "gauge", text, samples)

    def counter(self, name: str, text: str, samples: Mapping[str, float]) -> None:
        self._add(name, "counter", text, samples)

    def histogram(
        self, name: str, text: str, limits: Sequence[float], samples: Mapping[str, tuple[Sequence[float], float]]
    ) -> None:
        """Samples are the counts of each bucket, with one more than ``limits``, and the sum of all values."""
        self._head(name, "histogram", text)
        for inner, (buckets, total) in samples.items():
            comma = "," if inner else ""
            for limit, count in zip((*limits, "+Inf"), accumulate(buckets), strict=True):
                self._parts.append(f'{name}_bucket{{{inner}{comma}le="{limit}"}} {count}\n')
            braced = f"{{{inner}}}" if inner else ""
            self._parts.append(f"{name}_sum{braced} {total}\n{name}_count{braced} {sum(buckets)}\n")

    def _add(self, name: str, kind: str, text: str, samples: Mapping[str, float]) -> None:
        self._head(name, kind, text)
        self._parts += [
            f"{name}{{{inner}}} {value}\n" if inner else f"{name} {value}\n" for inner, value in samples.items()
        ]

    def _head(self, name: str, kind: str, text: str) -> None:
        self._parts.append(f"# HELP {name} {text}\n# TYPE {name} {kind}\n")

    def render(self) -> bytes:
        return "".join(self._parts).encode(errors="replace")
