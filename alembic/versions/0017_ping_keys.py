"""ping_keys: keys of ping URLs with a slug"""

import sqlalchemy as sa
from alembic import op

from crontopus_app.models.base import Instant

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "ping_key",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("tenant_id", sa.String(length=77), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("token_hmac", sa.String(), nullable=False),
        sa.Column("sealed", sa.String(), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("revoked_at", Instant(), nullable=True),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name="fk_ping_key_tenant_id_tenant"),
        sa.PrimaryKeyConstraint("id", name="pk_ping_key"),
        sa.UniqueConstraint("token_hmac", name="uq_ping_key_token_hmac"),
    )
    op.create_index("ix_ping_key_tenant_id", "ping_key", ["tenant_id"])


def downgrade() -> None:
    op.drop_table("ping_key")
