"""finish_by: the time of day by which a job's runs must have ended"""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("monitor", schema=None) as batch_op:
        batch_op.add_column(sa.Column("finish_by", sa.String(), nullable=False, server_default=""))
    # The limits of monitors come from the index: the sweep syncs all monitors again.
    op.execute("UPDATE tenant SET monitored_head = ''")


def downgrade() -> None:
    with op.batch_alter_table("monitor", schema=None) as batch_op:
        batch_op.drop_column("finish_by")
