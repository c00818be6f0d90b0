"""monitored_head: the commit that a tenant's monitors follow, which trails the index where there are many"""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("tenant", schema=None) as batch_op:
        batch_op.add_column(sa.Column("monitored_head", sa.String(), nullable=False, server_default=""))
    op.execute("UPDATE tenant SET monitored_head = indexed_head")


def downgrade() -> None:
    with op.batch_alter_table("tenant", schema=None) as batch_op:
        batch_op.drop_column("monitored_head")
