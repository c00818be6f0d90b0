"""Registration, sign-in, sign-out, and the actor of a credential."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta

from sqlalchemy import delete, update
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, col, func, select

from contract import wire
from crontopus_app.base import bounds, idempotency, queue, security
from crontopus_app.base.actor import Actor
from crontopus_app.base.db import after_commit, reading, writing
from crontopus_app.base.errors import BadInput, Conflict, Forbidden, NotAuthenticated, NotFound
from crontopus_app.base.live import Event, publish
from crontopus_app.forge.names import RepositoryName
from crontopus_app.models import ApiToken, LoginSession, Tenant, User

SESSION_LIFE = timedelta(days=30)
# The server ends sessions, and each use extends them; the cookie only has to last longer (400 days is the maximum).
COOKIE_LIFE = timedelta(days=400)
SEEN_EVERY = timedelta(minutes=1)
ORG = "crontopus"
# Without < and >, because the address becomes part of commits' author lines.
EMAIL = re.compile(r"[^@\s<>\x00-\x1f\x7f]{1,64}@[^@\s<>\x00-\x1f\x7f]{1,190}")


def register(form: wire.RegisterRequest, *, loopback: bool, now: datetime, key: str = "") -> User:
    """Creates a user and their tenant, and queues the creation of its repository. Raises BadInput, Conflict.

    The first user becomes operator if ``loopback`` (server and client are on this machine); otherwise any stranger
    could become it. The same ``key`` with the same form, including the password, returns the same user.
    """
    username, email_key = _checked(form)
    user = User(
        tenant_id=username,
        username=username,
        email=form.email,
        email_key=email_key,
        password_hash=security.hash_password(form.password),
        role="user",
        created_at=now,
    )
    with writing() as session:
        content = [username, form.email]
        claim = idempotency.claim_for(session, username, f"register:{username}", "register", key, content, now)
        if not claim.repeated:
            first = session.exec(select(func.count()).select_from(User)).one() == 0
            user.role = "operator" if first and loopback else "user"
            _require_free(session, username, email_key)
            _insert(session, _new_tenant(username, now), user)
            claim.complete(user.id)
            after_commit(session, queue.ring, "provision_tenant", user.tenant_id)
    if claim.repeated:
        return check_login(username, form.password)
    return user


def _checked(form: wire.RegisterRequest) -> tuple[str, str]:
    """The clean user name and e-mail address; raises BadInput with the errors of all fields."""
    username = form.username.strip().lower()
    checks: tuple[Callable[[], object], ...] = (
        lambda: security.clean_username(form.username),
        lambda: clean_email(form.email),
        lambda: security.check_password(form.password, username),
    )
    problems: list[wire.Problem] = []
    for check in checks:
        try:
            check()
        except BadInput as error:
            problems += error.problems
    if problems:
        raise BadInput(" ".join(problem.message for problem in problems), problems=problems)
    return username, clean_email(form.email)


def _require_free(session: Session, username: str, email_key: str) -> None:
    """Raises Conflict if name or address are taken. Whoever comes at the same moment is stopped by ``_insert``."""
    taken = [name_taken(username)] if session.get(Tenant, username) else []
    if session.exec(select(User.id).where(User.email_key == email_key)).first():
        taken.append(email_taken())
    if taken:
        problems = [problem for error in taken for problem in error.problems]
        raise Conflict(" ".join(error.message for error in taken), code=taken[0].code, problems=problems)


def clean_email(email: str) -> str:
    """The normalised address, unique among accounts; raises BadInput for an invalid one."""
    if not EMAIL.fullmatch(email):
        raise bounds.bad("email", "Enter an e-mail address such as ann@example.org.")
    return email.lower()


def name_taken(name: str) -> Conflict:
    message = f"The name {name!r} is taken. Choose another name."
    problem = wire.Problem(code="name_taken", message=message, field="username")
    return Conflict(message, code="name_taken", problems=[problem])


def email_taken() -> Conflict:
    message = "This e-mail address is used by another account. Enter another address."
    problem = wire.Problem(code="email_taken", message=message, field="email")
    return Conflict(message, code="email_taken", problems=[problem])


def _new_tenant(name: str, now: datetime) -> Tenant:
    repository = str(RepositoryName(ORG, f"job-manifests-{name}"))
    return Tenant(id=name, repository=repository, webhook_secret=security.new_token("whs"), created_at=now)


def _insert(session: Session, tenant: Tenant, user: User) -> None:
    try:
        session.add(tenant)
        session.flush()
    except IntegrityError as error:
        raise name_taken(tenant.id) from error
    try:
        session.add(user)
        session.flush()
    except IntegrityError as error:
        raise email_taken() from error


def check_login(username: str, password: str) -> User:
    """The user with this password. Raises NotAuthenticated after the same time with or without such a user."""
    username = username.strip().lower()
    # Hashing the password takes so long that the time does not show whether the database was queried.
    possible = security.USERNAME.fullmatch(username) is not None
    with reading() as session:
        user = session.exec(select(User).where(User.username == username)).first() if possible else None
        tenant = session.get(Tenant, user.tenant_id) if user else None
    matches = security.password_matches(password, user.password_hash if user else None)
    if user is None or not matches:
        raise NotAuthenticated("The user name or the password is wrong.", code="bad_credentials")
    if not user.is_active:
        raise Forbidden("This account is disabled. Contact the operator of this server.", code="disabled")
    _check_tenant(tenant)
    return user


def _check_tenant(tenant: Tenant | None) -> None:
    """Raises Forbidden for the users of a suspended tenant."""
    if tenant is None or tenant.suspended:
        raise Forbidden("This account is suspended. Contact the operator of this server.", code="suspended")


def open_session(session: Session, user: User, *, user_agent: str, address: str = "", now: datetime) -> str:
    """Creates a session and returns its token, for a cookie or the CLI. Deletes the user's expired sessions.

    Raises NotAuthenticated if the password was changed, or the account deleted, after ``user`` was read.
    """
    # The lock makes a concurrent change of the password wait, so that it ends this session too.
    account = session.exec(select(User).where(User.id == user.id).with_for_update(read=True)).first()
    if account is None or account.password_hash != user.password_hash:
        raise NotAuthenticated("The user name or the password is wrong.", code="bad_credentials")
    expired = col(LoginSession.user_id) == user.id, col(LoginSession.expires_at) <= now
    session.execute(delete(LoginSession).where(*expired))
    token = security.new_token("cts")
    session.add(
        LoginSession(
            user_id=user.id,
            token_hmac=security.token_hmac(token),
            user_agent=bounds.text(user_agent, 200),
            address=bounds.text(address, 64),
            created_at=now,
            last_seen_at=now,
            expires_at=now + SESSION_LIFE,
        )
    )
    return token


def actor_of(session: Session, token: str, *, now: datetime) -> Actor:
    """The actor of a session token (``cts_…``) or API token (``ctp_…``). Raises NotAuthenticated, Forbidden."""
    if token.startswith("cts_"):
        return _session_actor(session, token, now)
    if token.startswith("ctp_"):
        return _token_actor(session, token, now)
    raise NotAuthenticated("Sign in, or send an API token in the header Authorization: Bearer ctp_…")


def _session_actor(session: Session, token: str, now: datetime) -> Actor:
    row = session.exec(select(LoginSession).where(LoginSession.token_hmac == security.token_hmac(token))).first()
    if row is None or row.expires_at <= now:
        raise NotAuthenticated("Your session has ended. Sign in again.", code="session_ended")
    return _actor(session, row.user_id, kind="session", credential=row.id)


def _token_actor(session: Session, token: str, now: datetime) -> Actor:
    row = session.exec(select(ApiToken).where(ApiToken.token_hmac == security.token_hmac(token))).first()
    if row is None or row.revoked_at is not None or (row.expires_at and row.expires_at <= now):
        raise NotAuthenticated("This token is unknown, expired or revoked. Create a new one.", code="bad_token")
    return _actor(session, row.user_id, kind="token", credential=row.id, scopes=frozenset(row.scopes))


def _actor(
    session: Session, user_id: str, *, kind: str, credential: str, scopes: frozenset[str] | None = None
) -> Actor:
    user = session.get(User, user_id)
    if user is None or not user.is_active:
        raise NotAuthenticated("This account is disabled. Contact the operator of this server.", code="disabled")
    _check_tenant(session.get(Tenant, user.tenant_id))
    return Actor(
        user_id=user.id,
        tenant_id=user.tenant_id,
        username=user.username,
        email=user.email,
        role=user.role,
        kind=kind,
        scopes=scopes,
        credential=credential,
    )


def is_stale(session: Session, actor: Actor, now: datetime) -> bool:
    """Whether the recorded last use is more than a minute ago. So most requests need not write."""
    row: LoginSession | ApiToken | None
    if actor.kind == "session":
        row = session.get(LoginSession, actor.credential)
        seen = row.last_seen_at if row else now
    else:
        row = session.get(ApiToken, actor.credential)
        seen = row.last_used_at if row else now
    return seen is None or seen < now - SEEN_EVERY


def touch(session: Session, actor: Actor, now: datetime) -> None:
    """Updates the last use of the actor's session or token, and extends a session."""
    if actor.kind == "session":
        statement = update(LoginSession).where(col(LoginSession.id) == actor.credential)
        session.execute(statement.values(last_seen_at=now, expires_at=now + SESSION_LIFE))
    else:
        session.execute(update(ApiToken).where(col(ApiToken.id) == actor.credential).values(last_used_at=now))


