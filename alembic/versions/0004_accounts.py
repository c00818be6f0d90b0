"""accounts: one address each, a time zone, where a session signed in from, when a tenant was deleted"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

# Of accounts that share an address one keeps it as its own; the others are asked for another when they change theirs.
FIRST_OF_EACH = """
    UPDATE user_account SET email_key = lower(email)
    WHERE id IN (SELECT min(id) FROM user_account GROUP BY lower(email))
"""


def upgrade() -> None:
    with op.batch_alter_table("tenant", schema=None) as batch_op:
        batch_op.add_column(sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True))
    with op.batch_alter_table("login_session", schema=None) as batch_op:
        batch_op.add_column(sa.Column("address", sa.String(), nullable=False, server_default=""))
    with op.batch_alter_table("user_account", schema=None) as batch_op:
        batch_op.add_column(sa.Column("timezone", sa.String(), nullable=False, server_default=""))
        batch_op.add_column(sa.Column("email_key", sa.String(), nullable=True))
    op.execute(FIRST_OF_EACH)
    with op.batch_alter_table("user_account", schema=None) as batch_op:
        batch_op.create_unique_constraint(batch_op.f("uq_user_account_email_key"), ["email_key"])


def downgrade() -> None:
    with op.batch_alter_table("user_account", schema=None) as batch_op:
        batch_op.drop_constraint(batch_op.f("uq_user_account_email_key"), type_="unique")
        batch_op.drop_column("email_key")
        batch_op.drop_column("timezone")
    with op.batch_alter_table("login_session", schema=None) as batch_op:
        batch_op.drop_column("address")
    with op.batch_alter_table("tenant", schema=None) as batch_op:
        batch_op.drop_column("deleted_at")
