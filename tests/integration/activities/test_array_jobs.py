"""Elements of tasks of type container_array, as their containers know them from Flyte."""

import pytest
from flyteidl.core import literals_pb2, tasks_pb2

from flytetemporal.activities.offloading import Offloading
from flytetemporal.contracts.v1 import execution_pb2 as contract_pb2
from tests.fixtures.task_attempts import Bench, integer, template, text

pytestmark = pytest.mark.asyncio(loop_scope="module")

# No flytekit runs such tasks any more. They find their index by two variables and append it to the output directory.
FIND = 'eval index=\\$$BATCH_JOB_ARRAY_INDEX_VAR_NAME; out={{.outputPrefix}}/$index; mkdir -p "$out"; '


async def element(bench: Bench, task: tasks_pb2.TaskTemplate, index: int) -> contract_pb2.TaskAttempt:
    """Describe an attempt of one element, and lay out the inputs of the whole array."""
    attempt = await bench.attempt(task)
    whole = f"{attempt.data_dir}/inputs.pb"
    numbers = literals_pb2.LiteralMap()
    numbers.literals["a"].collection.literals.extend(integer(number) for number in range(5))
    await bench.blobs.write_message(whole, numbers)
    own = f"{attempt.data_dir}/0/{index}"
    attempt.inputs.element.CopyFrom(contract_pb2.ElementInputs(whole_uri=whole))
    attempt.element.CopyFrom(contract_pb2.ArrayElement(index=index, node_id=f"n0-0-n{index}", external_id="x"))
    attempt.data_dir, attempt.output_dir = own, f"{own}/0"
    return attempt


def job(script: str, version: int) -> tasks_pb2.TaskTemplate:
    task = template(["/bin/sh", "-c", FIND + script], kind="container_array")
    task.task_type_version = version
    return task


@pytest.mark.parametrize(
    ("version", "script"),
    [(1, 'cp {{.input}} "$out/outputs.pb"'), (0, 'cp {{.input}}/$index/inputs.pb "$out/outputs.pb"')],
)
async def test_an_element_reads_and_writes_where_its_index_leads(bench: Bench, version: int, script: str) -> None:
    attempt = await element(bench, job(script, version), 3)
    whole = attempt.inputs.element.whole_uri
    expected = await bench.blobs.read_message(whole, literals_pb2.LiteralMap)
    if version == 0:
        expected = literals_pb2.LiteralMap(literals={"a": integer(30)})
        await bench.blobs.write_message(whole.replace("/inputs.pb", "/3/inputs.pb"), expected)

    result = await bench.run(attempt)

    assert result.outputs.uri == f"{attempt.output_dir}/outputs.pb", result.failure
    assert await bench.blobs.read_message(result.outputs.uri, literals_pb2.LiteralMap) == expected
    assert not await bench.blobs.exists(f"{attempt.data_dir}/inputs.pb")


async def test_large_outputs_of_an_element_are_offloaded_where_its_index_leads(bench: Bench) -> None:
    attempt = await element(bench, job('cp {{.input}} "$out/outputs.pb"', 1), 3)
    whole = attempt.inputs.element.whole_uri
    await bench.blobs.write_message(whole, literals_pb2.LiteralMap(literals={"o0": text("x" * 100_000)}))

    result = await bench.run(attempt)

    assert result.outputs.uri == f"{attempt.output_dir}/outputs.pb", result.failure
    left = await bench.blobs.read_message(result.outputs.uri, literals_pb2.LiteralMap)
    reference = left.literals["o0"].offloaded_metadata
    assert reference.uri == f"{attempt.output_dir}/3/o0_offloaded_metadata.pb"
    assert (await Offloading(bench.blobs).inlined(left)).literals["o0"].scalar == text("x" * 100_000).scalar


async def test_an_error_of_an_element_is_found_where_its_index_leads(bench: Bench) -> None:
    attempt = await element(bench, job('printf bad > "$out/error.pb"', 1), 2)

    result = await bench.run(attempt)

    assert result.failure.error.code == "ErrorFileBadFormat"


async def test_what_an_earlier_try_left_is_no_output_of_this_one(bench: Bench) -> None:
    attempt = await element(bench, job("true", 1), 2)
    await bench.blobs.write(f"{attempt.output_dir}/2/outputs.pb", b"")

    result = await bench.run(attempt)

    assert result.failure.error.code == "OutputsNotFound"


async def test_jobs_of_aws_batch_are_refused_by_name(bench: Bench) -> None:
    result = await bench.run(await bench.attempt(template(["true"], kind="aws-batch")))

    assert (result.failure.error.code, result.failure.recoverable) == ("UnsupportedTaskType", False)
    assert "task sample has type [aws-batch]" in result.failure.error.message
