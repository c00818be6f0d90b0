"""A user's own account: e-mail address, time zone, password, sessions.

These are acts of a person who signed in: no API token can do them. Passwords are compared outside of transactions, for
bcrypt takes longer than anybody should wait for the database. Open pages of ended sessions are told at once.
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

# As often as signing in: who got hold of a session learns no password by asking here.
PASSWORD = rates.Rate("password", 5, 60, "Too many wrong passwords.")
LISTED = 100


def confirm(actor: Actor, password: str, field: str = "password") -> User:
    """The account, if this is its password; else BadInput at ``field``. After too many wrong ones: RateLimited."""
    actor.require_person()
    rates.spend(PASSWORD, actor.user_id)
    with reading() as session:
        user = session.get(User, actor.user_id)
    matches = security.password_matches(password, user.password_hash if user else None)
    if user is None or not matches:
        raise bounds.bad(field, "This is not your password.")
    rates.refund(PASSWORD, actor.user_id)
    return user


def change_password(actor: Actor, form: wire.PasswordChange, now: datetime) -> int:
    """Sets a new password; gives how many other sessions of the user that has ended. Raises BadInput, Conflict."""
    user = confirm(actor, form.current, "current")
    security.check_password(form.new, user.username, "new")
    fresh = security.hash_password(form.new)
    with writing() as session:
        as_checked = col(User.id) == user.id, col(User.password_hash) == user.password_hash
        done = session.execute(update(User).where(*as_checked).values(password_hash=fresh))
        if done.rowcount != 1:  # pyright: ignore[reportAttributeAccessIssue] -- an UPDATE's result has it
            raise Conflict("The password was changed elsewhere just now: try again with that one.")
        ended = _end_others(session, actor)
        audit.record(session, actor, "account.password", actor.username, now)
        after_commit(session, publish, Event(actor.tenant_id, "session", ""))
    return ended


def update_account(actor: Actor, form: wire.AccountUpdate, now: datetime) -> wire.Me:
    """Sets the e-mail address (which asks for the password) and the time zone. Raises BadInput, Conflict."""
    actor.require_person()
    zone = None if form.timezone is None else _clean_zone(form.timezone)
    if form.email is not None:
        _set_email(actor, form.email, form.password, now)
    with writing() as session:
        if zone is not None:
            session.execute(update(User).where(col(User.id) == actor.user_id).values(timezone=zone))
        after_commit(session, publish, Event(actor.tenant_id, "tenant", actor.tenant_id))
        return auth.me(session, actor)


def _clean_zone(zone: str) -> str:
    if zone and zone not in zones():
        raise bounds.bad("timezone", "Give a time zone such as Europe/Berlin, or nothing for the browser's.")
    return zone


@lru_cache(maxsize=1)
def zones() -> frozenset[str]:
    """Every time zone that can be asked for."""
    return frozenset(available_timezones())


def _set_email(actor: Actor, email: str, password: str, now: datetime) -> None:
    key = auth.clean_email(email)
    confirm(actor, password)
    try:
        with writing() as session:
            mine = update(User).where(col(User.id) == actor.user_id)
            session.execute(mine.values(email=email, email_key=key))
            audit.record(session, actor, "account.email", actor.username, now)
    except IntegrityError as error:
        raise auth.email_taken() from error


def list_sessions(session: Session, actor: Actor, now: datetime) -> list[wire.SessionInfo]:
    """The user's sessions, the one that asks first, then the last seen; at most 100."""
    actor.require_person()
    alive = col(LoginSession.user_id) == actor.user_id, col(LoginSession.expires_at) > now
    mine = col(LoginSession.id) == actor.credential
    order = mine.desc(), col(LoginSession.last_seen_at).desc(), col(LoginSession.id)
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
    """Ends one session of the user, at once; the asking one too. Raises NotFound."""
    actor.require_person()
    with writing() as session:
        row = session.get(LoginSession, session_id)
        if row is None or row.user_id != actor.user_id:
            raise NotFound("There is no such session: it may have ended already.")
        session.delete(row)
        audit.record(session, actor, "session.end", user_agents.named(row.user_agent), now)
        after_commit(session, publish, Event(actor.tenant_id, "session", session_id))


def end_other_sessions(actor: Actor, now: datetime) -> int:
    """Ends every session of the user but the asking one; gives how many."""
    actor.require_person()
    with writing() as session:
        ended = _end_others(session, actor)
        audit.record(session, actor, "session.end_others", actor.username, now, str(ended))
        after_commit(session, publish, Event(actor.tenant_id, "session", ""))
    return ended


def _end_others(session: Session, actor: Actor) -> int:
    others = col(LoginSession.user_id) == actor.user_id, col(LoginSession.id) != actor.credential
    done = session.execute(delete(LoginSession).where(*others))
    return done.rowcount  # pyright: ignore[reportAttributeAccessIssue] -- a DELETE's result has it
