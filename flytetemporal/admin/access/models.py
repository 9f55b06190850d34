"""The tables of roles, API keys and the audit log."""

from datetime import datetime

from sqlalchemy import BigInteger, Index, LargeBinary, Text, func, text
from sqlalchemy.orm import Mapped, mapped_column

from flytetemporal.db.orm import Base


class AccessRevisionRow(Base):
    """A number that grows with each change of what admins keep in memory; there is one row."""

    __tablename__ = "access_revisions"
    name: Mapped[str] = mapped_column(primary_key=True)
    revision: Mapped[int] = mapped_column(BigInteger)


class AccessBindingRow(Base):
    """A role of a subject; an empty project or domain stands for all of them.

    A source that ApplyBindings has named and a grant can give the same role: each takes away its own only.
    """

    __tablename__ = "access_bindings"
    subject: Mapped[str] = mapped_column(primary_key=True)
    role: Mapped[str] = mapped_column(primary_key=True)
    project: Mapped[str] = mapped_column(primary_key=True)
    domain: Mapped[str] = mapped_column(primary_key=True)
    source: Mapped[str] = mapped_column(primary_key=True)
    granted_by: Mapped[str]
    granted_at: Mapped[datetime] = mapped_column(server_default=func.now())


class AccessKeyRow(Base):
    """An API key. Of its secret only the SHA-256 is stored: it is random, so it cannot be guessed from that."""

    __tablename__ = "access_keys"
    id: Mapped[str] = mapped_column(primary_key=True)
    secret_hash: Mapped[bytes] = mapped_column(LargeBinary)
    name: Mapped[str]
    owner: Mapped[str]
    # What it may do at most; empty for no limit.
    role: Mapped[str]
    project: Mapped[str]
    domain: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    expires_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]

    __table_args__ = (
        Index("ix_access_keys_name", "owner", "name", unique=True, postgresql_where=text("revoked_at IS NULL")),
    )


class AuditRow(Base):
    """An entry of the audit log. Rows are never changed; the loop ``audit`` removes old ones."""

    __tablename__ = "audit_log"
    id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=True)
    at: Mapped[datetime]
    subject: Mapped[str]
    issuer: Mapped[str]
    kind: Mapped[str]
    credential: Mapped[str]
    credential_id: Mapped[str]
    peer: Mapped[str]
    transport: Mapped[str]
    action: Mapped[str]
    project: Mapped[str]
    domain: Mapped[str]
    target: Mapped[str] = mapped_column(Text)
    # Name of a gRPC status.
    code: Mapped[str]
    message: Mapped[str] = mapped_column(Text)
    request_id: Mapped[str]

    __table_args__ = (
        Index("ix_audit_log_at", "at"),
        Index("ix_audit_log_subject", "subject", "id"),
        Index("ix_audit_log_project", "project", "domain", "id"),
    )
