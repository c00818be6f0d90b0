"""Work that one process at a time may do."""

from datetime import datetime

from sqlmodel import Field, SQLModel

from crontopus_app.models.base import Instant


class Lease(SQLModel, table=True):
    """``owner`` does ``name`` until ``until`` and says so again before that; whoever died loses it."""

    name: str = Field(primary_key=True)
    owner: str
    until: datetime = Field(sa_type=Instant)
