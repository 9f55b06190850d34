"""Find removed executions of which files are kept by their name."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(
        "ix_removals_occupying",
        "removals",
        ["project", "domain", "name"],
        unique=False,
        postgresql_where=sa.text("kind = 'execution' AND (finished_at IS NULL OR kept_files > 0)"),
    )


def downgrade() -> None:
    op.drop_index("ix_removals_occupying", table_name="removals")
