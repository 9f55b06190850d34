"""All settings of a process.

Environment variables ``FLYTETEMPORAL_<PART>__<FIELD>`` set fields; options of the commands override some of them. Only
``cli`` builds settings; every other module gets its part as an argument.
"""

from pydantic_settings import BaseSettings, SettingsConfigDict

from flytetemporal.config.admin import AdminSettings
from flytetemporal.config.auth import AuthSettings
from flytetemporal.config.catalog import CatalogSettings
from flytetemporal.config.database import DatabaseSettings
from flytetemporal.config.events import EventSettings
from flytetemporal.config.notifications import NotificationSettings
from flytetemporal.config.pods import PodSettings
from flytetemporal.config.storage import StorageSettings
from flytetemporal.config.temporal import TemporalSettings
from flytetemporal.config.triggers import TriggerSettings
from flytetemporal.config.worker import WorkerSettings


class Settings(BaseSettings):
    """The settings of all parts of a process."""

    model_config = SettingsConfigDict(
        frozen=True, extra="forbid", env_prefix="FLYTETEMPORAL_", env_nested_delimiter="__"
    )
    database: DatabaseSettings = DatabaseSettings()
    storage: StorageSettings = StorageSettings()
    temporal: TemporalSettings = TemporalSettings()
    admin: AdminSettings = AdminSettings()
    catalog: CatalogSettings = CatalogSettings()
    worker: WorkerSettings = WorkerSettings()
    pods: PodSettings = PodSettings()
    notifications: NotificationSettings = NotificationSettings()
    triggers: TriggerSettings = TriggerSettings()
    events: EventSettings = EventSettings()
    auth: AuthSettings = AuthSettings()
