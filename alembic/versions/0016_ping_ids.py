"""ping_ids: the id in the ping URL of a job without an agent"""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("monitor", schema=None) as batch_op:
        batch_op.add_column(sa.Column("ping_id", sa.String(), nullable=True))
        batch_op.create_unique_constraint("uq_monitor_ping_id", ["ping_id"])
    # The sweep syncs all monitors again, and so makes those of jobs without an agent.
    op.execute("UPDATE tenant SET monitored_head = ''")


def downgrade() -> None:
    with op.batch_alter_table("monitor", schema=None) as batch_op:
        batch_op.drop_constraint("uq_monitor_ping_id", type_="unique")
        batch_op.drop_column("ping_id")
