"""sources: what a check-in comes from is an endpoint or a ping key, and rows are keyed by it"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

MONITOR, RUN = (
    sa.table(name, sa.column("id"), sa.column("source_id"), sa.column("endpoint_id")) for name in ("monitor", "run")
)
TOLD = [sa.table(name, sa.column("run_id")) for name in ("check_in", "run_output")]


def upgrade() -> None:
    for table in (MONITOR, RUN):
        with op.batch_alter_table(table.name, schema=None) as batch_op:
            batch_op.add_column(sa.Column("source_id", sa.String(), nullable=True))
        op.execute(table.update().values(source_id=table.c.endpoint_id))
    with op.batch_alter_table("run", schema=None) as batch_op:
        batch_op.alter_column("source_id", existing_type=sa.String(), nullable=False)
        batch_op.alter_column("endpoint_id", existing_type=sa.String(), nullable=True)
        batch_op.drop_index("ix_run_endpoint_sort")
        batch_op.create_index("ix_run_source_sort", ["tenant_id", "source_id", "sort_at", "id"], unique=False)
    with op.batch_alter_table("monitor", schema=None) as batch_op:
        batch_op.alter_column("source_id", existing_type=sa.String(), nullable=False)
        batch_op.alter_column("endpoint_id", existing_type=sa.String(), nullable=True)
        batch_op.drop_constraint(batch_op.f("uq_monitor_job_id_endpoint_id"), type_="unique")
        batch_op.create_unique_constraint(batch_op.f("uq_monitor_job_id_source_id"), ["job_id", "source_id"])
    # Nothing is asked of a check-in but its key: a new name costs nothing, however many there are.
    op.execute("ALTER TABLE check_in RENAME COLUMN endpoint_id TO source_id")


def downgrade() -> None:
    """What ping keys told of goes: the earlier tables have no place for it."""
    op.execute("ALTER TABLE check_in RENAME COLUMN source_id TO endpoint_id")
    runs = sa.select(RUN.c.id).where(RUN.c.endpoint_id.is_(None))
    for table in TOLD:
        op.execute(table.delete().where(table.c.run_id.in_(runs)))
    for table in (MONITOR, RUN):
        op.execute(table.delete().where(table.c.endpoint_id.is_(None)))
    with op.batch_alter_table("monitor", schema=None) as batch_op:
        batch_op.drop_constraint(batch_op.f("uq_monitor_job_id_source_id"), type_="unique")
        batch_op.create_unique_constraint(batch_op.f("uq_monitor_job_id_endpoint_id"), ["job_id", "endpoint_id"])
        batch_op.alter_column("endpoint_id", existing_type=sa.String(), nullable=False)
        batch_op.drop_column("source_id")
    with op.batch_alter_table("run", schema=None) as batch_op:
        batch_op.drop_index("ix_run_source_sort")
        batch_op.create_index("ix_run_endpoint_sort", ["tenant_id", "endpoint_id", "sort_at", "id"], unique=False)
        batch_op.alter_column("endpoint_id", existing_type=sa.String(), nullable=False)
        batch_op.drop_column("source_id")
