"""reports by mail"""

import sqlalchemy as sa
from alembic import op

from crontopus_app.models.base import Instant

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("user_account", sa.Column("report", sa.String(), nullable=False, server_default="off"))
    op.create_table(
        "report",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("tenant_id", sa.String(), nullable=False),
        sa.Column("user_id", sa.String(), nullable=False),
        sa.Column("period", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("next_at", Instant(), nullable=False),
        sa.Column("answer", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name="fk_report_tenant_id_tenant"),
        sa.PrimaryKeyConstraint("id", name="pk_report"),
        sa.UniqueConstraint("user_id", "period", name="uq_report_user_id_period"),
    )
    op.create_index("ix_report_tenant_id", "report", ["tenant_id"])
    op.create_index("ix_report_created_at", "report", ["created_at"])
    op.create_index("ix_report_state_next", "report", ["state", "next_at"])


def downgrade() -> None:
    op.drop_table("report")
    op.drop_column("user_account", "report")
