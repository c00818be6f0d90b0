"""git credentials: what users clone and push with"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "git_credential",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("tenant_id", sa.String(), nullable=False),
        sa.Column("user_id", sa.String(), nullable=False),
        sa.Column("made_by", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("access", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("barred", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name=op.f("fk_git_credential_tenant_id_tenant")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_git_credential")),
    )
    with op.batch_alter_table("git_credential", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_git_credential_tenant_id"), ["tenant_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_git_credential_state"), ["state"], unique=False)


def downgrade() -> None:
    op.drop_table("git_credential")
