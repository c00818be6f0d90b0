"""Rules about roles: an installation always has an operator."""

from __future__ import annotations

from collections.abc import Callable

from sqlmodel import Session, col, select

from crontopus_app.base.errors import Conflict
from crontopus_app.models import Tenant, User


def require_remaining_operator(session: Session, remains: Callable[[User], bool]) -> None:
    """Raises Conflict if no operator who can sign in would remain.

    Locks the operators' rows until the commit (on SQLite the transaction is the only writer), so that two operators who
    remove each other concurrently cannot both succeed.
    """
    able = User.role == "operator", col(User.is_active).is_(True), col(Tenant.suspended).is_(False)
    query = select(User).join(Tenant, col(Tenant.id) == User.tenant_id).where(*able).order_by(col(User.id))
    operators = session.exec(query.with_for_update()).all()
    if operators and not any(remains(operator) for operator in operators):
        raise Conflict("This is the last operator. Make another user an operator first.", code="last_operator")
