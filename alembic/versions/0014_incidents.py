"""incidents: incidents with their timeline, channels, deliveries, the mail outbox, and when monitors are compared"""

import sqlalchemy as sa
from alembic import op

from crontopus_app.models.base import Instant

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

OPEN = sa.text("closed_at IS NULL")


def upgrade() -> None:
    with op.batch_alter_table("monitor", schema=None) as batch_op:
        batch_op.add_column(sa.Column("alert_at", Instant(), nullable=True))
        batch_op.add_column(sa.Column("incident_id", sa.String(), nullable=True))
        batch_op.create_index("ix_monitor_alert_at", ["alert_at"])
    op.execute("UPDATE monitor SET alert_at = updated_at")
    _incidents()
    _deliveries()


def _text(name: str) -> "sa.Column[str]":
    return sa.Column(name, sa.String(), nullable=False)


def _instant(name: str, *, nullable: bool = True) -> "sa.Column[object]":
    return sa.Column(name, Instant(), nullable=nullable)


def _tenant(table: str) -> list[sa.schema.SchemaItem]:
    key = sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name=f"fk_{table}_tenant_id_tenant")
    return [sa.Column("tenant_id", sa.String(length=77), nullable=False), key]


def _incidents() -> None:
    texts = ("subject", "cause", "severity", "title", "what", "why", "job_id", "job_name", "namespace", "endpoint_id")
    texts += ("endpoint_name", "run_id", "acknowledged_by", "handling", "handling_reason", "route")
    op.create_table(
        "incident",
        _text("id"),
        *_tenant("incident"),
        *[_text(name) for name in texts],
        _instant("since", nullable=False),
        _instant("opened_at", nullable=False),
        *[_instant(name) for name in ("closed_at", "acknowledged_at", "snoozed_until")],
        sa.Column("parent_id", sa.String(), nullable=True),
        *[_instant(name) for name in ("notify_at", "told_at", "closing_told_at")],
        sa.PrimaryKeyConstraint("id", name="pk_incident"),
    )
    op.create_index(
        "uq_incident_open_subject",
        "incident",
        ["tenant_id", "subject"],
        unique=True,
        sqlite_where=OPEN,
        postgresql_where=OPEN,
    )
    op.create_index("ix_incident_tenant_opened", "incident", ["tenant_id", "opened_at", "id"])
    op.create_index("ix_incident_job_id", "incident", ["job_id"])
    op.create_index("ix_incident_notify_at", "incident", ["notify_at"])
    op.create_table(
        "incident_event",
        _text("id"),
        *_tenant("incident_event"),
        _text("incident_id"),
        _instant("at", nullable=False),
        _text("kind"),
        _text("actor"),
        sa.Column("text", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["incident_id"], ["incident.id"], name="fk_incident_event_incident_id_incident"),
        sa.PrimaryKeyConstraint("id", name="pk_incident_event"),
    )
    op.create_index("ix_incident_event_tenant_id", "incident_event", ["tenant_id"])
    op.create_index("ix_incident_event_incident_id", "incident_event", ["incident_id"])


def _deliveries() -> None:
    op.create_table(
        "channel",
        _text("id"),
        *_tenant("channel"),
        _text("name"),
        _text("kind"),
        sa.Column("settings", sa.Text(), nullable=False),
        *[_text(name) for name in ("state", "problem", "created_by")],
        _instant("created_at", nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_channel"),
        sa.UniqueConstraint("tenant_id", "name", name="uq_channel_tenant_id_name"),
    )
    op.create_index("ix_channel_tenant_id", "channel", ["tenant_id"])
    op.create_table(
        "delivery",
        _text("id"),
        *_tenant("delivery"),
        *[_text(name) for name in ("channel_id", "event", "reason")],
        sa.Column("incident_ids", sa.JSON(), nullable=False),
        _text("incident_id"),
        sa.Column("total", sa.Integer(), nullable=False),
        *[_text(name) for name in ("group_key", "state")],
        sa.Column("attempts", sa.Integer(), nullable=False),
        _instant("created_at", nullable=False),
        _instant("next_at", nullable=False),
        _instant("sent_at"),
        sa.Column("answer", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_delivery"),
    )
    op.create_index("ix_delivery_state_next", "delivery", ["state", "next_at"])
    op.create_index("ix_delivery_channel", "delivery", ["channel_id", "created_at"])
    op.create_index("ix_delivery_tenant_id", "delivery", ["tenant_id"])
    op.create_index("ix_delivery_incident_id", "delivery", ["incident_id"])
    op.create_table(
        "mail",
        _text("id"),
        *_tenant("mail"),
        *[_text(name) for name in ("recipient", "subject")],
        sa.Column("raw", sa.Text(), nullable=False),
        _instant("at", nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_mail"),
    )
    op.create_index("ix_mail_tenant_id", "mail", ["tenant_id"])


def downgrade() -> None:
    for table in ("mail", "delivery", "channel", "incident_event", "incident"):
        op.drop_table(table)
    with op.batch_alter_table("monitor", schema=None) as batch_op:
        batch_op.drop_index("ix_monitor_alert_at")
        for name in ("alert_at", "incident_id"):
            batch_op.drop_column(name)
