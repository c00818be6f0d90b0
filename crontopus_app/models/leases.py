"""Table of leases (see ``base/leases.py``)."""

from datetime import datetime

from sqlmodel import Field, SQLModel

from crontopus_app.models.base import Instant


class Lease(SQLModel, table=True):
    """``owner`` holds the lease ``name`` until ``until``, and renews it before that."""

    name: str = Field(primary_key=True)
    owner: str
    until: datetime = Field(sa_type=Instant)
