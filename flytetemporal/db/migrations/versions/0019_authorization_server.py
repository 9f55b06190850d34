"""Store what our authorization server issues."""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def _time(name: str, *, nullable: bool = False, now: bool = False) -> sa.Column[object]:
    default = sa.text("now()") if now else None
    return sa.Column(name, sa.DateTime(timezone=True), server_default=default, nullable=nullable)


def _text(name: str, *, long: bool = False, empty: bool = False) -> sa.Column[object]:
    return sa.Column(
        name, sa.Text() if long else sa.String(255), server_default=sa.text("''") if empty else None, nullable=False
    )


def upgrade() -> None:
    op.create_table(
        "sign_in_grants",
        _text("id"),
        _text("client_id"),
        _text("person", long=True),
        _text("scope"),
        _time("created_at", now=True),
        _time("expires_at"),
        _time("revoked_at", nullable=True),
        sa.PrimaryKeyConstraint("id", name="sign_in_grants_pkey"),
    )
    op.create_index("ix_sign_in_grants_expires_at", "sign_in_grants", ["expires_at"])
    op.create_index(
        "ix_sign_in_grants_revoked",
        "sign_in_grants",
        ["expires_at"],
        postgresql_where=sa.text("revoked_at IS NOT NULL"),
    )
    op.create_table(
        "sign_in_secrets",
        _text("digest"),
        _text("purpose"),
        _text("client_id"),
        _text("grant_id", empty=True),
        _text("scope", empty=True),
        _text("redirect_uri", long=True, empty=True),
        _text("challenge", empty=True),
        _text("device", empty=True),
        _time("created_at", now=True),
        _time("expires_at"),
        _time("used_at", nullable=True),
        sa.Column("denied", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.PrimaryKeyConstraint("digest", "purpose", name="sign_in_secrets_pkey"),
    )
    op.create_index("ix_sign_in_secrets_expires_at", "sign_in_secrets", ["expires_at"])
    op.create_table(
        "signing_keys",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        _text("pem", long=True),
        _time("created_at", now=True),
        _time("replaced_at", nullable=True),
        sa.PrimaryKeyConstraint("id", name="signing_keys_pkey"),
    )


def downgrade() -> None:
    for table in ("signing_keys", "sign_in_secrets", "sign_in_grants"):
        op.drop_table(table)
