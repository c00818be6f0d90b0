"""All pages of the console: route, title, component, loader."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import reflex as rx

from crontopus_app.base.settings import DEVELOPMENT
from crontopus_app.ui.channels.page import channels
from crontopus_app.ui.channels.state import ChannelsState
from crontopus_app.ui.edit.page import edit, new
from crontopus_app.ui.edit.state import EditState
from crontopus_app.ui.endpoints.page import endpoint, endpoints
from crontopus_app.ui.endpoints.state import EndpointsState, EndpointState
from crontopus_app.ui.enrol.page import enrol
from crontopus_app.ui.enrol.state import EnrolState
from crontopus_app.ui.incidents.page import incident, incidents
from crontopus_app.ui.incidents.state import IncidentsState, IncidentState
from crontopus_app.ui.job.page import job
from crontopus_app.ui.job.state import JobState
from crontopus_app.ui.jobs.page import jobs
from crontopus_app.ui.jobs.state import JobsState
from crontopus_app.ui.operator import page as operator
from crontopus_app.ui.operator.state import EffectiveSettingsState, HealthState, TasksState, TenantsState
from crontopus_app.ui.overview.page import overview
from crontopus_app.ui.overview.state import OverviewState
from crontopus_app.ui.repository.page import repository
from crontopus_app.ui.repository.state import RepositoryState
from crontopus_app.ui.runs.page import run, runs
from crontopus_app.ui.runs.state import RunsState, RunState
from crontopus_app.ui.search.page import search
from crontopus_app.ui.search.state import SearchState
from crontopus_app.ui.settings.page import settings
from crontopus_app.ui.settings.state import SettingsState
from crontopus_app.ui.sign_in.page import login, missing, register
from crontopus_app.ui.silences.page import silences
from crontopus_app.ui.silences.state import SilencesState
from crontopus_app.ui.start.page import start
from crontopus_app.ui.start.state import StartState
from crontopus_app.ui.tokens.page import tokens
from crontopus_app.ui.tokens.state import TokensState


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
    Page("/start", "Start", start, StartState.load),
    Page("/jobs", "Jobs", jobs, JobsState.load),
    Page("/jobs/new", "New job", new, EditState.load),
    Page("/jobs/[ns]/[job_name]", "Job", job, JobState.load),
    Page("/jobs/[ns]/[job_name]/edit", "Edit job", edit, EditState.load),
    Page("/runs", "Runs", runs, RunsState.load),
    Page("/runs/[run_id]", "Run", run, RunState.load),
    Page("/incidents", "Incidents", incidents, IncidentsState.load),
    Page("/incidents/[incident_id]", "Incident", incident, IncidentState.load),
    Page("/endpoints", "Endpoints", endpoints, EndpointsState.load),
    Page("/endpoints/[endpoint_id]", "Endpoint", endpoint, EndpointState.load),
    Page("/repository", "Repository", repository, RepositoryState.load),
    Page("/search", "Search", search, SearchState.load),
    Page("/enrol", "Enrol a host", enrol, EnrolState.load),
    Page("/channels", "Channels", channels, ChannelsState.load),
    Page("/silences", "Silences", silences, SilencesState.load),
    Page("/tokens", "Tokens", tokens, TokensState.load),
    Page("/settings", "Settings", settings, SettingsState.load),
    Page("/operator", "Operator", operator.health, [HealthState.load, HealthState.follow]),
    Page("/operator/tenants", "Tenants", operator.tenants, TenantsState.load),
    Page("/operator/tasks", "Tasks", operator.tasks, TasksState.load),
    Page("/operator/settings", "Effective settings", operator.settings, EffectiveSettingsState.load),
)

# Shown at every other address, with status 404.
MISSING = Page("404", "Page not found", missing)


def development() -> tuple[Page, ...]:
    """Pages for developers of the console, only if ``CONSOLE_DEVELOPMENT=1`` when it is built."""
    if os.environ.get(DEVELOPMENT) != "1":
        return ()
    from crontopus_app.ui.gallery.page import gallery  # not imported in production

    return (Page("/kit", "Component kit", gallery),)
