"""Attempts that run in containers: on the real podman where this machine lets it, on a stand-in everywhere."""

from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import pytest_asyncio
from flyteidl.core import execution_pb2, interface_pb2, literals_pb2, security_pb2, tasks_pb2, types_pb2
from temporalio import activity

from flytetemporal.activities.offloading import Offloading
from flytetemporal.plugins.container_engine import arguments
from flytetemporal.plugins.local import process_ownership
from tests.fixtures.container_engines import IMAGE, OPTIONS, TestEngine
from tests.fixtures.processes import lease_of_the_dead
from tests.fixtures.task_attempts import Bench, integer, template, text
from tests.fixtures.waiting import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

ErrorKind = execution_pb2.ExecutionError
INPUTS, OUTPUTS = "/var/inputs", "/var/outputs"
STRING = types_pb2.LiteralType(simple=types_pb2.STRING)
INTEGER = types_pb2.LiteralType(simple=types_pb2.INTEGER)
FILE = types_pb2.LiteralType(blob=types_pb2.BlobType())


@pytest.fixture(scope="module", params=["stand-in", "podman"])
def engine(request: pytest.FixtureRequest, stand_in_engine: TestEngine) -> TestEngine:
    if request.param == "stand-in":
        return stand_in_engine
    real: TestEngine = request.getfixturevalue("podman")
    if real.problem:
        pytest.skip(real.problem)
    return real


@pytest.fixture(scope="module")
def environment(engine: TestEngine) -> Iterator[pytest.MonkeyPatch]:
    with pytest.MonkeyPatch.context() as patched:
        for name, value in engine.variables.items():
            patched.setenv(name, value)
        yield patched


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def bench(tmp_path_factory: pytest.TempPathFactory, environment: pytest.MonkeyPatch) -> AsyncIterator[Bench]:
    environment.setenv("_FSEC_GROUP_TOKEN", "hush")
    folder = tmp_path_factory.mktemp("containers")
    opened = Bench.at(
        folder, grace=1, root=f"{folder}/store", container_images=("*busybox*",), container_options=OPTIONS
    )
    async with opened.registry.opened():
        yield opened


def variables(**kinds: types_pb2.LiteralType) -> interface_pb2.VariableMap:
    return interface_pb2.VariableMap(
        variables={name: interface_pb2.Variable(type=kind) for name, kind in kinds.items()}
    )


def raw(
    script: str, inputs: interface_pb2.VariableMap | None = None, outputs: interface_pb2.VariableMap | None = None
) -> tasks_pb2.TaskTemplate:
    """A raw container that runs a script, as flytekit's ContainerTask is registered."""
    task = template((), kind="raw-container", outputs=False)
    task.interface.CopyFrom(interface_pb2.TypedInterface(inputs=inputs, outputs=outputs))
    task.container.CopyFrom(
        tasks_pb2.Container(
            image=IMAGE,
            command=["/bin/sh", "-c"],
            args=[script],
            data_config=tasks_pb2.DataLoadingConfig(
                enabled=True, input_path=INPUTS, output_path=OUTPUTS, format=tasks_pb2.DataLoadingConfig.JSON
            ),
        )
    )
    return task


async def test_inputs_are_files_and_files_become_outputs(bench: Bench, engine: TestEngine) -> None:
    await bench.blobs.write(f"{bench.blobs.root}/given", b"one two three")
    given = literals_pb2.Literal(scalar=literals_pb2.Scalar(blob=literals_pb2.Blob(uri=f"{bench.blobs.root}/given")))
    task = raw(
        f"echo counting; wc -w < {INPUTS}/file | tr -d ' ' > {OUTPUTS}/words; "
        f"cat {INPUTS}/inputs.json > {OUTPUTS}/copy.json; echo told {{{{.inputs.n}}}} >&2",
        variables(file=FILE, n=INTEGER),
        variables(words=INTEGER, copy=FILE),
    )
    attempt = await bench.attempt(task, file=given, n=integer(7))

    result = await bench.run(attempt)

    assert result.WhichOneof("outcome") == "outputs", result.failure
    outputs = result.outputs.literals.literals
    assert outputs["words"] == integer(3)
    copy = await bench.blobs.read(outputs["copy"].scalar.blob.uri)
    assert copy == f'{{"file": "{INPUTS}/file", "n": 7}}'.encode()
    assert outputs["copy"].scalar.blob.uri.startswith(attempt.raw_output_dir)
    assert sorted(bench.log(attempt).split("\n")) == ["", "counting", "told 7"]
    assert bench.sink.phases(attempt)[-2:] == ["RUNNING", "SUCCEEDED"]
    assert engine.containers() == []
    assert not list((bench.folder / "work" / "run").iterdir())


