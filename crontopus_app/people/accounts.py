"""A user's own account: e-mail address, time zone, password, sessions.

All of this requires a signed-in person; API tokens are refused. Passwords are compared outside transactions, because
bcrypt is slow. Open pages of ended sessions are notified at once.
"""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache
from zoneinfo import available_timezones

from sqlalchemy import delete, update
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, col, select

from contract import wire
from crontopus_app.base import audit, bounds, rates, security
from crontopus_app.base.actor import Actor
from crontopus_app.base.db import after_commit, reading, writing
from crontopus_app.base.errors import Conflict, NotFound
from crontopus_app.base.live import Event, publish
from crontopus_app.models import LoginSession, User
from crontopus_app.people import auth, user_agents

# The limit of sign-in, so that a stolen session cannot be used to guess the password.
PASSWORD = rates.Rate("password", 5, 60, "Too many wrong passwords.")
LISTED = 100
REPORTS = ("off", "daily", "weekly", "monthly")


def confirm(actor: Actor, password: str, field: str = "password") -> User:
    """The actor's user, if the password is right. Raises BadInput for ``field``, RateLimited after many failures."""
    actor.require_person()
    rates.spend(PASSWORD, actor.user_id)
    with reading() as session:
        user = session.get(User, actor.user_id)
    matches = security.password_matches(password, user.password_hash if user else None)
    if user is None or not matches:
        raise bounds.bad(field, "The password is wrong.")
    rates.refund(PASSWORD, actor.user_id)
    return user


def change_password(actor: Actor, form: wire.PasswordChange, now: datetime) -> int:
    """Sets a new password and ends the user's other sessions; returns their number. Raises BadInput, Conflict."""
    user = confirm(actor, form.current, "current")
    security.check_password(form.new, user.username, "new")
    fresh = security.hash_password(form.new)
    with writing() as session:
        unchanged = col(User.id) == user.id, col(User.password_hash) == user.password_hash
        result = session.execute(update(User).where(*unchanged).values(password_hash=fresh))
        if result.rowcount != 1:  # pyright: ignore[reportAttributeAccessIssue] -- an UPDATE's result has it
            raise Conflict("The password has just been changed in another session. Sign in with that password.")
        ended = _end_others(session, actor)
        audit.record(session, actor, "account.password", actor.username, now)
        after_commit(session, publish, Event(actor.tenant_id, "session", ""))
    return ended


def update_account(actor: Actor, form: wire.AccountUpdate, now: datetime) -> wire.Me:
    """Sets the e-mail address (requires the password), the time zone and the report. Raises BadInput, Conflict."""
    actor.require_person()
    given = {"timezone": _clean_zone(form.timezone) if form.timezone else form.timezone, "report": form.report}
    if form.report is not None and form.report not in REPORTS:
        raise bounds.bad("report", f"Choose one of {', '.join(REPORTS)}.")
    if form.email is not None:
        _set_email(actor, form.email, form.password, now)
    with writing() as session:
        values = {name: value for name, value in given.items() if value is not None}
        if values:
            session.execute(update(User).where(col(User.id) == actor.user_id).values(**values))
        after_commit(session, publish, Event(actor.tenant_id, "tenant", actor.tenant_id))
        return auth.me(session, actor)


def _clean_zone(zone: str) -> str:
    if zone and zone not in zones():
        raise bounds.bad("timezone", "Enter a time zone such as Europe/Berlin, or leave it empty for the browser's.")
    return zone


@lru_cache(maxsize=1)
def zones() -> frozenset[str]:
    """All valid time zones."""
    return frozenset(available_timezones())


def _set_email(actor: Actor, email: str, password: str, now: datetime) -> None:
    key = auth.clean_email(email)
    confirm(actor, password)
    try:
        with writing() as session:
            statement = update(User).where(col(User.id) == actor.user_id)
            session.execute(statement.values(email=email, email_key=key))
            audit.record(session, actor, "account.email", actor.username, now)
    except IntegrityError as error:
        raise auth.email_taken() from error


def list_sessions(session: Session, actor: Actor, now: datetime) -> list[wire.SessionInfo]:
    """The user's sessions (at most 100): the current one first, then by last use."""
    actor.require_person()
    alive = col(LoginSession.user_id) == actor.user_id, col(LoginSession.expires_at) > now
    is_current = col(LoginSession.id) == actor.credential
    order = is_current.desc(), col(LoginSession.last_seen_at).desc(), col(LoginSession.id)
    rows = session.exec(select(LoginSession).where(*alive).order_by(*order).limit(LISTED))
    return [_shape(row, actor) for row in rows]


def _shape(row: LoginSession, actor: Actor) -> wire.SessionInfo:
    return wire.SessionInfo(
        id=row.id,
        client=user_agents.named(row.user_agent),
        user_agent=row.user_agent,
        address=row.address,
        created_at=row.created_at,
        last_seen_at=row.last_seen_at,
        expires_at=row.expires_at,
        current=row.id == actor.credential,
    )


def end_session(actor: Actor, session_id: str, now: datetime) -> None:
    """Ends one of the user's sessions at once, possibly the current one. Raises NotFound."""
    actor.require_person()
    with writing() as session:
        row = session.get(LoginSession, session_id)
        if row is None or row.user_id != actor.user_id:
            raise NotFound("This session has already ended.")
        session.delete(row)
        audit.record(session, actor, "session.end", user_agents.named(row.user_agent), now)
        after_commit(session, publish, Event(actor.tenant_id, "session", session_id))


def end_other_sessions(actor: Actor, now: datetime) -> int:
    """Ends all sessions of the user except the current one; returns their number."""
    actor.require_person()
    with writing() as session:
        ended = _end_others(session, actor)
        audit.record(session, actor, "session.end_others", actor.username, now, str(ended))
        after_commit(session, publish, Event(actor.tenant_id, "session", ""))
    return ended


def _end_others(session: Session, actor: Actor) -> int:
    others = col(LoginSession.user_id) == actor.user_id, col(LoginSession.id) != actor.credential
    result = session.execute(delete(LoginSession).where(*others))
    return result.rowcount  # pyright: ignore[reportAttributeAccessIssue] -- a DELETE's result has it
