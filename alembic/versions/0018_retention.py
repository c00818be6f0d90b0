"""retention: how many runs there were on a day, and which outputs are removed"""

import sqlalchemy as sa
from alembic import op

from crontopus_app.models.base import Instant

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

COUNTS = ("success", "failed", "timeout", "lost", "missed", "skipped")


def upgrade() -> None:
    op.create_table(
        "run_day",
        sa.Column("tenant_id", sa.String(), nullable=False),
        sa.Column("job_id", sa.String(), nullable=False),
        sa.Column("source_id", sa.String(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("job_name", sa.String(), nullable=False),
        sa.Column("namespace", sa.String(), nullable=False),
        *(sa.Column(name, sa.Integer(), nullable=False) for name in COUNTS),
        sa.Column("duration_s", sa.Float(), nullable=False),
        sa.Column("longest_s", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name="fk_run_day_tenant_id_tenant"),
        sa.PrimaryKeyConstraint("tenant_id", "job_id", "source_id", "day", name="pk_run_day"),
    )
    op.create_table(
        "outputs_removed",
        sa.Column("tenant_id", sa.String(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("until", Instant(), nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name="fk_outputs_removed_tenant_id_tenant"),
        sa.PrimaryKeyConstraint("tenant_id", "status", name="pk_outputs_removed"),
    )


def downgrade() -> None:
    op.drop_table("outputs_removed")
    op.drop_table("run_day")
