"""The base class of all settings."""

from pydantic import BaseModel, ConfigDict


class Part(BaseModel):
    """A part of the settings: immutable, and an unknown field is an error, so that a typo does not go unnoticed."""

    model_config = ConfigDict(frozen=True, extra="forbid")
