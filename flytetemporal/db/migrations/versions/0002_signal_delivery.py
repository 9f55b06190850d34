"""Mark signals whose delivery to the workflow is not confirmed."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("signals", sa.Column("undelivered", sa.Boolean(), server_default=sa.text("false"), nullable=False))
    op.create_index(
        "ix_signals_undelivered", "signals", ["updated_at"], unique=False, postgresql_where=sa.text("undelivered")
    )


def downgrade() -> None:
    op.drop_index("ix_signals_undelivered", table_name="signals")
    op.drop_column("signals", "undelivered")
