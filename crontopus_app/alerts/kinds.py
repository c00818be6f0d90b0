"""The kinds of channels."""

from __future__ import annotations

from collections.abc import Mapping

from crontopus_app.alerts.channels.alertmanager import Alertmanager
from crontopus_app.alerts.channels.base import Kind
from crontopus_app.alerts.channels.chat import Discord, Ntfy, Slack, Telegram
from crontopus_app.alerts.channels.goalert import GoAlert
from crontopus_app.alerts.channels.googlechat import GoogleChat
from crontopus_app.alerts.channels.gotify import Gotify
from crontopus_app.alerts.channels.icinga import Icinga
from crontopus_app.alerts.channels.jsm import Jsm
from crontopus_app.alerts.channels.pagerduty import PagerDuty
from crontopus_app.alerts.channels.teams import Teams
from crontopus_app.alerts.channels.webhook import Webhook
from crontopus_app.alerts.mail import Mail

KINDS: Mapping[str, Kind] = {
    kind.name: kind
    for kind in (
        Mail(),
        Webhook(),
        Slack(),
        Discord(),
        Teams(),
        Telegram(),
        Ntfy(),
        Gotify(),
        GoogleChat(),
        PagerDuty(),
        Jsm(),
        GoAlert(),
        Alertmanager(),
        Icinga(),
    )
}
