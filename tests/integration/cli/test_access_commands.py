"""`flytetemporal access` and `audit`, against an admin with sign-in."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner

from flytetemporal.admin.base.dependencies import Dependencies
from flytetemporal.admin.settings import projects
from flytetemporal.cli.admin_calls import TOKEN_VARIABLE
from flytetemporal.cli.main import main
from tests.fixtures.signed_in import ROOT, Server, serving


@pytest.fixture
async def admin(deps: Dependencies) -> AsyncIterator[Server]:
    await projects.register_defaults(deps)
    async with serving(deps) as found:
        yield found


@dataclass(frozen=True, slots=True)
class Ended:
    exit_code: int
    output: str


async def run(admin: Server, who: str, *arguments: str) -> Ended:
    """Run a command as somebody; roles that it has changed apply afterwards. Admin's log is left out of the output."""
    command = [*arguments, "--endpoint", f"127.0.0.1:{admin.port}"]
    result = await asyncio.to_thread(CliRunner().invoke, main, command, env={TOKEN_VARIABLE: who})
    await admin.loader.refresh()
    await admin.log.write_waiting()
    lines = [line for line in result.output.splitlines(keepends=True) if "[info" not in line]
    return Ended(result.exit_code, "".join(lines))


async def test_a_role_is_granted_used_listed_and_revoked(admin: Server) -> None:
    granted = await run(admin, ROOT, "access", "grant", "user:ada", "launcher")
    can = await run(admin, "user:ada", "access", "can-i", "launch")
    cannot = await run(admin, "user:ada", "access", "can-i", "register")
    listed = await run(admin, ROOT, "access", "list")
    revoked = await run(admin, ROOT, "access", "revoke", "user:ada", "launcher")
    after = await run(admin, "user:ada", "access", "can-i", "launch")

    assert granted.output == "user:ada is launcher of flytesnacks development\n"
    assert (can.exit_code, can.output) == (0, "yes\n")
    assert cannot.exit_code == 1
    assert "it needs one of the roles developer, project_admin, platform_admin there" in cannot.output
    assert listed.output.splitlines()[1].split() == ["user:ada", "launcher", "flytesnacks", "development", "root"]
    assert revoked.output == "user:ada is no longer launcher of flytesnacks development\n"
    assert after.exit_code == 1


async def test_without_a_token_a_command_says_so(admin: Server) -> None:
    result = await run(admin, "", "access", "list")

    assert result.exit_code == 1
    assert "answers UNAUTHENTICATED: sign in" in result.output


async def test_roles_of_a_file_apply_and_a_wrong_file_changes_nothing(admin: Server, tmp_path: Path) -> None:
    path = tmp_path / "roles.yaml"
    path.write_text("bindings:\n- {subject: 'user:ada', role: viewer, project: flytesnacks}\n")
    applied = await run(admin, ROOT, "access", "apply", "-f", str(path))
    again = await run(admin, ROOT, "access", "apply", "-f", str(path))
    path.write_text("bindings:\n- {subject: 'user:ada'}\n")
    wrong = await run(admin, ROOT, "access", "apply", "-f", str(path))

    assert applied.output == "1 roles apply: 1 were added, 0 were removed\n"
    assert again.output == "1 roles apply: 0 were added, 0 were removed\n"
    assert wrong.exit_code == 1
    assert "binding 1: role [] is unknown" in wrong.output
    assert await admin.visible("user:ada") == ["flytesnacks"]


async def test_a_key_is_made_used_listed_and_revoked(admin: Server) -> None:
    await run(admin, ROOT, "access", "grant", "user:ada", "viewer", "--all-domains")
    made = await run(admin, "user:ada", "access", "keys", "create", "ci", "--role", "viewer", "--expires-in", "1h")
    secret = made.output.splitlines()[-1]
    used = await run(admin, secret, "access", "can-i", "read")
    elsewhere = await run(admin, secret, "access", "can-i", "read", "-d", "production")
    listed = await run(admin, "user:ada", "access", "keys", "list")
    key_id = secret.split("_")[1]
    await run(admin, "user:ada", "access", "keys", "revoke", key_id)
    after = await run(admin, secret, "access", "can-i", "read")

    assert used.output == "yes\n"
    assert elsewhere.exit_code == 1
    assert "within the limits of its credential" in elsewhere.output
    assert f"{key_id}  ci" in listed.output
    assert secret not in listed.output
    assert "unknown or revoked" in after.output


async def test_the_audit_log_says_who_did_what(admin: Server) -> None:
    await run(admin, ROOT, "access", "grant", "user:ada", "viewer")
    await run(admin, "user:ada", "access", "grant", "user:ada", "developer")
    everything = await run(admin, ROOT, "audit")
    refused = await run(admin, ROOT, "audit", "--refused", "--since", "1h")
    forbidden = await run(admin, "user:ada", "audit")

    assert "user:ada:viewer:flytesnacks:development" in everything.output
    assert len(everything.output.splitlines()) == 3
    (_, line) = refused.output.splitlines()
    assert " ada " in line
    assert "PERMISSION_DENIED" in line
    assert forbidden.exit_code == 1
