"""Create the tables of the catalog: a branch of its own, for a catalog with its own database has no others."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "c0001"
down_revision = None
branch_labels = ("catalog",)
depends_on = None

NAME = sa.String(255)
DATASET = ("project", "domain", "name", "version")


def upgrade() -> None:
    op.create_table(
        "catalog_datasets",
        *_created(),
        *(sa.Column(name, NAME, nullable=False) for name in DATASET),
        sa.Column("uuid", NAME, nullable=False),
        sa.Column("key_map", postgresql.JSONB(), nullable=False),
        sa.Column("partition_keys", sa.ARRAY(sa.Text()), nullable=False),
        sa.UniqueConstraint(*DATASET, name="uq_catalog_datasets_project_domain_name_version"),
    )
    op.create_table(
        "catalog_artifacts",
        *_created(),
        sa.Column(
            "dataset_id",
            sa.BigInteger(),
            sa.ForeignKey("catalog_datasets.id", name="fk_catalog_artifacts_dataset_id_catalog_datasets"),
            nullable=False,
        ),
        sa.Column("artifact_id", NAME, nullable=False),
        sa.Column("data_uri", sa.Text(), nullable=False),
        sa.Column("key_map", postgresql.JSONB(), nullable=False),
        sa.UniqueConstraint("artifact_id", "dataset_id", name="uq_catalog_artifacts_artifact_id_dataset_id"),
    )
    op.create_index("ix_catalog_artifacts_dataset", "catalog_artifacts", ["dataset_id", "id"])
    op.create_table(
        "catalog_tags",
        sa.Column("dataset_id", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("tag_name", NAME, primary_key=True),
        _artifact("catalog_tags"),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
    )
    op.create_index("ix_catalog_tags_artifact", "catalog_tags", ["artifact"])
    op.create_table(
        "catalog_partitions",
        _artifact("catalog_partitions", primary_key=True),
        sa.Column("key", NAME, primary_key=True),
        sa.Column("value", NAME, nullable=False),
        sa.Column("dataset_id", sa.BigInteger(), nullable=False),
    )
    op.create_index("ix_catalog_partitions_value", "catalog_partitions", ["dataset_id", "key", "value", "artifact"])
    op.create_table(
        "catalog_reservations",
        *(sa.Column(name, NAME, primary_key=True) for name in DATASET),
        sa.Column("tag_name", sa.Text(), primary_key=True),
        sa.Column("owner_id", sa.Text(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_table(
        "catalog_cached_outputs",
        sa.Column("key", sa.Text(), primary_key=True),
        sa.Column("output_uri", sa.Text(), nullable=False),
        sa.Column("data_uri", sa.Text(), nullable=False),
        sa.Column("details", sa.LargeBinary(), nullable=False),
        *_times(),
    )


def downgrade() -> None:
    for name in ("cached_outputs", "reservations", "partitions", "tags", "artifacts", "datasets"):
        op.drop_table(f"catalog_{name}")


def _times() -> list[sa.Column[Any]]:
    return [
        sa.Column(name, sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False)
        for name in ("created_at", "updated_at")
    ]


def _created() -> list[sa.Column[Any]]:
    return [sa.Column("id", sa.BigInteger(), sa.Identity(), primary_key=True), *_times()]


def _artifact(table: str, *, primary_key: bool = False) -> sa.Column[Any]:
    reference = sa.ForeignKey("catalog_artifacts.id", name=f"fk_{table}_artifact_catalog_artifacts", ondelete="CASCADE")
    return sa.Column("artifact", sa.BigInteger(), reference, nullable=False, primary_key=primary_key)
