"""Schedules and time, the whole of it: understand, predict, explain. Everything here is pure and needs no network."""

from __future__ import annotations

from contract.cover import cover, needs_gate
from contract.dialect import Expressions, Schedule, ScheduleError, parse, parse_all, resolve, seed
from contract.schedule_slots import POLICIES, count, epochs, is_slot, next_slots, slots
from contract.schedule_words import explain, words

__all__ = [
    "POLICIES",
    "Expressions",
    "Schedule",
    "ScheduleError",
    "count",
    "cover",
    "epochs",
    "explain",
    "is_slot",
    "needs_gate",
    "next_slots",
    "parse",
    "parse_all",
    "resolve",
    "seed",
    "slots",
    "words",
]
