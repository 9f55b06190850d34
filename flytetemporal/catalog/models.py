"""All tables of the catalog.

A lookup of ten million artifacts takes three index searches: dataset by name, tag in its dataset, artifact by number.
Numbers of rows grow, so ``id`` is also the order in which datasets and artifacts were created.
"""

from datetime import datetime, timedelta

from sqlalchemy import ARRAY, BigInteger, ForeignKey, Identity, Index, Text, UniqueConstraint, func, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from flytetemporal.db.orm import Base

# Names of tasks and cache versions, to which the engine adds prefixes and hashes, have up to 255 characters; of other
# clients they can be longer. ``checks`` bounds them.
NAME = Text()


class _CreatedRow:
    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now(), onupdate=func.now())


class DatasetRow(_CreatedRow, Base):
    """A dataset: what artifacts of the same task, cache version and interface have in common."""

    __tablename__ = "catalog_datasets"
    project: Mapped[str] = mapped_column(NAME)
    domain: Mapped[str] = mapped_column(NAME)
    name: Mapped[str] = mapped_column(NAME)
    version: Mapped[str] = mapped_column(NAME)
    uuid: Mapped[str] = mapped_column(NAME)
    key_map: Mapped[dict[str, str]] = mapped_column(JSONB)
    partition_keys: Mapped[list[str]] = mapped_column(ARRAY(Text))
    __table_args__ = (UniqueConstraint("project", "domain", "name", "version"),)


class ArtifactRow(_CreatedRow, Base):
    """An artifact; ``data_uri`` is the file of its values, a serialized ``datacatalog.Artifact`` with nothing else."""

    __tablename__ = "catalog_artifacts"
    dataset_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("catalog_datasets.id"))
    artifact_id: Mapped[str] = mapped_column(NAME)
    data_uri: Mapped[str] = mapped_column(Text)
    key_map: Mapped[dict[str, str]] = mapped_column(JSONB)
    __table_args__ = (
        # Artifacts can be looked up by their id alone.
        UniqueConstraint("artifact_id", "dataset_id"),
        Index("ix_catalog_artifacts_dataset", "dataset_id", "id"),
        # For evictions by execution, and for policies.
        Index(
            "ix_catalog_artifacts_execution",
            *(text(f"(key_map ->> '{key}')") for key in ("execution-name", "exec-project", "exec-domain")),
        ),
        Index("ix_catalog_artifacts_age", "dataset_id", "updated_at"),
    )


class TagRow(Base):
    """A name of an artifact in its dataset. It never moves to another artifact."""

    __tablename__ = "catalog_tags"
    dataset_id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    tag_name: Mapped[str] = mapped_column(NAME, primary_key=True)
    artifact: Mapped[int] = mapped_column(
        BigInteger, ForeignKey("catalog_artifacts.id", ondelete="CASCADE"), index=True
    )
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class PartitionRow(Base):
    """The value that an artifact has for one of its dataset's partition keys."""

    __tablename__ = "catalog_partitions"
    artifact: Mapped[int] = mapped_column(
        BigInteger, ForeignKey("catalog_artifacts.id", ondelete="CASCADE"), primary_key=True
    )
    key: Mapped[str] = mapped_column(NAME, primary_key=True)
    value: Mapped[str] = mapped_column(NAME)
    dataset_id: Mapped[int] = mapped_column(BigInteger)
    __table_args__ = (Index("ix_catalog_partitions_value", "dataset_id", "key", "value", "artifact"),)


class ReservationRow(Base):
    """The right to compute what a key stands for. Rows that have expired stay until someone takes or releases them.

    CacheService reserves keys without a dataset: they have only a ``tag_name``, the columns of the dataset are empty.
    """

    __tablename__ = "catalog_reservations"
    project: Mapped[str] = mapped_column(NAME, primary_key=True)
    domain: Mapped[str] = mapped_column(NAME, primary_key=True)
    name: Mapped[str] = mapped_column(NAME, primary_key=True)
    version: Mapped[str] = mapped_column(NAME, primary_key=True)
    tag_name: Mapped[str] = mapped_column(Text, primary_key=True)
    owner_id: Mapped[str] = mapped_column(Text)
    expires_at: Mapped[datetime]


class PolicyRow(Base):
    """How old cached outputs may be that are used. Empty columns apply to all; ``name`` is that of datasets."""

    __tablename__ = "catalog_policies"
    project: Mapped[str] = mapped_column(NAME, primary_key=True)
    domain: Mapped[str] = mapped_column(NAME, primary_key=True)
    name: Mapped[str] = mapped_column(NAME, primary_key=True)
    task_version: Mapped[str] = mapped_column(NAME, primary_key=True)
    max_age: Mapped[timedelta]


class CachedOutputRow(Base):
    """An entry of CacheService; ``data_uri`` is the file of its literals, empty if the client stores them itself."""

    __tablename__ = "catalog_cached_outputs"
    key: Mapped[str] = mapped_column(Text, primary_key=True)
    output_uri: Mapped[str] = mapped_column(Text)
    data_uri: Mapped[str] = mapped_column(Text)
    # Serialized cacheservice.Metadata.
    details: Mapped[bytes]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now(), onupdate=func.now())
