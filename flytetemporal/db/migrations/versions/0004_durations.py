"""Give what has not ended a duration of 0, as in Flyte: filters and sort keys lose rows without one."""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for table in ("executions", "node_executions", "task_executions"):
        op.execute(f"UPDATE {table} SET duration = interval '0' WHERE duration IS NULL")  # noqa: S608


def downgrade() -> None:
    """Nothing: the versions before read a duration of 0 too."""