def logout(session: Session, token: str) -> None:
    """Ends the session and notifies its open pages; no error if it has already ended."""
    row = session.exec(select(LoginSession).where(LoginSession.token_hmac == security.token_hmac(token))).first()
    if row is None:
        return
    session.delete(row)
    user = session.get_one(User, row.user_id)
    after_commit(session, publish, Event(user.tenant_id, "session", row.id))


def me(session: Session, actor: Actor) -> wire.Me:
    return me_of(session, actor.user_id)


def me_of(session: Session, user_id: str) -> wire.Me:
    """The account in the API's format for its owner; raises NotFound."""
    user = session.get(User, user_id)
    tenant = session.get(Tenant, user.tenant_id) if user else None
    if user is None or tenant is None:
        raise NotFound("This account has been deleted.")
    return wire.Me(
        id=user.id,
        tenant_id=tenant.id,
        username=user.username,
        email=user.email,
        role=user.role,
        is_active=user.is_active,
        provisioning=tenant.provisioning,
        provisioning_error=tenant.provisioning_error,
        repository=tenant.repository,
        timezone=user.timezone,
        report=user.report,
    )


def grant_operator(session: Session, username: str) -> None:
    """Makes the named user an operator; raises NotFound."""
    user = session.exec(select(User).where(User.username == username.strip().lower())).first()
    if user is None:
        raise NotFound(f"No user {username!r}. The person must register first.")
    user.role = "operator"
    session.add(user)
