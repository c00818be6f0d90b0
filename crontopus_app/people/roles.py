"""What roles ask for: an installation keeps an operator."""

from __future__ import annotations

from collections.abc import Callable

from sqlmodel import Session, col, select

from crontopus_app.base.errors import Conflict
from crontopus_app.models import Tenant, User


def require_remaining_operator(session: Session, stays: Callable[[User], bool]) -> None:
    """Raises Conflict where no operator would be left who can sign in.

    The rows stay locked until the commit (SQLite: the transaction is the only writer), so that two operators who remove
    each other at once cannot both succeed.
    """
    standing = User.role == "operator", col(User.is_active).is_(True), col(Tenant.suspended).is_(False)
    query = select(User).join(Tenant, col(Tenant.id) == User.tenant_id).where(*standing).order_by(col(User.id))
    operators = session.exec(query.with_for_update()).all()
    if operators and not any(stays(one) for one in operators):
        raise Conflict("This is the last operator: make another one first.", code="last_operator")
