"""The users of a development stack with sign-in: one of each of three roles, with the same new password."""

import os
import secrets
from collections.abc import Mapping
from typing import Any

import yaml

from flytetemporal.auth import passwords
from flytetemporal.cli.dev.state_folder import StateFolder

PASSWORD_VARIABLE = "FLYTETEMPORAL_DEV_USER_PASSWORD"  # noqa: S105  a name
"""The password of the users, for tests; by default a new one that is printed."""
WORKER = "flytepropeller"
"""The client as which the worker signs in; Flyte's name."""

# Each user has the name of the role.
USERS: Mapping[str, str] = {
    "admin": "may do everything",
    "developer": "registers and launches",
    "viewer": "reads",
}
_BOUND = ("developer", "viewer")


def write(folder: StateFolder) -> str:
    """Write the files of users and roles; return the password of the users."""
    password = os.environ.get(PASSWORD_VARIABLE) or secrets.token_urlsafe(9)
    hashed = passwords.hash_of(password)
    folder.users.write_text("".join(f"{user}:{hashed}\n" for user in USERS))
    folder.users.chmod(0o600)
    bindings = [{"subject": f"user:{user}", "role": user} for user in _BOUND]
    folder.roles.write_text(yaml.safe_dump({"bindings": bindings}, sort_keys=False))
    return password


def admin_environment(folder: StateFolder) -> dict[str, str]:
    """Return the settings of admin."""
    return {
        "FLYTETEMPORAL_AUTH__SERVER__ENABLED": "true",
        "FLYTETEMPORAL_AUTH__SERVER__USERS_FILE": str(folder.users),
        "FLYTETEMPORAL_AUTH__PLATFORM_ADMINS": '["user:admin"]',
        "FLYTETEMPORAL_AUTH__ENGINES": f'["service:{WORKER}"]',
        "FLYTETEMPORAL_AUTH__POLICY_FILE": str(folder.roles),
    }


def admin_secrets(worker_secret: str) -> dict[str, Any]:
    """Return the settings of admin that only admin gets."""
    client = {
        "secret_hash": passwords.hash_of(worker_secret),
        "grant_types": ["client_credentials"],
        "scopes": ["all"],
    }
    return {"auth": {"server": {"clients": {WORKER: client}}}}


def notes(password: str) -> list[str]:
    """Return what the user reads."""
    who = ", ".join(f"[bold]{user}[/bold] ({rights})" for user, rights in USERS.items())
    return [f"Sign in as {who}; password [bold]{password}[/bold]"]