async def test_offloaded_inputs_are_files_and_large_outputs_are_offloaded(bench: Bench) -> None:
    given = literals_pb2.LiteralMap(literals={"s": text("x" * 100_000)})
    await Offloading(bench.blobs).offload(given, f"{bench.blobs.root}/far")
    assert given.literals["s"].HasField("offloaded_metadata")
    task = raw(f"cat {INPUTS}/s {INPUTS}/s > {OUTPUTS}/twice", variables(s=STRING), variables(twice=STRING))
    task.metadata.runtime.type, task.metadata.runtime.version = tasks_pb2.RuntimeMetadata.FLYTE_SDK, "1.16.0"
    attempt = await bench.attempt(task, s=given.literals["s"])

    result = await bench.run(attempt)

    assert result.WhichOneof("outcome") == "outputs", result.failure
    reference = result.outputs.literals.literals["twice"].offloaded_metadata
    assert (reference.uri, reference.inferred_type) == (f"{attempt.output_dir}/twice_offloaded_metadata.pb", STRING)
    whole = await Offloading(bench.blobs).inlined(result.outputs.literals)
    assert whole.literals["twice"].scalar == text("x" * 200_000).scalar


async def test_the_container_knows_its_attempt_and_its_secrets(bench: Bench) -> None:
    task = raw("env; cat $FILE_TOKEN")
    task.container.env.add(key="OWN", value="two words")
    task.security_context.secrets.add(group="group", key="token", env_var="TOKEN")
    as_file = security_pb2.Secret(key="t", group="g", mount_requirement=security_pb2.Secret.FILE, env_var="FILE_TOKEN")
    task.security_context.secrets.append(as_file)
    (bench.folder / "secrets" / "g").mkdir(parents=True, exist_ok=True)
    (bench.folder / "secrets" / "g" / "t").write_text("psst")
    attempt = await bench.attempt(task, envs={"GIVEN": "here"})

    result = await bench.run(attempt)

    assert result.WhichOneof("outcome") == "outputs", result.failure
    lines = bench.log(attempt).splitlines()
    for line in ("OWN=two words", "GIVEN=here", "TOKEN=hush", "FLYTE_ATTEMPT_NUMBER=0", "psst"):
        assert line in lines
    assert not [line for line in lines if line.startswith(("CONTAINER", "FLYTETEMPORAL"))]


@pytest.mark.parametrize(
    ("script", "code", "kind", "words"),
    [
        ("echo so it goes; exit 3", "Error", ErrorKind.USER, ["exit code (3)", "so it goes"]),
        ("sh -c 'kill -9 $$'; exit $?", "Interrupted", ErrorKind.SYSTEM, ["exit code (137)"]),
        ("true", "OutputUploadFailed", ErrorKind.USER, ["output [o]", "found nothing"]),
        (f"echo x > {OUTPUTS}/o", "OutputUploadFailed", ErrorKind.USER, ["output [o]", "[x] is not an integer"]),
        (f"echo wrong > {OUTPUTS}/_ERROR", "OutputUploadFailed", ErrorKind.USER, ["User Error: wrong"]),
    ],
)
async def test_a_failing_container_says_why(
    bench: Bench, engine: TestEngine, script: str, code: str, kind: int, words: list[str]
) -> None:
    if code == "Interrupted" and not engine.is_real:
        code, kind = "OOMKilled", ErrorKind.USER  # It knows no other reason for such an end.
    result = await bench.run(await bench.attempt(raw(script, outputs=variables(o=INTEGER))))

    failure = result.failure
    assert (failure.error.code, failure.error.kind, failure.recoverable) == (code, kind, True)
    for word in words:
        assert word in failure.error.message


async def test_inputs_that_are_gone_fail_the_attempt_before_it_runs(bench: Bench, engine: TestEngine) -> None:
    gone = literals_pb2.Literal(scalar=literals_pb2.Scalar(blob=literals_pb2.Blob(uri=f"{bench.blobs.root}/gone")))

    result = await bench.run(await bench.attempt(raw("true", variables(file=FILE)), file=gone))

    assert (result.failure.error.code, result.failure.recoverable) == ("InputDownloadFailed", True)
    assert "input [file]" in result.failure.error.message
    assert engine.containers() == []


async def test_an_image_that_is_nowhere_is_named(bench: Bench) -> None:
    task = raw("true")
    task.container.image = "nowhere/at:all"
    attempt = await bench.attempt(task)

    result = await bench.run(attempt)

    error = result.failure.error
    assert (error.code, error.kind) == ("ContainersNotReady|ImagePullBackOff", ErrorKind.USER)
    assert "image [nowhere/at:all]" in error.message
    first = bench.sink.task_events(attempt)[0]
    assert (bench.sink.phases(attempt)[0], first.reason) == ("INITIALIZING", "pulling image nowhere/at:all")


async def test_a_command_that_the_image_lacks_is_named(bench: Bench) -> None:
    task = raw("true")
    task.container.command[:] = ["/bin/nothing-of-the-sort"]

    result = await bench.run(await bench.attempt(task))

    assert result.failure.error.code == "ContainersNotReady|RunContainerError"
    assert "/bin/nothing-of-the-sort" in result.failure.error.message


