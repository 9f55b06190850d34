"""What tasks leave in place of the files that the worker reads: each attempt ends with a name for its problem."""

from pathlib import Path

import pytest
from flyteidl.core import errors_pb2, execution_pb2, literals_pb2

from flytetemporal.contracts.v1 import execution_pb2 as contract_pb2
from flytetemporal.errors import ValueTooLarge
from flytetemporal.idl import error_text
from tests.fixtures.task_attempts import Bench, integer, template, text
from tests.fixtures.waiting import bounded

pytestmark = pytest.mark.asyncio(loop_scope="module")

ErrorKind = execution_pb2.ExecutionError
ContainerError = errors_pb2.ContainerError
Literal = literals_pb2.Literal
INSTEAD = {
    "an endless device": 'ln -s /dev/zero "$1"',
    "a file of another user": 'ln -s /etc/passwd "$1"',
    "a FIFO": 'mkfifo "$1"',
    "a directory": 'mkdir "$1"',
    "3 GB": 'truncate -s 3G "$1"',
    "random bytes": 'head -c 4096 /dev/urandom > "$1"; printf "\\377" >> "$1"',
}


def shell(script: str, *arguments: str) -> tuple[str, ...]:
    return ("sh", "-c", f'mkdir -p "$1"; shift; {script}', "sh", "{{.outputPrefix}}", *arguments)


async def ended(bench: Bench, script: str, *arguments: str) -> contract_pb2.TaskAttemptResult:
    attempt = await bench.attempt(template(shell(script, *arguments)))
    return await bounded(bench.run(attempt))


def bytes_read() -> int:
    """Return how much this process has read from files."""
    return int(Path("/proc/self/io").read_text().split()[1])


async def left(bench: Bench, name: str, content: bytes) -> contract_pb2.TaskAttemptResult:
    path = bench.folder / "content"
    path.write_bytes(content)
    return await ended(bench, 'cp "$1" "$2"', str(path), "{{.outputPrefix}}/" + name)


@pytest.mark.parametrize("what", INSTEAD)
async def test_outputs_that_are_no_outputs_are_the_users_error(bench: Bench, what: str) -> None:
    result = await ended(bench, INSTEAD[what], "{{.outputPrefix}}/outputs.pb")

    error = result.failure.error
    code = "OutputSizeExceeded" if what == "3 GB" else "InvalidTaskOutputs"
    assert (error.code, error.kind, result.failure.recoverable) == (code, ErrorKind.USER, False)
    assert "outputs.pb" in error.message
    assert "root:" not in str(result)


@pytest.mark.parametrize("what", INSTEAD)
async def test_an_error_file_that_is_no_error_is_the_systems_error(bench: Bench, what: str) -> None:
    result = await ended(bench, INSTEAD[what], "{{.outputPrefix}}/error.pb")

    error = result.failure.error
    assert (error.code, error.kind, result.failure.recoverable) == ("ErrorFileBadFormat", ErrorKind.SYSTEM, True)
    assert "error.pb" in error.message
    assert "root:" not in str(result)


async def test_a_huge_file_is_refused_by_its_size_and_not_read(bench: Bench) -> None:
    path = bench.folder / "store/huge.pb"
    path.parent.mkdir(exist_ok=True)
    with path.open("wb") as file:
        file.truncate(3 * 1024**3)
    before = bytes_read()

    with pytest.raises(ValueTooLarge):
        await bench.blobs.read_message(str(path), literals_pb2.LiteralMap)

    assert bytes_read() - before < 1_000_000


@pytest.mark.parametrize("what", INSTEAD)
async def test_a_plan_of_a_dynamic_node_is_not_read_with_the_attempt(bench: Bench, what: str) -> None:
    result = await ended(bench, INSTEAD[what], "{{.outputPrefix}}/futures.pb")

    assert result.dynamic or result.failure.error.code == "OutputsNotFound"


async def test_a_deck_that_is_a_link_is_no_deck(bench: Bench) -> None:
    result = await ended(bench, 'ln -s /etc/passwd "$1"', "{{.outputPrefix}}/deck.html")

    assert not result.deck_uri


@pytest.mark.parametrize("end", ["exit 3", "kill -9 $$", "true"])
async def test_a_deck_stays_readable_in_every_end(bench: Bench, end: str) -> None:
    attempt = await bench.attempt(template(shell('echo "<html>" > "$1"; ' + end, "{{.outputPrefix}}/deck.html")))

    result = await bounded(bench.run(attempt))

    assert result.HasField("failure")
    assert result.deck_uri == attempt.output_dir + "/deck.html"


@pytest.mark.parametrize("what", ["3 GB", "a directory"])
async def test_a_deck_stays_readable_if_the_outputs_cannot_be_used(bench: Bench, what: str) -> None:
    script = 'echo "<html>" > "$2"; ' + INSTEAD[what]
    command = shell(script, "{{.outputPrefix}}/outputs.pb", "{{.outputPrefix}}/deck.html")
    attempt = await bench.attempt(template(command))

    result = await bounded(bench.run(attempt))

    assert result.failure.error.code in ("OutputSizeExceeded", "InvalidTaskOutputs")
    assert result.deck_uri == attempt.output_dir + "/deck.html"


