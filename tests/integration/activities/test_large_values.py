"""Large inputs, outputs and errors of real task processes."""

import pytest
from flyteidl.core import errors_pb2, execution_pb2, literals_pb2, tasks_pb2

from flytetemporal.activities.offloading import Limits, Offloading
from flytetemporal.contracts import limits
from flytetemporal.idl import error_text, locations
from tests.fixtures.task_attempts import Bench, sample, template, text

pytestmark = pytest.mark.asyncio(loop_scope="module")

ErrorKind = execution_pb2.ExecutionError
MB = 1024 * 1024


def of_flytekit(version: str, name: str = "greet") -> tasks_pb2.TaskTemplate:
    task = sample(name)
    task.metadata.runtime.type = tasks_pb2.RuntimeMetadata.FLYTE_SDK
    task.metadata.runtime.version, task.metadata.runtime.flavor = version, "python"
    return task


async def offloaded(bench: Bench, name: str, value: str) -> literals_pb2.Literal:
    values = literals_pb2.LiteralMap(literals={name: text(value)})
    await Offloading(bench.blobs).offload(values, f"{bench.blobs.root}/far-{len(value)}")
    return values.literals[name]


@pytest.mark.parametrize("version", ["1.16.0", "1.13.13"])
@pytest.mark.parametrize("size", [100_000, 3 * MB, 30 * MB])
async def test_a_task_takes_and_leaves_values_of_any_size(bench: Bench, version: str, size: int) -> None:
    """The engine offloads outputs of 100 kB; above a megabyte, a flytekit that can offloads them itself."""
    attempt = await bench.attempt(of_flytekit(version), name=await offloaded(bench, "name", "x" * size))

    result = await bench.run(attempt)

    assert not result.failure.error.message
    assert result.ByteSize() < 10_000
    reference = result.outputs.literals.literals["o0"].offloaded_metadata
    assert reference.uri == f"{attempt.output_dir.removeprefix('file://')}/o0_offloaded_metadata.pb" or (
        reference.uri == f"{attempt.output_dir}/o0_offloaded_metadata.pb"
    )
    whole = await Offloading(bench.blobs).inlined(result.outputs.literals)
    assert whole.literals["o0"].scalar.primitive.string_value == "hello " + "x" * size
    file = await bench.blobs.read_message(locations.inputs_uri(attempt.data_dir), literals_pb2.LiteralMap)
    assert file.literals["name"].HasField("offloaded_metadata") == (version == "1.16.0")


async def test_a_value_below_the_size_stays_in_its_map(bench: Bench) -> None:
    attempt = await bench.attempt(of_flytekit("1.16.0"), name=text("x" * 60_000))

    result = await bench.run(attempt)

    assert result.outputs.uri == locations.outputs_uri(attempt.output_dir)
    assert not await bench.blobs.exists(f"{attempt.output_dir}/o0_offloaded_metadata.pb")


@pytest.mark.parametrize("version", ["1.16.0", "1.13.13"])
async def test_an_output_above_the_limit_fails_its_node_by_name(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, version: str
) -> None:
    monkeypatch.setattr(bench.tasks._offloading, "limits", Limits(most=2 * MB))
    attempt = await bench.attempt(of_flytekit(version), name=text("x" * 3 * MB))

    result = await bench.run(attempt)

    error = result.failure.error
    assert (error.code, error.kind) == ("OutputSizeExceeded", ErrorKind.USER)
    assert not result.failure.recoverable
    assert "node [n0]: the value of [o0] has 3145" in error.message
    assert "the limit is 2097152" in error.message


async def test_what_an_old_task_cannot_be_given_inline_fails_its_node_by_name(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bench.tasks._offloading, "limits", Limits(inline=2 * MB))
    attempt = await bench.attempt(of_flytekit("1.13.13"), name=await offloaded(bench, "name", "x" * 3 * MB))

    result = await bench.run(attempt)

    error = result.failure.error
    assert (error.code, error.kind) == ("LiteralOffloadingNotSupported", ErrorKind.USER)
    assert "node [n0]" in error.message
    assert "[name] is offloaded and has 3145" in error.message
    assert "python 1.13.13" in error.message


async def test_a_command_names_an_offloaded_value_and_gets_it(bench: Bench) -> None:
    command = ("sh", "-c", "printf %s '{{.inputs.name}}' | wc -c")
    attempt = await bench.attempt(template(command, outputs=False), name=await offloaded(bench, "name", "x" * 70_000))

    result = await bench.run(attempt)

    assert result.WhichOneof("outcome") == "outputs"
    assert "70000" in bench.log(attempt)


@pytest.mark.parametrize("size", [3 * MB, 30 * MB])
async def test_a_command_that_no_process_can_be_given_fails_its_node_by_name(bench: Bench, size: int) -> None:
    command = ("sh", "-c", "true", "{{.inputs.name}}")
    attempt = await bench.attempt(template(command, outputs=False), name=await offloaded(bench, "name", "x" * size))

    result = await bench.run(attempt)

    error = result.failure.error
    assert (error.code, error.kind) == ("BadTaskSpecification", ErrorKind.USER)
    assert "node [n0]" in error.message
    assert "[name]" in error.message
    assert not result.failure.recoverable


@pytest.mark.parametrize("size", [3 * MB, 30 * MB])
async def test_what_a_task_says_of_its_failure_fits_into_an_event(bench: Bench, size: int) -> None:
    attempt = await bench.attempt(
        template(("sh", "-c", "mkdir -p {{.outputprefix}} && cp {{.inputprefix}}/error.pb {{.outputprefix}}/"))
    )
    document = errors_pb2.ErrorDocument()
    document.error.message, document.error.code, document.error.worker = "m" * size, "c" * size, "w" * size
    await bench.blobs.write_message(f"{attempt.data_dir}/error.pb", document)

    result = await bench.run(attempt)

    assert result.failure.error.message.startswith("mmm")
    assert len(result.failure.error.message) <= error_text.LIMIT
    assert result.ByteSize() < limits.MAX_GRAPH_BYTES
