"""Let names in the catalog have more than 255 characters; neither tables nor indexes are rewritten for it."""

import sqlalchemy as sa
from alembic import op

revision = "c0003"
down_revision = "c0002"
branch_labels = None
depends_on = None

DATASET = ("project", "domain", "name", "version")
COLUMNS = {
    "catalog_datasets": (*DATASET, "uuid"),
    "catalog_artifacts": ("artifact_id",),
    "catalog_tags": ("tag_name",),
    "catalog_partitions": ("key", "value"),
    "catalog_reservations": DATASET,
    "catalog_policies": ("project", "domain", "name", "task_version"),
}


def upgrade() -> None:
    _alter(sa.Text())


def downgrade() -> None:
    _alter(sa.String(255))


def _alter(kind: sa.types.TypeEngine[str]) -> None:
    for table, columns in COLUMNS.items():
        for column in columns:
            op.alter_column(table, column, type_=kind)
