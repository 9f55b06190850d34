"""Record the events of launch conditions, in the transaction that records the artifacts."""

import base64
import json
from collections.abc import Sequence
from datetime import UTC, datetime

from sqlalchemy import select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from flytetemporal.admin.artifacts import conditions
from flytetemporal.admin.events import trigger_events
from flytetemporal.admin.outbox.trigger_models import TriggerRow
from flytetemporal.contracts.v1 import artifacts_pb2

ARTIFACT = "artifact"

_ArtifactName = tuple[str, str, str]


async def record(session: AsyncSession, artifacts: Sequence[artifacts_pb2.Artifact]) -> None:
    """Record an event per artifact and active launch condition that it matches."""
    if not artifacts:
        return
    named: dict[_ArtifactName, list[artifacts_pb2.Artifact]] = {}
    for artifact in artifacts:
        key = artifact.id.artifact_key
        named.setdefault((key.project, key.domain, key.name), []).append(artifact)
    row = TriggerRow
    source = tuple_(row.source_project, row.source_domain, row.source_name)
    watching = select(row).where(row.is_active, row.kind == ARTIFACT, source.in_(sorted(named)))
    events = []
    for trigger in (await session.scalars(watching)).all():
        stored = base64.b64decode(json.loads(trigger.declaration)["condition"])
        condition = artifacts_pb2.ArtifactTrigger.FromString(stored)
        trigger_key = (trigger.project, trigger.domain, trigger.launch_plan, trigger.name)
        for artifact in named[trigger.source_project, trigger.source_domain, trigger.source_name]:
            if conditions.matches(condition.trigger, artifact.id):
                event_id, payload = event_id_of(artifact), artifact.SerializeToString()
                events.append(trigger_events.values(trigger.id, trigger_key, event_id, datetime.now(UTC), payload))
    await trigger_events.record(session, events)


def event_id_of(artifact: artifacts_pb2.Artifact) -> str:
    """Return the id of the event that an artifact is. Its name and version say everything."""
    key = artifact.id.artifact_key
    return f"{key.project}:{key.domain}:{key.name}@{artifact.id.version}"


def artifact_of(payload: bytes) -> artifacts_pb2.Artifact:
    """Return the artifact that an event is about."""
    return artifacts_pb2.Artifact.FromString(payload)
