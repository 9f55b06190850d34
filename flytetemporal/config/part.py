"""What the settings of all process parts share."""

from pydantic import BaseModel, ConfigDict


class Part(BaseModel):
    """A part of the settings: it cannot be changed, and a mistyped field is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")
