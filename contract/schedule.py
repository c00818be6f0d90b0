"""Schedules: parse them, list their slots, explain them in words. Pure functions; other packages import from here."""

from __future__ import annotations

from contract.cover import cover, needs_gate
from contract.dialect import Expressions, Schedule, ScheduleError, parse, parse_all, resolve, seed
from contract.schedule_forecast import Due, Planned, collisions, forecast
from contract.schedule_neighbours import Neighbours, at_minute, neighbours
from contract.schedule_nights import ChangeNight, change_nights
from contract.schedule_slots import POLICIES, count, epochs, is_slot, next_slots, slots
from contract.schedule_words import explain, words

__all__ = [
    "POLICIES",
    "ChangeNight",
    "Due",
    "Expressions",
    "Neighbours",
    "Planned",
    "Schedule",
    "ScheduleError",
    "at_minute",
    "change_nights",
    "collisions",
    "count",
    "cover",
    "epochs",
    "explain",
    "forecast",
    "is_slot",
    "needs_gate",
    "neighbours",
    "next_slots",
    "parse",
    "parse_all",
    "resolve",
    "seed",
    "slots",
    "words",
]
