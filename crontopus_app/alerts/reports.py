"""Reports by mail: written once for each reader and period, and sent at most once.

A report is a row before it is a mail. Whoever inserts the row owns the period, and whoever marks it as sending sends
it; both are conditional, so several processes need no leader. A process that ends while it sends does not repeat it.
"""

from __future__ import annotations

import hmac
import logging
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from email.message import EmailMessage

from sqlalchemy import update
from sqlmodel import Session, col, select

from crontopus_app.alerts import report_facts, report_mail, report_periods
from crontopus_app.alerts.channels.base import Verdict
from crontopus_app.alerts.mail import deliver
from crontopus_app.alerts.report_mail import Envelope
from crontopus_app.base import meters, security
from crontopus_app.base.bulk import insert_missing
from crontopus_app.base.db import after_commit, reading, writing
from crontopus_app.base.errors import CrontopusError, NotFound
from crontopus_app.base.live import Event, publish
from crontopus_app.base.settings import settings
from crontopus_app.forge import addresses
from crontopus_app.models import Mail, Report, Tenant, User
from crontopus_app.models.base import new_id

log = logging.getLogger(__name__)

EVERY_S = 60.0
AGAIN, GIVE_UP = timedelta(minutes=10), timedelta(hours=24)
UNSUBSCRIBE = "/api/reports/unsubscribe"


def run(stop: threading.Event, now: Callable[[], datetime]) -> None:
    """Writes and sends the reports that are due, each minute, until ``stop`` is set. Errors are logged."""
    while not stop.wait(EVERY_S):
        try:
            write_due(now())
            while not stop.is_set() and send_next(now()):
                pass
        except CrontopusError as error:
            log.warning("Reports are not sent: %s", error)
        except Exception:
            log.exception("Reports are not sent")


def write_due(now: datetime) -> int:
    """Writes the reports whose time it is. Returns their number, of which some may exist already."""
    with reading() as session:
        due = _due(session, now)
        keys = {row["period"] for row in due}
        written = set(session.exec(select(Report.user_id, Report.period).where(col(Report.period).in_(keys))).all())
    new = [row for row in due if (row["user_id"], row["period"]) not in written]
    if new:
        with writing() as session:
            insert_missing(session, Report.metadata.tables["report"], new, key=("user_id", "period"))
    return len(new)


def _due(session: Session, now: datetime) -> list[dict[str, object]]:
    """The reports that readers should have by now, if it is their time."""
    columns = User.id, User.tenant_id, User.timezone, User.report
    serves = col(Tenant.deleted_at).is_(None), col(Tenant.suspended).is_(False), col(User.is_active).is_(True)
    readers = select(*columns).join(Tenant, col(Tenant.id) == col(User.tenant_id))
    found = []
    for user_id, tenant_id, zone_name, kind in session.exec(readers.where(User.report != "off", *serves)):
        zone = report_periods.zone_of(zone_name)
        if report_periods.is_time(user_id, zone, now):
            key = report_periods.latest(kind, zone, now).key
            row = {"id": new_id(), "tenant_id": tenant_id, "user_id": user_id, "period": key}
            found.append({**row, "state": "waiting", "created_at": now, "next_at": now, "answer": ""})
    return found


def send_next(now: datetime) -> bool:
    """Sends the next waiting report; False if there is none."""
    with writing() as session:
        waiting = select(Report).where(Report.state == "waiting", col(Report.next_at) <= now)
        query = waiting.order_by(col(Report.next_at), col(Report.id)).limit(1)
        report = session.exec(query.with_for_update(skip_locked=True)).first()
        if report is None:
            return False
        report.state = "sending"
        session.add(report)
    try:
        verdict = _send(report, now)
    except Exception:
        _mark(report, Verdict("failed", "An error of Crontopus; the operator's log has it."), now)
        raise
    _mark(report, verdict, now)
    return True


def _send(report: Report, now: datetime) -> Verdict:
    with reading() as session:
        user = session.get(User, report.user_id)
        kind = report.period.partition(" ")[0]
        if user is None or user.report != kind:
            return Verdict("cancelled", "The reader does not want it any more.")
        message = _message(session, report, user)
    smtp_url = settings().smtp_url
    if smtp_url:
        return deliver(message, smtp_url)
    return _keep(report, user.email, message, now)


def _message(session: Session, report: Report, user: User) -> EmailMessage:
    """The mail, as of the time when the report was due."""
    zone, kind = report_periods.zone_of(user.timezone), report.period.partition(" ")[0]
    period = report_periods.latest(kind, zone, report.created_at)
    found = report_facts.facts(session, report.tenant_id, period, report.created_at)
    return report_mail.message(found, zone, _envelope(report, user))


def _envelope(report: Report, user: User) -> Envelope:
    url = addresses.console(settings())
    stop = f"{url}{UNSUBSCRIBE}?token={unsubscribe_token(user.id)}"
    return Envelope(report.id, settings().mail_from, user.email, report.created_at, url, stop)


def _keep(report: Report, recipient: str, message: EmailMessage, now: datetime) -> Verdict:
    """Puts the mail into the outbox."""
    about = {"tenant_id": report.tenant_id, "recipient": recipient, "subject": str(message["Subject"])}
    with writing() as session:
        session.add(Mail(id=report.id, raw=message.as_string(), at=now, **about))
        after_commit(session, publish, Event(report.tenant_id, "incident", ""))
    return Verdict("sent", "No mail server is configured: kept in the outbox.")


def _mark(report: Report, verdict: Verdict, now: datetime) -> None:
    """Stores what came of it. A report that the mail server did not take is repeated for a day."""
    again = verdict.outcome == "retry" and now < report.created_at + GIVE_UP
    ended = verdict.outcome if verdict.outcome in ("sent", "cancelled") else "failed"
    state = "waiting" if again else ended
    if state == "failed":
        log.warning("The report %s was not sent: %s", report.id, verdict.words)
    values = {"state": state, "answer": verdict.words[:1000], "next_at": now + AGAIN}
    with writing() as session:
        session.execute(update(Report).where(col(Report.id) == report.id).values(**values))
        after_commit(session, meters.add, "deliveries", "report", verdict.outcome)


def unsubscribe_token(user_id: str) -> str:
    """Names the user and proves that the link is ours. It only allows to end the reports, and does not expire."""
    return f"{user_id}.{security.derived_secret(f'reports {user_id}')}"


def unsubscribe(session: Session, token: str) -> None:
    """Turns the reports of the token's user off. Raises NotFound for a wrong token."""
    user = reader_of(session, token)
    session.execute(update(User).where(col(User.id) == user.id).values(report="off"))
    after_commit(session, publish, Event(user.tenant_id, "tenant", user.tenant_id))


def reader_of(session: Session, token: str) -> User:
    """The user of an unsubscribe link. Raises NotFound."""
    user_id = token.partition(".")[0]
    user = session.get(User, user_id)
    if user is None or not hmac.compare_digest(token.encode(), unsubscribe_token(user_id).encode()):
        raise NotFound("This link is not valid. Turn the reports off on the page Settings.")
    return user
