"""counts of a monitor's ended runs, and its last success"""

import sqlalchemy as sa
from alembic import op

from crontopus_app.models.base import Instant

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

# Of runs that are kept. Older successes of monitors that are ill now stay unknown where there are none.
LAST_SUCCESS = """
UPDATE monitor SET last_success_at = (
    SELECT max(run.sort_at) FROM run
    WHERE run.tenant_id = monitor.tenant_id AND run.job_id = monitor.job_id
      AND run.source_id = monitor.source_id AND run.status = 'success'
)
"""


def upgrade() -> None:
    op.add_column("monitor", sa.Column("counts", sa.JSON(), nullable=False, server_default="{}"))
    op.add_column("monitor", sa.Column("last_success_at", Instant(), nullable=True))
    op.execute(LAST_SUCCESS)


def downgrade() -> None:
    op.drop_column("monitor", "last_success_at")
    op.drop_column("monitor", "counts")
