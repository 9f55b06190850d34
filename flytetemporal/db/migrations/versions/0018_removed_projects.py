"""Count what a removed project had."""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

COLUMNS = ("executions", "versions")


def upgrade() -> None:
    for column in COLUMNS:
        op.add_column("removals", sa.Column(column, sa.BigInteger(), server_default=sa.text("0"), nullable=False))
    condition = sa.text("finished_at IS NULL AND kind = 'project'")
    op.create_index("ix_removals_projects", "removals", ["id"], unique=False, postgresql_where=condition)


def downgrade() -> None:
    op.drop_index("ix_removals_projects", table_name="removals")
    for column in COLUMNS:
        op.drop_column("removals", column)
