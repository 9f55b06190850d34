"""The settings of a process, read from its environment and from the files of ``--config``."""

import os
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click
from pydantic import ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, InitSettingsSource, PydanticBaseSettingsSource, SettingsError

from flytetemporal.cli.errors import CommandError
from flytetemporal.cli.serving import privacy
from flytetemporal.cli.wiring.settings_files import merging
from flytetemporal.cli.wiring.settings_files.merging import Merged
from flytetemporal.config.settings import Settings
from flytetemporal.config.temporal import TemporalSettings
from flytetemporal.contracts.encryption import Cipher
from flytetemporal.errors import InvalidRequest

PREFIX = "FLYTETEMPORAL_"

F = TypeVar("F", bound=Callable[..., Any])


def option(command: F) -> F:
    """Add ``--config``, which the command gets as ``config``: the patterns as they were given."""
    help_text = (
        "YAML file of settings, or a pattern in quotes such as '/etc/flytetemporal/*.yaml'. Can be repeated: files are "
        "merged key by key, later ones win, and variables win over files."
    )
    return click.option("--config", multiple=True, metavar="FILE", help=help_text)(command)


def load(files: Sequence[str] = ()) -> Settings:
    """Return the settings that the files and, before them, the environment give, and those that a supervisor has sent.

    Raises:
        CommandError: names every variable that is wrong, and file and line of every key that is.
    """
    return validated(merging.merged(files))


def validated(found: Merged) -> Settings:
    """Return the settings with the content of files. Raises ``CommandError`` as ``load`` does."""
    try:
        return _reading(found.content)(**privacy.received())
    except ValidationError as e:
        problems = [f"{_place(problem, found)}: {problem['msg']}" for problem in e.errors(include_url=False)]
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


def check_encryption(files: Sequence[str] = ()) -> None:
    """Refuse encryption keys that no process could use. Raises ``CommandError``."""
    cipher(load(files).temporal)


def variable(path: Sequence[int | str]) -> str:
    """Return the name of the variable that sets a field: FLYTETEMPORAL_<PART>__<FIELD>, with a section in ``auth``."""
    depth = 3 if path[0] == "auth" else 2
    return PREFIX + "__".join(str(part).upper() for part in path[:depth])


def variables_of(path: Sequence[int | str]) -> list[str]:
    """Return the variables of the environment that set a field, the mapping around it, or a part of it."""
    exact = (PREFIX + "__".join(map(str, path))).upper()
    return [
        name
        for name in os.environ
        if (upper := name.upper()).startswith(PREFIX)
        and (f"{exact}__".startswith(f"{upper}__") or upper.startswith(f"{exact}__"))
    ]


def _reading(content: dict[str, Any]) -> type[Settings]:
    """Return the settings as a class that looks for what is in no variable in the content of files."""
    if not content:
        return Settings

    class FileSettings(Settings):
        @classmethod
        def settings_customise_sources(
            cls,
            settings_cls: type[BaseSettings],
            init_settings: PydanticBaseSettingsSource,
            env_settings: PydanticBaseSettingsSource,
            dotenv_settings: PydanticBaseSettingsSource,
            file_secret_settings: PydanticBaseSettingsSource,
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            return init_settings, env_settings, InitSettingsSource(settings_cls, init_kwargs=content)

    return FileSettings


def _place(problem: ErrorDetails, found: Merged) -> str:
    """Return what has to be changed: a variable, or a key of a file with its line."""
    path = problem["loc"]
    place = found.place(tuple(str(part) for part in path))
    if not place or (len(path) > 1 and variables_of(path[: 3 if path[0] == "auth" else 2])):
        return variable(path)
    return f"{place}: {'.'.join(str(part) for part in path)}"
