"""The dependencies of admin's handlers; built once, in ``cli``."""

from dataclasses import dataclass, field

from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from flytetemporal.admin.base.engine import Engine
from flytetemporal.admin.base.temporal_schedules import TemporalSchedules
from flytetemporal.auth.api_keys import ApiKeys
from flytetemporal.auth.policies import Policies
from flytetemporal.auth.server.task_tokens import TaskTokens
from flytetemporal.config.admin import AdminSettings
from flytetemporal.config.auth import AuthSettings
from flytetemporal.config.events import EventSettings
from flytetemporal.config.notifications import NotificationSettings
from flytetemporal.config.storage import StorageSettings
from flytetemporal.config.triggers import TriggerSettings
from flytetemporal.storage.blobs import BlobStore


@dataclass(frozen=True, slots=True)
class Dependencies:
    """The first argument of every handler: ``async def verb(deps: Dependencies, request) -> response``."""

    sessions: async_sessionmaker[AsyncSession]
    blobs: BlobStore
    engine: Engine
    schedules: TemporalSchedules
    settings: AdminSettings
    storage: StorageSettings
    notifications: NotificationSettings = field(default_factory=NotificationSettings)
    triggers: TriggerSettings = field(default_factory=TriggerSettings)
    events: EventSettings = field(default_factory=EventSettings)
    auth: AuthSettings = field(default_factory=AuthSettings)
    policies: Policies = field(default_factory=Policies)
    keys: ApiKeys = field(default_factory=ApiKeys)

    task_tokens: TaskTokens | None = None
    """Issues the tokens of tasks; None without sign-in."""

    @property
    def raw_output_prefix(self) -> str:
        """The URI prefix of raw task data, unless an execution or its settings name another one."""
        return self.storage.raw_output_prefix or f"{self.blobs.root}/data"
