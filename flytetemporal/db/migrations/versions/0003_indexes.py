"""Index what lists and the sweeper look for."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

# A migration never changes, so it does not import these from the models.
OPEN = "phase NOT IN ('SUCCEEDED', 'FAILED', 'ABORTED', 'TIMED_OUT')"
SCOPE = ["execution_project", "execution_domain"]


def upgrade() -> None:
    op.create_index("ix_executions_open", "executions", ["id"], postgresql_where=sa.text(OPEN))
    op.create_index(
        "ix_executions_open_children", "executions", ["source_execution_id"], postgresql_where=sa.text(OPEN)
    )
    op.create_index("ix_executions_user", "executions", [*SCOPE, "user", "id"])
    op.create_index("ix_executions_started", "executions", [*SCOPE, "started_at", "id"])
    op.create_index("ix_executions_duration", "executions", [*SCOPE, "duration", "id"])
    op.create_index("ix_execution_tags_value", "execution_tags", [*SCOPE, "key", "value", "execution_name"])
    op.create_index(
        "ix_node_executions_parent_task",
        "node_executions",
        ["parent_task_execution"],
        postgresql_where=sa.text("parent_task_execution IS NOT NULL"),
    )


def downgrade() -> None:
    op.drop_index("ix_node_executions_parent_task", table_name="node_executions")
    op.drop_index("ix_execution_tags_value", table_name="execution_tags")
    for name in ("duration", "started", "user", "open_children", "open"):
        op.drop_index(f"ix_executions_{name}", table_name="executions")
