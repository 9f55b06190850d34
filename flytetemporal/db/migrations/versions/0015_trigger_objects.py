"""Record the objects under the prefixes of triggers."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("triggers", sa.Column("listed_until", sa.Text(), server_default=sa.text("''"), nullable=False))
    op.add_column("triggers", sa.Column("listed_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("triggers", sa.Column("passes", sa.BigInteger(), server_default=sa.text("0"), nullable=False))
    op.add_column("triggers", sa.Column("is_first_pass", sa.Boolean(), server_default=sa.text("true"), nullable=False))
    op.create_table(
        "trigger_objects",
        sa.Column("trigger_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("seen_in", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("trigger_id", "name"),
    )


def downgrade() -> None:
    op.drop_table("trigger_objects")
    op.drop_column("triggers", "is_first_pass")
    op.drop_column("triggers", "passes")
    op.drop_column("triggers", "listed_at")
    op.drop_column("triggers", "listed_until")