@pytest.mark.parametrize(
    ("error", "shown"),
    [
        (ContainerError(message="a\0b", code="c\0d"), ErrorKind(message="a\ufffdb", code="c\ufffdd")),
        (ContainerError(message="m", code="c", origin=99), ErrorKind(message="m", code="c")),  # type: ignore[arg-type]
        (ContainerError(message="\x1b[31m\x07", code="c"), ErrorKind(message="\x1b[31m\x07", code="c")),
    ],
    ids=["NUL", "unknown origin", "control characters"],
)
async def test_an_error_arrives_without_what_cannot_be_stored(
    bench: Bench, error: errors_pb2.ContainerError, shown: execution_pb2.ExecutionError
) -> None:
    result = await left(bench, "error.pb", errors_pb2.ErrorDocument(error=error).SerializeToString())

    assert (result.failure.error.message, result.failure.error.code) == (shown.message, shown.code)
    assert result.failure.error.kind in ErrorKind.ErrorKind.values()


async def test_an_error_whose_time_is_out_of_range_arrives(bench: Bench) -> None:
    error = ContainerError(message="m", code="c")
    error.timestamp.seconds = 2**62

    result = await left(bench, "error.pb", errors_pb2.ErrorDocument(error=error).SerializeToString())

    assert result.failure.error.timestamp.ToJsonString().startswith("9999-")


@pytest.mark.parametrize("megabytes", [7, 50, 130])
async def test_an_endless_error_message_is_cut_or_refused(bench: Bench, megabytes: int) -> None:
    document = errors_pb2.ErrorDocument(error=ContainerError(message="x" * megabytes * 1024 * 1024, code="c"))

    result = await left(bench, "error.pb", document.SerializeToString())

    assert result.failure.error.code == ("c" if megabytes < 128 else "ErrorFileBadFormat")
    assert len(result.failure.error.message) <= error_text.LIMIT


def nested() -> Literal:
    literal = integer(1)
    for _ in range(45):
        outer = Literal()
        outer.collection.literals.append(literal)
        literal = outer
    return literal


def struct_of_nan() -> Literal:
    literal = Literal()
    literal.scalar.generic.fields["x"].number_value = float("nan")
    return literal


def late() -> Literal:
    literal = Literal()
    literal.scalar.primitive.datetime.seconds = 2**62
    return literal


@pytest.mark.parametrize("value", [nested(), struct_of_nan(), late()], ids=["deep", "NaN", "late"])
async def test_outputs_out_of_bounds_fail_with_their_name(bench: Bench, value: Literal) -> None:
    result = await left(bench, "outputs.pb", literals_pb2.LiteralMap(literals={"o0": value}).SerializeToString())

    assert result.failure.error.code == "InvalidTaskOutputs"
    assert result.failure.error.kind == ErrorKind.USER
    assert "literals[o0]" in result.failure.error.message


async def test_a_directory_that_leads_to_another_attempts_is_neither_read_nor_written(bench: Bench) -> None:
    victim = await bench.attempt(template(shell("exit 0"), outputs=False))
    await bench.run(victim)
    theirs = Path(victim.output_dir.removeprefix("file://"))
    before = {path.name: path.read_bytes() for path in theirs.iterdir()}

    result = await ended(bench, 'rm -rf "$1"; ln -s "$2" "$1"', "{{.outputPrefix}}", str(theirs))

    assert result.failure.error.code == "InvalidTaskOutputs"
    assert "/data/0 is a link" in result.failure.error.message
    assert {path.name: path.read_bytes() for path in theirs.iterdir()} == before


async def test_a_result_that_the_task_has_put_in_the_place_of_ours_is_not_followed(bench: Bench) -> None:
    attempt = await bench.attempt(template(shell('mkdir -p "$1/attempt.pb/x"', "{{.outputPrefix}}"), outputs=False))

    result = await bounded(bench.run(attempt))

    assert result.HasField("outputs")
    assert await bounded(bench.run(attempt, temporal_attempt=2)) is not None


@pytest.mark.parametrize(
    "script",
    ['rm -rf "$PWD"', "exec >&- 2>&-", 'chmod 0 "$1" "$PWD" "$TMPDIR"; true', 'rm -rf "$PWD" "$TMPDIR"'],
    ids=["working directory", "output", "permissions", "all folders"],
)
async def test_a_task_that_damages_its_own_place_ends(bench: Bench, script: str) -> None:
    attempt = await bench.attempt(template(shell(script, "{{.outputPrefix}}"), outputs=False), name=text("x"))

    result = await bounded(bench.run(attempt))

    assert result.WhichOneof("outcome")


@pytest.mark.parametrize("script", ['rm -rf "$1"; echo > "$1"', 'rm -rf "$1/.."; echo > "$1/.."'], ids=["own", "above"])
async def test_a_file_in_place_of_the_folder_of_outputs_fails_the_attempt(bench: Bench, script: str) -> None:
    result = await ended(bench, script.replace("$1/..", "${1%/*}"), "{{.outputPrefix}}")

    assert result.failure.error.code == "OutputsNotFound", result


async def test_the_outputs_of_a_variable_whose_name_no_file_can_have_arrive(bench: Bench) -> None:
    name = "x" * 300
    value = literals_pb2.LiteralMap(literals={name: text("y" * 100_000)})
    path = bench.folder / "content"
    path.write_bytes(value.SerializeToString())
    command = shell('cp "$1" "$2"', str(path), "{{.outputPrefix}}/outputs.pb")
    of_long_name = template(command)
    of_long_name.interface.outputs.variables[name].CopyFrom(of_long_name.interface.outputs.variables.pop("o0"))

    result = await bounded(bench.run(await bench.attempt(of_long_name)))

    assert result.HasField("outputs"), result
