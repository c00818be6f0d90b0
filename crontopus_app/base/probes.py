"""Parts of the installation, asked side by side, none longer than somebody waits."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import httpx
from redis.exceptions import RedisError
from sqlalchemy.exc import SQLAlchemyError

from crontopus_app.base.errors import CrontopusError
from crontopus_app.base.masking import masked

log = logging.getLogger(__name__)

PATIENCE_S = 3.0


@dataclass(frozen=True)
class Answer:
    """What a part said within ``took_ms``; ``problem`` is a sentence where it said nothing."""

    value: Any = None
    problem: str = ""
    took_ms: float = 0.0


class _Asking(threading.Thread):
    """One question on its way. It may outlive whoever asked, and not the process."""

    def __init__(self, name: str, ask: Callable[[], Any]) -> None:
        super().__init__(name=f"ask {name}", daemon=True)
        self._ask = ask
        self.began = time.monotonic()
        self.answer: Answer | None = None

    def run(self) -> None:
        try:
            value = self._ask()
            self.answer = Answer(value, took_ms=(time.monotonic() - self.began) * 1000)
        except CrontopusError as error:
            self.answer = Answer(problem=masked(error.message))
        except (RedisError, SQLAlchemyError, httpx.HTTPError, OSError, ValueError) as error:
            log.warning("%s: %s", self.name, masked(str(error)))
            self.answer = Answer(problem=_first_line(error))


def _first_line(error: Exception) -> str:
    said = masked(str(error)).strip().splitlines()
    return said[0][:200] if said else type(error).__name__


# A part that hangs is not asked again before it has answered: looking at it cannot fill the process with threads.
_under_way: dict[str, _Asking] = {}
_lock = threading.Lock()


def ask(parts: Mapping[str, Callable[[], Any]], patience_s: float = PATIENCE_S) -> dict[str, Answer]:
    """Each part's answer, by its name, after ``patience_s`` at the latest. Never raises."""
    with _lock:
        asked = {name: _begin(name, question) for name, question in parts.items()}
    end = time.monotonic() + patience_s
    for one in asked.values():
        one.join(max(0.0, end - time.monotonic()))
    return {name: one.answer or _no_answer(one) for name, one in asked.items()}


def _begin(name: str, question: Callable[[], Any]) -> _Asking:
    under_way = _under_way.get(name)
    if under_way is not None and under_way.is_alive():
        return under_way
    asking = _under_way[name] = _Asking(name, question)
    asking.start()
    return asking


def _no_answer(one: _Asking) -> Answer:
    return Answer(problem=f"no answer for {time.monotonic() - one.began:.0f} s")
