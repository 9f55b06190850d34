"""Tasks that read the memory, the environment and the files of the processes that run them."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from flytetemporal.cli.serving import privacy
from tests.fixtures.stack import RunningStack
from tests.fixtures.task_attempts import Bench, template
from tests.fixtures.waiting import bounded

HUNT = Path(__file__).parents[1] / "e2e" / "programs" / "hunt.py"
SERVER = """
import os, sys, time
from flytetemporal.cli.serving import privacy
privacy.hide_memory()
print(privacy.received() == {"key": "hidden"}, flush=True)
time.sleep(600)
"""
# Root can read every environment, so both processes become another user, which makes them undumpable at first.
OF_ONE_USER = """
import ctypes, os, signal, sys
from pathlib import Path
from flytetemporal.cli.serving import privacy
if os.geteuid() == 0:
    os.setgroups([])
    os.setresgid(65534, 65534, 65534)
    os.setresuid(65534, 65534, 65534)
ctypes.CDLL(None).prctl(4, 1, 0, 0, 0)
reader, writer = os.pipe()
child = os.fork()
if child == 0:
    if sys.argv[1] == "True":
        privacy.hide_memory()
    os.write(writer, b"1")
    signal.pause()
os.read(reader, 1)
try:
    print("read" if Path(f"/proc/{child}/environ").read_bytes() else "empty")
except PermissionError:
    print("denied")
os.kill(child, signal.SIGKILL)
"""
ATTACH = "import ctypes, sys; sys.exit(ctypes.CDLL(None).ptrace(16, int(sys.argv[1]), 0, 0) != 0)"
READS = {
    "memory": 'dd if=/proc/"$1"/mem bs=1 count=0',
    "files": 'readlink /proc/"$1"/fd/0',
    "trace": f"{sys.executable} -c '{ATTACH}' \"$1\"",
}


@pytest.fixture
def server() -> Iterator[int]:
    """Yield the id of a process that has a secret, in the way in which admin has its secrets."""
    with privacy.sent({"key": "hidden"}) as stdin:
        process = subprocess.Popen(
            [sys.executable, "-c", SERVER],
            stdin=stdin.fileno(),
            stdout=subprocess.PIPE,
            env={**os.environ, privacy.STDIN_VARIABLE: "1", "SECRET": "visible"},
        )
    assert process.stdout is not None
    assert process.stdout.readline() == b"True\n"
    yield process.pid
    process.kill()
    process.wait()


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("how", READS)
async def test_a_task_cannot_read_a_process_that_hides_its_memory(bench: Bench, server: int, how: str) -> None:
    script = f"{READS[how]} && exit 0; exit 7"
    attempt = await bench.attempt(template(("sh", "-c", script, "sh", str(server)), outputs=False))

    result = await bounded(bench.run(attempt))

    assert "7" in result.failure.error.message, result


@pytest.mark.parametrize("hidden", [False, True])
def test_a_process_of_the_same_user_reads_the_environment_only_if_it_is_not_hidden(hidden: bool) -> None:
    done = subprocess.run([sys.executable, "-c", OF_ONE_USER, str(hidden)], capture_output=True, text=True, check=True)

    assert done.stdout == ("denied\n" if hidden else "read\n"), done.stderr


@pytest.mark.asyncio(loop_scope="module")
async def test_a_task_can_trace_its_own_children(bench: Bench) -> None:
    script = f"sleep 100 & {sys.executable} -c '{ATTACH}' $!"
    attempt = await bench.attempt(template(("sh", "-c", script), outputs=False))

    assert (await bounded(bench.run(attempt))).HasField("outputs")


def test_a_task_of_the_development_stack_finds_none_of_its_secrets(stack: RunningStack, tmp_path: Path) -> None:
    """Also as root, who can read every environment: the secrets are in none."""
    ran = stack.pyflyte("run", "--remote", "--wait", str(HUNT), "wf", "--home", str(stack.home), cwd=tmp_path)

    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_the_command_lines_of_the_development_stack_have_no_secrets(stack: RunningStack) -> None:
    password = stack.database_url.split(":")[2].partition("@")[0]

    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            assert password.encode() not in path.read_bytes()
        except OSError:
            continue
    assert password not in (stack.home / "state.json").read_text()
