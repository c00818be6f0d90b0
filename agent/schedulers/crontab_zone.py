"""``CRON_TZ`` of cronie and systemd-cron: the zone of the lines below it. Pure.

A ``CRON_TZ`` above the managed block would move the managed jobs into its zone. So the block begins with the host's
zone, and ends with the line from above again, for the lines below the block.
"""

from __future__ import annotations

import re

from agent.schedulers import crontab_text

_SETTING = re.compile(rb"""^[ \t]*(["']?)CRON_TZ\1[ \t]*=[ \t]*(.*?)[ \t\r]*\n?$""")


def framed(above: bytes, body: list[bytes], zone: str) -> list[bytes]:
    """``body`` for a block below ``above``, with the host's ``zone`` in force."""
    setting = _in_force(above)
    if not body or setting is None or _value(setting) == zone:
        return body
    return [
        crontab_text.HOST_ZONE, b"CRON_TZ=" + zone.encode() + b"\n", *body,
        crontab_text.ZONE_AGAIN, setting.rstrip(b"\n") + b"\n",
    ]  # fmt: skip


def _in_force(above: bytes) -> bytes | None:
    """The last line that sets ``CRON_TZ``, None if there is none."""
    return next((line for line in reversed(crontab_text.lines(above)) if _SETTING.match(line)), None)


def _value(setting: bytes) -> str:
    match = _SETTING.match(setting)
    return match.group(2).strip(b"\"'").decode("utf-8", "replace") if match else ""
