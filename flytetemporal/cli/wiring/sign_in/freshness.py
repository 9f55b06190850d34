"""Keeps roles, API keys and the audit log of a serving admin up to date."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

from flytetemporal.admin.access import bindings, loading
from flytetemporal.admin.access.audit import StoredAudit
from flytetemporal.admin.access.loading import Loader
from flytetemporal.admin.base.dependencies import Dependencies
from flytetemporal.auth import policy_file
from flytetemporal.cli.errors import CommandError
from flytetemporal.cli.serving import background
from flytetemporal.contracts.v1 import access_pb2
from flytetemporal.errors import InvalidRequest

SOURCE = "file"


@contextlib.asynccontextmanager
async def fresh(deps: Dependencies, log: StoredAudit) -> AsyncIterator[None]:
    """Apply the file of roles, load what is stored, and look for changes while the context is open.

    Raises:
        CommandError: the file of roles cannot be applied.
    """
    if not deps.auth.required:
        yield
        return
    loader = Loader(deps)

    async def round_() -> None:
        # Together: neither is late because the other one fails.
        await asyncio.gather(loader.refresh(), log.write_waiting())

    if deps.auth.policy_file:
        await _apply(deps, Path(deps.auth.policy_file))
    await loader.refresh()
    async with background.running(background.repeat(round_, loading.INTERVAL_SECONDS, "access_not_refreshed")):
        yield
    await log.write_waiting()


async def _apply(deps: Dependencies, path: Path) -> None:
    try:
        found = policy_file.parse(path.read_text())
        request = access_pb2.ApplyBindingsRequest(source=SOURCE)
        for one in found:
            request.bindings.add(
                subject=str(one.subject), role=one.role, project=one.scope.project, domain=one.scope.domain
            )
        await bindings.apply_bindings(deps, request)
    except (OSError, UnicodeDecodeError, InvalidRequest) as e:
        raise CommandError(f"cannot apply the roles in {path}: {getattr(e, 'strerror', None) or e}") from e
