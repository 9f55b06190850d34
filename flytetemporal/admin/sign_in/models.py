"""The tables of the authorization server. Codes and tokens are in them as digests only."""

from datetime import datetime

from sqlalchemy import Index, Text, func, text
from sqlalchemy.orm import Mapped, mapped_column

from flytetemporal.db.orm import Base


class SignInGrantRow(Base):
    """What a user has allowed a client. ``person`` is a JSON object; empty for a client that acts for itself."""

    __tablename__ = "sign_in_grants"
    __table_args__ = (
        Index("ix_sign_in_grants_expires_at", "expires_at"),
        Index("ix_sign_in_grants_revoked", "expires_at", postgresql_where=text("revoked_at IS NOT NULL")),
    )
    id: Mapped[str] = mapped_column(primary_key=True)
    client_id: Mapped[str]
    person: Mapped[str] = mapped_column(Text)
    scope: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    expires_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]


class SignInSecretRow(Base):
    """A code, a refresh token, a device or a session of a browser, by the digest of its secret."""

    __tablename__ = "sign_in_secrets"
    __table_args__ = (Index("ix_sign_in_secrets_expires_at", "expires_at"),)
    digest: Mapped[str] = mapped_column(primary_key=True)
    purpose: Mapped[str] = mapped_column(primary_key=True)
    client_id: Mapped[str]
    # Empty for a device whose user has not decided.
    grant_id: Mapped[str] = mapped_column(server_default=text("''"))
    scope: Mapped[str] = mapped_column(server_default=text("''"))
    redirect_uri: Mapped[str] = mapped_column(Text, server_default=text("''"))
    challenge: Mapped[str] = mapped_column(server_default=text("''"))
    # Of what a user types: the digest of the device's own secret.
    device: Mapped[str] = mapped_column(server_default=text("''"))
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]
    denied: Mapped[bool] = mapped_column(server_default=text("false"))


class SigningKeyRow(Base):
    """A key that signs tokens, or has signed tokens that are still valid."""

    __tablename__ = "signing_keys"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    pem: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    # When a newer key has taken over.
    replaced_at: Mapped[datetime | None]
