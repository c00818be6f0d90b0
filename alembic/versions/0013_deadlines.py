"""deadlines: the installed lines of monitors, when the evaluator looks at them, and what hosts say about their spool"""

import sqlalchemy as sa
from alembic import op

from crontopus_app.models.base import Instant

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("monitor", schema=None) as batch_op:
        batch_op.add_column(sa.Column("lines", sa.JSON(), nullable=False, server_default="[]"))
        batch_op.add_column(sa.Column("grace_s", sa.Float(), nullable=True))
        batch_op.add_column(sa.Column("run_limit_s", sa.Float(), nullable=True))
        batch_op.add_column(sa.Column("settled_until", Instant(), nullable=True))
        batch_op.add_column(sa.Column("next_deadline", Instant(), nullable=True))
        batch_op.add_column(sa.Column("health_run_id", sa.String(), nullable=True))
        batch_op.add_column(sa.Column("health_at", Instant(), nullable=True))
        batch_op.create_index("ix_monitor_next_deadline", ["next_deadline"])
    decided = "last_run_status IN ('success', 'failed', 'timeout')"
    op.execute(f"UPDATE monitor SET health_run_id = last_run_id, health_at = last_run_at WHERE {decided}")  # noqa: S608
    with op.batch_alter_table("endpoint", schema=None) as batch_op:
        batch_op.add_column(sa.Column("spool", sa.Integer(), nullable=False, server_default="0"))
        batch_op.add_column(sa.Column("drained_at", Instant(), nullable=True))
        batch_op.add_column(sa.Column("spooled_since", Instant(), nullable=True))
        batch_op.add_column(sa.Column("boot_id", sa.String(), nullable=False, server_default=""))
        batch_op.add_column(sa.Column("silent_from", Instant(), nullable=True))
        batch_op.add_column(sa.Column("silent_until", Instant(), nullable=True))
        batch_op.add_column(sa.Column("restarted", sa.Boolean(), nullable=False, server_default=sa.false()))
    with op.batch_alter_table("run", schema=None) as batch_op:
        batch_op.create_index("ix_run_slot", ["job_id", "source_id", "slot"])
    # The limits of monitors come from the index: the sweep syncs all monitors again.
    op.execute("UPDATE tenant SET monitored_head = ''")


def downgrade() -> None:
    with op.batch_alter_table("run", schema=None) as batch_op:
        batch_op.drop_index("ix_run_slot")
    with op.batch_alter_table("endpoint", schema=None) as batch_op:
        for name in ("spool", "drained_at", "spooled_since", "boot_id", "silent_from", "silent_until", "restarted"):
            batch_op.drop_column(name)
    with op.batch_alter_table("monitor", schema=None) as batch_op:
        batch_op.drop_index("ix_monitor_next_deadline")
        for name in ("lines", "grace_s", "run_limit_s", "settled_until", "next_deadline", "health_run_id", "health_at"):
            batch_op.drop_column(name)
