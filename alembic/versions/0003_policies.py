"""the tenant's policy, as the index knows it"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("tenant", schema=None) as batch_op:
        batch_op.add_column(sa.Column("policy_sha", sa.String(), nullable=False, server_default=""))
        batch_op.add_column(sa.Column("policy", sa.LargeBinary(), nullable=False, server_default=""))
