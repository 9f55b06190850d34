"""The records of the authorization server in Postgres, whose clock decides what has expired."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import asdict
from datetime import timedelta

from sqlalchemy import delete, func, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from flytetemporal.admin.sign_in.models import SigningKeyRow, SignInGrantRow, SignInSecretRow
from flytetemporal.auth.server.keys import new_key
from flytetemporal.auth.server.records import Exchange, Grant, Person, Purpose, Secret, StoredKey

# Unlike now(), it is not the time at which the transaction started, before it waited for a lock.
_NOW = func.clock_timestamp()
# Held while a key is made, so that admins that start at once make one.
_KEY_LOCK = 7_205_759_404


class StoredRecords:
    """Implements ``auth.server.records.Records``."""

    def __init__(self, sessions: async_sessionmaker[AsyncSession]) -> None:
        self._sessions = sessions

    @contextlib.asynccontextmanager
    async def exchanging(self, purpose: Purpose | None, digest: str) -> AsyncIterator[Exchange]:
        """Lock a secret, and store what the exchange says at the end of the context."""
        async with self._sessions.begin() as session:
            found = await _find(session, purpose, digest, lock=True) if purpose else None
            exchange = Exchange((await session.execute(select(_NOW))).scalar_one(), found)
            yield exchange
            await _store(session, exchange)

    async def find(self, purpose: Purpose, digest: str) -> Secret | None:
        """Return a secret that has not expired."""
        async with self._sessions() as session:
            return await _find(session, purpose, digest, lock=False)

    async def decide(self, user_code: str, grant: Grant | None) -> bool:
        """Allow a waiting device or deny it."""
        async with self._sessions.begin() as session:
            typed = await _find(session, Purpose.USER_CODE, user_code, lock=True)
            if typed is None or typed.used_at is not None:
                return False
            row = SignInSecretRow
            device = update(row).where(row.digest == typed.device, row.purpose == Purpose.DEVICE)
            if grant is None:
                await session.execute(device.values(denied=True))
            else:
                await _insert_grant(session, grant)
                await session.execute(device.values(grant_id=grant.id))
            await _use(session, typed)
            return True

    async def end(self, purpose: Purpose, digest: str) -> None:
        """Remove a secret."""
        async with self._sessions.begin() as session:
            row = SignInSecretRow
            await session.execute(delete(row).where(row.digest == digest, row.purpose == purpose))

    async def revoked_grants(self) -> frozenset[str]:
        """Return the revoked grants that have not expired."""
        query = select(SignInGrantRow.id).where(
            SignInGrantRow.revoked_at.is_not(None), SignInGrantRow.expires_at > _NOW
        )
        async with self._sessions() as session:
            return frozenset((await session.execute(query)).scalars())

    async def keys(self, max_age: timedelta, kept: timedelta) -> Sequence[StoredKey]:
        """Return the signing keys, newest first; make one if there is none that is young enough."""
        found, fresh = await self._present_keys(max_age)
        if fresh:
            return found
        pem = await asyncio.to_thread(new_key)
        async with self._sessions.begin() as session:
            await session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _KEY_LOCK})
            row = SigningKeyRow
            if not (await session.execute(select(row.id).where(row.created_at > _NOW - max_age))).first():
                await session.execute(update(row).where(row.replaced_at.is_(None)).values(replaced_at=_NOW))
                await session.execute(delete(row).where(row.replaced_at < _NOW - kept))
                await session.execute(insert(row).values(pem=pem, created_at=_NOW))
        return (await self._present_keys(max_age))[0]

    async def _present_keys(self, max_age: timedelta) -> tuple[list[StoredKey], bool]:
        row = SigningKeyRow
        query = select(row.pem, row.created_at, row.created_at > _NOW - max_age).order_by(row.id.desc())
        async with self._sessions() as session:
            rows = list(await session.execute(query))
        return [StoredKey(pem, created_at) for pem, created_at, _ in rows], any(fresh for _, _, fresh in rows)


async def _find(session: AsyncSession, purpose: Purpose, digest: str, *, lock: bool) -> Secret | None:
    row = SignInSecretRow
    query = select(row).where(row.digest == digest, row.purpose == purpose, row.expires_at > _NOW)
    found = (await session.execute(query.with_for_update() if lock else query)).scalar_one_or_none()
    if found is None:
        return None
    return Secret(
        found.digest,
        Purpose(found.purpose),
        found.client_id,
        found.expires_at,
        grant=await _grant(session, found.grant_id) if found.grant_id else None,
        scope=found.scope,
        redirect_uri=found.redirect_uri,
        challenge=found.challenge,
        device=found.device,
        used_at=found.used_at,
        denied=found.denied,
    )


async def _grant(session: AsyncSession, grant_id: str) -> Grant | None:
    found = await session.get(SignInGrantRow, grant_id)
    if found is None:
        return None
    return Grant(
        found.id,
        found.client_id,
        _person(json.loads(found.person)) if found.person else None,
        found.scope,
        found.expires_at,
        revoked=found.revoked_at is not None,
    )


def _person(stored: Mapping[str, object]) -> Person:
    groups = stored.get("groups")
    return Person(
        str(stored["subject"]),
        frozenset(groups) if isinstance(groups, list) else frozenset(),
        str(stored.get("email", "")),
        str(stored.get("name", "")),
    )


async def _store(session: AsyncSession, exchange: Exchange) -> None:
    for grant in exchange.grants:
        await _insert_grant(session, grant)
    for secret in exchange.secrets:
        await session.execute(
            insert(SignInSecretRow).values(
                digest=secret.digest,
                purpose=secret.purpose,
                client_id=secret.client_id,
                grant_id=secret.grant.id if secret.grant else "",
                scope=secret.scope,
                redirect_uri=secret.redirect_uri,
                challenge=secret.challenge,
                device=secret.device,
                expires_at=secret.expires_at,
            )
        )
        if secret.grant is not None:
            row = SignInGrantRow
            # A grant lives as long as the last of what was issued for it.
            await session.execute(
                update(row)
                .where(row.id == secret.grant.id)
                .values(expires_at=func.greatest(row.expires_at, secret.expires_at))
            )
    if exchange.used and exchange.found is not None:
        await _use(session, exchange.found)
    if exchange.revoke:
        row = SignInGrantRow
        await session.execute(
            update(row).where(row.id == exchange.revoke, row.revoked_at.is_(None)).values(revoked_at=_NOW)
        )


async def _insert_grant(session: AsyncSession, grant: Grant) -> None:
    person = {**asdict(grant.person), "groups": sorted(grant.person.groups)} if grant.person else None
    await session.execute(
        insert(SignInGrantRow)
        .values(
            id=grant.id,
            client_id=grant.client_id,
            person=json.dumps(person) if person else "",
            scope=grant.scope,
            expires_at=grant.expires_at,
        )
        .on_conflict_do_nothing()
    )


async def _use(session: AsyncSession, secret: Secret) -> None:
    row = SignInSecretRow
    await session.execute(
        update(row)
        .where(row.digest == secret.digest, row.purpose == secret.purpose, row.used_at.is_(None))
        .values(used_at=_NOW)
    )