async def test_outputs_that_no_file_can_hold_are_refused_before_anything_runs(bench: Bench) -> None:
    listed = types_pb2.LiteralType(collection_type=INTEGER)

    result = await bench.run(await bench.attempt(raw("true", outputs=variables(o=listed))))

    assert (result.failure.error.code, result.failure.recoverable) == ("BadTaskSpecification", False)
    assert "o (collection_type)" in result.failure.error.message


async def test_an_abort_stops_and_removes_the_container(bench: Bench, engine: TestEngine) -> None:
    attempt = await bench.attempt(raw("trap 'echo stopping; exit 0' TERM; echo ready; while true; do sleep 0.1; done"))
    started = bench.start(attempt)
    await eventually(lambda: "ready" in bench.log(attempt))

    started.cancel(activity.ActivityCancellationDetails(cancel_requested=True))
    result = await started.result

    assert result.failure.error.code == "Aborted"
    assert "stopping" in bench.log(attempt)
    assert engine.containers() == []


async def test_a_deadline_kills_what_does_not_listen(bench: Bench, engine: TestEngine) -> None:
    attempt = await bench.attempt(raw("trap '' TERM; while true; do sleep 0.1; done"), limit=timedelta(seconds=1))

    result = await bench.run(attempt)

    assert result.failure.error.code == "TimeoutExpired"
    assert engine.containers() == []


async def test_a_second_try_replaces_what_a_dead_worker_left(bench: Bench, engine: TestEngine) -> None:
    attempt = await bench.attempt(raw("echo once; true"))
    name = arguments.container_name(attempt.generated_name, f"p/d/{attempt.generated_name}")
    engine.ask("create", "--name", name, *OPTIONS, IMAGE, "/bin/sleep", "60")
    assert len(engine.containers()) == 1

    result = await bench.run(attempt, temporal_attempt=2)

    assert result.WhichOneof("outcome") == "outputs", result.failure
    assert bench.log(attempt) == "once\n"
    assert engine.containers() == []


async def test_a_task_of_any_type_runs_in_a_listed_image(bench: Bench) -> None:
    script = "cat {{.input}} && mkdir -p {{.outputPrefix}} && touch {{.outputPrefix}}/outputs.pb"
    task = template((), kind="container")
    task.container.image = IMAGE
    task.container.args[:] = ["/bin/sh", "-c", script]

    result = await bench.run(await bench.attempt(task, name=text("x")))

    assert result.WhichOneof("outcome") == "outputs", result.failure


async def test_an_override_of_the_image_counts(bench: Bench) -> None:
    attempt = await bench.attempt(raw("true"))
    attempt.overrides.container_image = "nowhere/else"

    result = await bench.run(attempt)

    assert "image [nowhere/else]" in result.failure.error.message


@pytest.mark.usefixtures("environment")
async def test_containers_of_dead_workers_are_removed(engine: TestEngine, tmp_path: Path) -> None:
    for number, lease in enumerate((lease_of_the_dead(), process_ownership.mine())):
        labels = {arguments.LEASE_LABEL: lease, arguments.WORK_DIR_LABEL: f"{tmp_path}/work"}
        words = [word for name, value in labels.items() for word in ("--label", f"{name}={value}")]
        engine.ask("create", "--name", f"left-{number}", *OPTIONS, *words, IMAGE, "/bin/sleep", "60")
    before = engine.containers()

    other = Bench.at(tmp_path)
    async with other.registry.opened():
        await eventually(lambda: len(engine.containers()) < len(before))

    left = engine.containers()
    engine.ask("rm", "--force", "left-1")
    assert (len(before), len(left)) == (2, 1)
    assert engine.containers() == []


@pytest.mark.parametrize("engine", ["podman"], indirect=True)
async def test_limits_of_memory_hold(bench: Bench) -> None:
    """Only the real one limits anything."""
    task = raw("x=a; while true; do x=$x$x; done")
    task.container.resources.limits.add(name=tasks_pb2.Resources.MEMORY, value="20Mi")
    task.container.resources.limits.add(name=tasks_pb2.Resources.CPU, value="1000")

    result = await bench.run(await bench.attempt(task))

    assert (result.failure.error.code, result.failure.recoverable) == ("OOMKilled", True)


async def test_without_an_engine_the_task_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    alone = Bench.at(tmp_path / "bench")
    async with alone.registry.opened():
        result = await alone.run(await alone.attempt(raw("true")))

    error = result.failure.error
    assert (error.code, error.kind, result.failure.recoverable) == ("ContainerEngineNotFound", ErrorKind.USER, False)
    for word in ("task sample", "[raw-container]", IMAGE, "podman is not installed", "Install podman"):
        assert word in error.message
