"""REST: metrics for Prometheus, of a tenant at ``/api/metrics`` and of the installation at ``/metrics``."""

from __future__ import annotations

import gzip
import hmac
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import PlainTextResponse

from crontopus_app.api import limits
from crontopus_app.api.deps import CurrentActor, Now, current_actor
from crontopus_app.base.db import reading
from crontopus_app.base.exposition import CONTENT_TYPE
from crontopus_app.base.rates import Rate
from crontopus_app.base.settings import settings
from crontopus_app.operations import server_metrics, tenant_metrics
from crontopus_app.people import http_auth

router = APIRouter(tags=["metrics"])
server = APIRouter(tags=["metrics"])

# Two Prometheus servers that scrape every five seconds.
RATE = Rate("metrics", 24, 60)
COMPRESSED = 2048


@router.get("/metrics", response_class=PlainTextResponse)
def tenant(
    request: Request, response: Response, actor: CurrentActor, now: Now, namespace: Annotated[str, Query()] = ""
) -> Response:
    """The tenant's metrics in Prometheus' text format. Families that the token may not read are left out."""
    limits.spend(RATE, actor.tenant_id)
    with reading() as session:
        text = tenant_metrics.metrics(session, actor, now, namespace)
    return _answer(request, text, response)


@server.get("/metrics", include_in_schema=False)
def installation(request: Request, response: Response, now: Now) -> Response:
    """The installation's metrics, for ``CRONTOPUS_METRICS_TOKEN`` and for operators."""
    given, token = http_auth.bearer(request.headers.get("authorization", "")), settings().metrics_token
    if not token or not hmac.compare_digest(given.encode(), token.encode()):
        current_actor(request, response, now).require_operator()
    limits.spend(RATE, "installation")
    return _answer(request, server_metrics.metrics(now), response)


def _answer(request: Request, text: bytes, response: Response) -> Response:
    headers = {**response.headers, "Content-Type": CONTENT_TYPE, "Vary": "Accept-Encoding"}
    headers.pop("content-length", None)
    if len(text) > COMPRESSED and "gzip" in request.headers.get("accept-encoding", ""):
        text, headers["Content-Encoding"] = gzip.compress(text, 1), "gzip"
    return Response(text, headers=headers)
