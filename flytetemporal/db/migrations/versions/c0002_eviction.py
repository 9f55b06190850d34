"""Evict cached outputs by execution, and let them expire by policies."""

import sqlalchemy as sa
from alembic import op

revision = "c0002"
down_revision = "c0001"
branch_labels = None
depends_on = None

NAME = sa.String(255)
SCOPE = ("project", "domain", "name", "task_version")


def upgrade() -> None:
    op.create_table(
        "catalog_policies",
        *(sa.Column(name, NAME, nullable=False) for name in SCOPE),
        sa.Column("max_age", sa.Interval(), nullable=False),
        sa.PrimaryKeyConstraint(*SCOPE, name="pk_catalog_policies"),
    )
    execution = ("execution-name", "exec-project", "exec-domain")
    op.create_index(
        "ix_catalog_artifacts_execution",
        "catalog_artifacts",
        [sa.text(f"(key_map ->> '{key}')") for key in execution],
    )
    op.create_index("ix_catalog_artifacts_age", "catalog_artifacts", ["dataset_id", "updated_at"])


def downgrade() -> None:
    op.drop_index("ix_catalog_artifacts_age", "catalog_artifacts")
    op.drop_index("ix_catalog_artifacts_execution", "catalog_artifacts")
    op.drop_table("catalog_policies")
