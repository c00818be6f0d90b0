"""All tables. Importing this package registers them in ``metadata``."""

from crontopus_app.models.alerts import Channel, Delivery, Incident, IncidentEvent, Mail, Report
from crontopus_app.models.base import metadata
from crontopus_app.models.hosts import Endpoint, EnrollmentToken
from crontopus_app.models.jobs import Change, JobIndex, Monitor
from crontopus_app.models.leases import Lease
from crontopus_app.models.people import ApiToken, Audit, Creation, GitCredential, LoginSession, PingKey, Tenant, User
from crontopus_app.models.runs import CheckIn, OutputsRemoved, Run, RunDay, RunOutput

__all__ = [
    "ApiToken",
    "Audit",
    "Change",
    "Channel",
    "CheckIn",
    "Creation",
    "Delivery",
    "Endpoint",
    "EnrollmentToken",
    "GitCredential",
    "Incident",
    "IncidentEvent",
    "JobIndex",
    "Lease",
    "LoginSession",
    "Mail",
    "Monitor",
    "OutputsRemoved",
    "PingKey",
    "Report",
    "Run",
    "RunDay",
    "RunOutput",
    "Tenant",
    "User",
    "metadata",
]
