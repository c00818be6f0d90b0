"""Tells all open pages when nobody evaluates the deadlines: then nothing that is missing would be noticed."""

from __future__ import annotations

import asyncio
import logging

from crontopus_app.base import clock
from crontopus_app.base.errors import CrontopusError
from crontopus_app.base.live import Event, publish
from crontopus_app.monitoring import evaluator
from crontopus_app.ui.live import FRAME, watchers

log = logging.getLogger(__name__)

EVERY_S = 5.0


async def follow(every_s: float = EVERY_S) -> None:
    """The lifespan task. What holds twice in a row is shown: a process that takes over needs some seconds."""
    before = ""
    while True:
        await asyncio.sleep(every_s)
        try:
            found = await asyncio.to_thread(evaluator.problem, clock.now())
            if bool(found) == bool(before) and found != watchers.unwatched:
                watchers.unwatched = found
                tenants = {watch.tenant_id for _, watch in watchers.all()}
                await asyncio.to_thread(publish, *(Event(tenant, FRAME, "") for tenant in tenants))
            before = found
        except CrontopusError as error:
            log.warning("Whether deadlines are evaluated is not known: %s", error)
        except Exception:
            log.exception("Whether deadlines are evaluated is not known")
