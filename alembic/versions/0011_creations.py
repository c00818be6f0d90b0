"""creations: what requests with an Idempotency-Key made"""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "creation",
        sa.Column("key_hmac", sa.String(), nullable=False),
        sa.Column("tenant_id", sa.String(), nullable=False),
        sa.Column("owner", sa.String(), nullable=False),
        sa.Column("request", sa.String(), nullable=False),
        sa.Column("salt", sa.String(), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("key_hmac", name=op.f("pk_creation")),
    )
    with op.batch_alter_table("creation", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_creation_tenant_id"), ["tenant_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_creation_owner"), ["owner"], unique=False)


def downgrade() -> None:
    op.drop_table("creation")
