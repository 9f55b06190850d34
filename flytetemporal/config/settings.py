"""All settings of a process.

``FLYTETEMPORAL_<PART>__<FIELD>`` environment variables set fields; the commands set the rest. Settings are built in
``cli`` and handed down by part; no module reads them by itself.
"""

from pydantic_settings import BaseSettings, SettingsConfigDict

from flytetemporal.config.admin import AdminSettings
from flytetemporal.config.database import DatabaseSettings
from flytetemporal.config.storage import StorageSettings
from flytetemporal.config.temporal import TemporalSettings
from flytetemporal.config.worker import WorkerSettings


class Settings(BaseSettings):
    """All parts."""

    model_config = SettingsConfigDict(
        frozen=True, extra="forbid", env_prefix="FLYTETEMPORAL_", env_nested_delimiter="__"
    )
    database: DatabaseSettings = DatabaseSettings()
    storage: StorageSettings = StorageSettings()
    temporal: TemporalSettings = TemporalSettings()
    admin: AdminSettings = AdminSettings()
    worker: WorkerSettings = WorkerSettings()
