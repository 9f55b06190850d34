"""The table of artifacts."""

from datetime import datetime

from sqlalchemy import BigInteger, Identity, Index, LargeBinary, Text, func
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from flytetemporal.admin.base.models import NAME
from flytetemporal.db.orm import Base


class NamedArtifactRow(Base):
    """A named output that a run has produced; ``artifact`` is a serialized ``Artifact`` of ours. It never changes."""

    __tablename__ = "artifacts"
    id: Mapped[int] = mapped_column(BigInteger, Identity(), unique=True)
    project: Mapped[str] = mapped_column(NAME, primary_key=True)
    domain: Mapped[str] = mapped_column(NAME, primary_key=True)
    name: Mapped[str] = mapped_column(NAME, primary_key=True)
    version: Mapped[str] = mapped_column(Text, primary_key=True)
    # The values of the partitions by their names.
    partitions: Mapped[dict[str, str]] = mapped_column(JSONB)
    # Number of core.Granularity, and the start of the minute, hour, day or month; 0 and empty without a time partition.
    granularity: Mapped[int]
    time_partition: Mapped[datetime | None]
    execution_project: Mapped[str] = mapped_column(NAME)
    execution_domain: Mapped[str] = mapped_column(NAME)
    execution_name: Mapped[str] = mapped_column(NAME)
    artifact: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    __table_args__ = (
        Index("ix_artifacts_latest", "project", "domain", "name", "id"),
        Index("ix_artifacts_execution", "execution_project", "execution_domain", "execution_name"),
    )
