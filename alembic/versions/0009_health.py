"""health: what a monitor's runs say of its job, beside whether the job rests"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

# Of one that rests only its last run is known: what that said, if it said anything.
BY_RUN = {"success": "ok", "failed": "failing", "timeout": "failing", "lost": "failing"}
MONITOR = sa.table("monitor", *(sa.column(name) for name in ("state", "health", "last_run_status")))


def upgrade() -> None:
    with op.batch_alter_table("monitor", schema=None) as batch_op:
        batch_op.add_column(sa.Column("health", sa.String(), nullable=False, server_default="waiting"))
    said = sa.case(BY_RUN, value=MONITOR.c.last_run_status, else_="waiting")
    known = MONITOR.c.state.not_in(("paused", "retired"))
    op.execute(MONITOR.update().values(health=sa.case((known, MONITOR.c.state), else_=said)))


def downgrade() -> None:
    with op.batch_alter_table("monitor", schema=None) as batch_op:
        batch_op.drop_column("health")
