"""REST: the link at the end of each report that turns the reports off."""

from __future__ import annotations

import html
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import HTMLResponse

from crontopus_app.alerts import reports
from crontopus_app.base.db import reading, writing

router = APIRouter(tags=["reports"])

Token = Annotated[str, Query(max_length=200)]
# A page without scripts whose only form goes to this server.
POLICY = "default-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"


@router.get("/reports/unsubscribe", response_class=HTMLResponse)
def ask(token: Token) -> HTMLResponse:
    """A page that asks. Programs that look at links in mails change nothing."""
    with reading() as session:
        user = reports.reader_of(session, token)
    if user.report == "off":
        return _page("You get no reports", "<p>They are turned off already.</p>")
    button = '<form method="post"><button>Turn the reports off</button></form>'
    return _page("Turn the reports off?", f"<p>{html.escape(user.username)} gets a {user.report} report.</p>{button}")


@router.post("/reports/unsubscribe", response_class=HTMLResponse)
def unsubscribe(token: Token) -> HTMLResponse:
    """Turns the reports off at once, without a login: RFC 8058. The body is ignored."""
    with writing() as session:
        reports.unsubscribe(session, token)
    return _page("You get no more reports", "<p>To get them again, choose how often on the page Settings.</p>")


def _page(title: str, body: str) -> HTMLResponse:
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{title}</title>'
    page = f'<!doctype html><html lang="en"><head>{head}</head><body><h1>{title}</h1>{body}</body></html>'
    return HTMLResponse(page, headers={"Content-Security-Policy": POLICY})
