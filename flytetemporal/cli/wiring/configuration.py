"""The settings of a process, read from its environment."""

from pydantic import ValidationError
from pydantic_settings import SettingsError

from flytetemporal.cli.errors import CommandError
from flytetemporal.cli.serving import privacy
from flytetemporal.config.settings import Settings
from flytetemporal.config.temporal import TemporalSettings
from flytetemporal.contracts.encryption import Cipher
from flytetemporal.errors import InvalidRequest

PREFIX = "FLYTETEMPORAL_"


def load() -> Settings:
    """Return the settings that the environment gives, and those that a supervisor has sent.

    Raises:
        CommandError: names every variable that is wrong.
    """
    try:
        return Settings(**privacy.received())
    except ValidationError as e:
        problems = [f"{_variable(problem['loc'])}: {problem['msg']}" for problem in e.errors(include_url=False)]
        raise CommandError("the settings are not valid:\n" + "\n".join(f"  {problem}" for problem in problems)) from e
    except SettingsError as e:  # A value that must be JSON is not.
        raise CommandError(f"the settings are not valid: {e}; lists and objects are written as JSON") from e


def cipher(settings: TemporalSettings) -> Cipher | None:
    """Return what encrypts payloads; None if there are no keys.

    Raises:
        CommandError: a key is none, or there is no key of the id that the settings name.
    """
    if not settings.encryption_keys and not settings.encryption_key_id:
        return None
    keys = {name: key.get_secret_value() for name, key in settings.encryption_keys.items()}
    try:
        return Cipher(keys, settings.encryption_key_id)
    except InvalidRequest as e:
        raise CommandError(f"the payloads cannot be encrypted: {e.message}") from e


def check_encryption() -> None:
    """Refuse encryption keys of the environment that no process could use. Raises ``CommandError``."""
    cipher(load().temporal)


def _variable(location: tuple[int | str, ...]) -> str:
    """Return the name of the variable that sets a field: FLYTETEMPORAL_<PART>__<FIELD>, with a section in ``auth``."""
    depth = 3 if location[0] == "auth" else 2
    return PREFIX + "__".join(str(part).upper() for part in location[:depth])
