"""Every page with its address."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import reflex as rx

from crontopus_app.ui.doors.page import login, register
from crontopus_app.ui.jobs.page import jobs
from crontopus_app.ui.jobs.state import JobsState
from crontopus_app.ui.overview.page import overview
from crontopus_app.ui.overview.state import OverviewState


@dataclass(frozen=True)
class Page:
    route: str
    name: str
    component: Callable[[], rx.Component]
    on_load: Any = None

    @property
    def title(self) -> str:
        return f"{self.name} · Crontopus"


PAGES = (
    Page("/login", "Sign in", login),
    Page("/register", "Register", register),
    Page("/", "Overview", overview, OverviewState.load),
    Page("/jobs", "Jobs", jobs, JobsState.load),
)
