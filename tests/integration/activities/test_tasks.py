import asyncio
import io
import os
import signal
import tarfile
from datetime import timedelta
from pathlib import Path

import pytest
from flyteidl.core import dynamic_job_pb2, execution_pb2, literals_pb2, tasks_pb2
from flytekit.configuration import ImageConfig, SerializationSettings
from temporalio import activity

from flytetemporal.contracts.v1 import execution_pb2 as contract_pb2
from flytetemporal.errors import NotFound, Unavailable
from flytetemporal.idl import locations
from tests.fixtures.task_attempts import EXECUTE, Bench, integer, loader, mapped, sample, template, text
from tests.fixtures.waiting import bounded, eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

ErrorKind = execution_pb2.ExecutionError


def is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return False
    return state != "Z"


def written(path: Path) -> bool:
    return path.exists() and bool(path.read_text())


async def test_a_task_of_flytekits_gives_its_outputs(bench: Bench) -> None:
    attempt = await bench.attempt(sample("greet"), name=text("world"))

    result = await bench.run(attempt)

    assert result.outputs.literals.literals["o0"].scalar.primitive.string_value == "hello world"
    assert (await bench.blobs.read_message(attempt.data_dir + "/inputs.pb", literals_pb2.LiteralMap)).literals
    assert await bench.blobs.exists(attempt.output_dir + "/outputs.pb")


async def test_the_events_tell_of_node_and_task(bench: Bench) -> None:
    attempt = await bench.attempt(sample("greet"), name=text("world"))
    attempt.interruptible = True

    await bench.run(attempt)

    node, *tasks = bench.sink.of(attempt)
    assert node.node.phase == execution_pb2.NodeExecution.RUNNING
    assert bench.sink.phases(attempt) == ["RUNNING", "SUCCEEDED"]
    for event in (e.task for e in tasks):
        assert event.metadata.generated_name == attempt.generated_name
        assert event.metadata.plugin_identifier == "container"
        assert event.metadata.instance_class == event.metadata.INTERRUPTIBLE
        assert event.input_uri == attempt.data_dir + "/inputs.pb"
        assert len(event.logs) == 1
        assert event.logs[0].uri == f"http://admin:8088/logs/p/d/{attempt.node_event.id.execution_id.name}/n0/0"
    assert tasks[-1].task.output_uri == attempt.output_dir + "/outputs.pb"


async def test_a_thread_that_uses_flytekits_loops_does_not_hold_up_the_end(bench: Bench) -> None:
    attempt = await bench.attempt(sample("polls_to_the_end"), name=text("ended"))

    result = await bounded(bench.run(attempt))

    assert result.outputs.literals.literals["o0"].scalar.primitive.string_value == "ended"


async def test_a_task_without_outputs_gives_an_empty_map(bench: Bench) -> None:
    attempt = await bench.attempt(sample("silent", outputs=False), name=text("psst"))

    result = await bench.run(attempt)

    assert result.outputs.HasField("literals")
    assert not result.outputs.literals.literals
    assert "psst" in bench.log(attempt)


async def test_large_outputs_are_returned_by_uri(bench: Bench) -> None:
    attempt = await bench.attempt(sample("large"), size=integer(20_000))

    result = await bench.run(attempt)

    assert result.outputs.uri == attempt.output_dir + "/outputs.pb"


async def test_a_deck_is_announced(bench: Bench) -> None:
    attempt = await bench.attempt(sample("decked"), name=text("world"))

    result = await bench.run(attempt)

    assert result.deck_uri == attempt.output_dir + "/deck.html"


def writes_a_deck_and_hangs() -> tasks_pb2.TaskTemplate:
    script = 'd="${0#file://}"; mkdir -p "$d"; echo "<html>" > "$d/deck.html"; echo begun; sleep 60'
    return template(["sh", "-c", script, "{{.outputPrefix}}"])


async def test_an_attempt_that_times_out_shows_its_deck(bench: Bench) -> None:
    attempt = await bench.attempt(writes_a_deck_and_hangs(), limit=timedelta(seconds=3))

    result = await bench.run(attempt)

    assert result.failure.error.code == "TimeoutExpired"
    assert result.deck_uri == attempt.output_dir + "/deck.html"


async def test_an_attempt_that_is_stopped_shows_its_deck(bench: Bench) -> None:
    attempt = await bench.attempt(writes_a_deck_and_hangs())
    started = bench.start(attempt)
    await eventually(lambda: "begun" in bench.log(attempt))

    started.cancel()

    assert (await started.result).deck_uri == attempt.output_dir + "/deck.html"


async def test_an_attempt_that_is_stopped_before_it_writes_its_deck_shows_none(bench: Bench) -> None:
    attempt = await bench.attempt(template(["sh", "-c", "echo begun; sleep 60"]))
    started = bench.start(attempt)
    await eventually(lambda: "begun" in bench.log(attempt))

    started.cancel()

    assert not (await started.result).deck_uri


async def test_a_dynamic_task_leaves_its_plan(bench: Bench) -> None:
    settings = SerializationSettings(image_config=ImageConfig.auto(img_name="image:1"))
    attempt = await bench.attempt(sample("fan"), envs={"_F_SS_C": settings.serialized_context}, name=text("x"))

    result = await bench.run(attempt)

    assert result.dynamic
    assert result.WhichOneof("outcome") == "outputs"
    futures = await bench.blobs.read_message(attempt.output_dir + "/futures.pb", dynamic_job_pb2.DynamicJobSpec)
    assert len(futures.nodes) == 2


async def test_an_exception_is_the_users_and_permanent(bench: Bench) -> None:
    attempt = await bench.attempt(sample("boom"), message=text("on purpose"))

    result = await bench.run(attempt)

    assert result.failure.error.code == "USER:RuntimeError"
    assert result.failure.error.kind == ErrorKind.USER
    assert result.failure.error.message.rstrip().endswith("ValueError: on purpose")
    assert result.failure.error.HasField("timestamp")
    assert not result.failure.recoverable
    assert bench.sink.phases(attempt) == ["RUNNING", "FAILED"]
    assert bench.sink.task_events(attempt)[-1].error == result.failure.error


async def test_a_recoverable_exception_may_be_tried_again(bench: Bench) -> None:
    attempt = await bench.attempt(sample("again"), message=text("later"))

    result = await bench.run(attempt)

    assert result.failure.error.code == "USER:Recoverable"
    assert result.failure.recoverable


async def test_an_exit_code_is_the_users_with_the_end_of_the_log(bench: Bench) -> None:
    attempt = await bench.attempt(sample("exits"), code=integer(3))

    result = await bench.run(attempt)

    assert (result.failure.error.code, result.failure.error.kind) == ("Error", ErrorKind.USER)
    start = f"\r\n[{attempt.generated_name}] terminated with exit code (3). Reason [Error]. Message: \n\n"
    assert result.failure.error.message.startswith(start)
    assert "about to leave" in result.failure.error.message
    assert result.failure.recoverable


async def test_a_crash_names_its_signal(bench: Bench) -> None:
    attempt = await bench.attempt(sample("segfaults"), number=integer(0))

    result = await bench.run(attempt)

    assert (result.failure.error.code, result.failure.error.kind) == ("Error", ErrorKind.USER)
    assert "exit code (139), signal (SIGSEGV)" in result.failure.error.message
    assert result.failure.recoverable


async def test_a_kill_from_outside_is_the_systems(bench: Bench) -> None:
    attempt = await bench.attempt(sample("kills_itself"), number=integer(signal.SIGKILL))

    result = await bench.run(attempt)

    assert (result.failure.error.code, result.failure.error.kind) == ("Interrupted", ErrorKind.SYSTEM)
    assert result.failure.recoverable


async def test_no_outputs_where_some_are_declared_is_a_failure(bench: Bench) -> None:
    attempt = await bench.attempt(template(["true"]))

    result = await bench.run(attempt)

    assert (result.failure.error.code, result.failure.error.kind) == ("OutputsNotFound", ErrorKind.UNKNOWN)
    assert result.failure.recoverable


async def test_a_plain_command_sees_its_templates_and_its_environment(bench: Bench) -> None:
    script = 'echo "$0 $1 $FLYTE_INTERNAL_EXECUTION_ID $OWN"; cat "${2#file://}" >/dev/null && echo read; exit 0'
    command = ["sh", "-c", script, "{{.inputs.name}}", "{{.perRetryUniqueKey}}", "{{.input}}"]
    attempt = await bench.attempt(template(command, outputs=False, kind="shell"), envs={"OWN": "yes"}, name=text("me"))

    result = await bench.run(attempt)

    assert result.WhichOneof("outcome") == "outputs"
    key = attempt.generated_name.replace("-", "_")
    assert f"me {key} {attempt.node_event.id.execution_id.name} yes\nread\n" in bench.log(attempt)


async def test_an_unknown_command_fails_with_its_name(bench: Bench) -> None:
    attempt = await bench.attempt(template(["no-such-program"], outputs=False))

    result = await bench.run(attempt)

    assert "exit code (127)" in result.failure.error.message
    assert "no-such-program: command not found" in result.failure.error.message


async def test_a_command_that_names_an_unknown_input_is_rejected(bench: Bench) -> None:
    attempt = await bench.attempt(template(["echo", "{{.inputs.missing}}"], outputs=False), name=text("me"))

    result = await bench.run(attempt)

    assert (result.failure.error.code, result.failure.error.kind) == ("BadTaskSpecification", ErrorKind.USER)
    assert "[missing]" in result.failure.error.message
    assert not result.failure.recoverable
    assert bench.sink.phases(attempt) == ["FAILED"]


async def test_a_type_without_a_plugin_is_rejected_by_name(bench: Bench) -> None:
    task = template([], kind="unknown-sql")
    task.ClearField("container")
    task.sql.SetInParent()
    attempt = await bench.attempt(task)

    result = await bench.run(attempt)

    assert (result.failure.error.code, result.failure.error.kind) == ("UnsupportedTaskType", ErrorKind.USER)
    assert "[unknown-sql]" in result.failure.error.message
    assert not result.failure.recoverable


async def test_a_task_that_is_rejected_leaves_no_folder(bench: Bench) -> None:
    attempt = await bench.attempt(template([], outputs=False))

    result = await bench.run(attempt)

    assert (result.failure.error.code, result.failure.error.kind) == ("BadTaskSpecification", ErrorKind.USER)
    runs = bench.folder / "work" / "run"
    assert not runs.exists() or not list(runs.iterdir())


async def test_the_task_template_is_stored_on_demand(bench: Bench) -> None:
    attempt = await bench.attempt(template(["echo", "{{.taskTemplatePath}}"], outputs=False))

    await bench.run(attempt)

    stored = await bench.blobs.read_message(attempt.data_dir + "/task.pb", tasks_pb2.TaskTemplate)
    assert stored.container.args[0] == "echo"


async def test_attempts_share_neither_folder_nor_chance_nor_descriptors(bench: Bench) -> None:
    attempts = [await bench.attempt(sample("describes"), marker=text("")) for _ in range(3)]

    results = await asyncio.gather(*(bench.run(attempt) for attempt in attempts))

    facts = [r.outputs.literals.literals["o0"].scalar.primitive.string_value.split("|") for r in results]
    assert [fact[0] for fact in facts] == [a.node_event.id.execution_id.name for a in attempts]
    assert [fact[1] for fact in facts] == ["sample"] * 3
    assert len({fact[3] for fact in facts}) == 3
    assert len({fact[4] for fact in facts}) == 3
    assert len({fact[5] for fact in facts}) == 1
    assert all(fact[6] == "True" for fact in facts)
    assert not any(Path(fact[4]).exists() for fact in facts)


def bundle(folder: Path, name: str, value: str) -> str:
    """Write a distribution with a module, a package and a data file."""
    files = {
        f"{name}.py": "\n".join(
            (
                "from flytekit import task",
                f"from {name}_parts.words import word",
                "@task",
                "def speak() -> str:",
                "    open('out.txt', 'w').write('x')",
                "    return word() + open('data.txt').read()",
            )
        ),
        f"{name}_parts/__init__.py": "",
        f"{name}_parts/words.py": f"def word():\n    return {value!r}",
        "data.txt": "!",
    }
    path = folder / f"{name}.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        for file, content in files.items():
            info = tarfile.TarInfo(f"./{file}")
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content.encode()))
    return f"file://{path}"


async def run_bundle(bench: Bench, uri: str, name: str) -> contract_pb2.TaskAttemptResult:
    fast = ("pyflyte-fast-execute", "--additional-distribution", uri, "--dest-dir", "/root", "--")
    return await bench.run(await bench.attempt(template((*fast, *loader(name, "speak")))))


async def test_fast_registered_code_runs_and_is_unpacked_once(bench: Bench, tmp_path: Path) -> None:
    uri = bundle(tmp_path, "alpha", "one")

    results = [await run_bundle(bench, uri, "alpha") for _ in range(2)]

    for result in results:
        assert result.outputs.literals.literals["o0"].scalar.primitive.string_value == "one!"
    unpacked = [path for path in (bench.folder / "work" / "bundles").iterdir() if (path / "alpha.py").exists()]
    assert len(unpacked) == 1
    assert not (unpacked[0] / "out.txt").exists()
    assert not Path("/root/alpha.py").exists()


async def test_two_versions_of_a_module_do_not_meet(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    uris = [bundle(tmp_path / "a", "beta", "old"), bundle(tmp_path / "b", "beta", "new")]

    results = await asyncio.gather(*(run_bundle(bench, uri, "beta") for uri in uris * 2))

    values = [r.outputs.literals.literals["o0"].scalar.primitive.string_value for r in results]
    assert values == ["old!", "new!", "old!", "new!"]


async def test_a_bundle_that_is_gone_fails_the_attempt(bench: Bench, tmp_path: Path) -> None:
    result = await run_bundle(bench, f"file://{tmp_path}/gone.tar.gz", "gone")

    assert result.failure.error.code == "Error"
    assert result.failure.recoverable


async def test_variables_that_python_reads_at_its_start_are_heeded(bench: Bench) -> None:
    attempt = await bench.attempt(sample("greet"), envs={"PYTHONHASHSEED": "7"}, name=text("cold"))

    result = await bench.run(attempt)

    assert result.outputs.literals.literals["o0"].scalar.primitive.string_value == "hello cold"


async def test_the_log_can_be_read_while_the_task_runs(bench: Bench, tmp_path: Path) -> None:
    attempt = await bench.attempt(
        template(["sh", "-c", f"echo begun; while [ ! -e {tmp_path}/go ]; do sleep 0.05; done"], outputs=False)
    )

    started = bench.start(attempt)
    await eventually(lambda: "begun" in bench.log(attempt))
    (tmp_path / "go").touch()

    assert (await started.result).WhichOneof("outcome") == "outputs"


async def test_a_deadline_kills_the_whole_group(bench: Bench, tmp_path: Path) -> None:
    marker = tmp_path / "pids"
    attempt = await bench.attempt(sample("sleeps_with_child"), limit=timedelta(seconds=4.5), marker=text(str(marker)))

    result = await bench.run(attempt)

    assert (result.failure.error.code, result.failure.error.kind) == ("TimeoutExpired", ErrorKind.USER)
    assert result.failure.error.message == "task execution timeout [4.5s] expired"
    assert result.failure.recoverable
    assert bench.sink.phases(attempt) == ["RUNNING", "ABORTED"]
    assert not bench.sink.task_events(attempt)[-1].HasField("error")
    await eventually(lambda: not any(is_alive(int(pid)) for pid in marker.read_text().split()))


async def test_an_abort_kills_the_whole_group_and_is_reported(bench: Bench, tmp_path: Path) -> None:
    marker = tmp_path / "pids"
    attempt = await bench.attempt(sample("sleeps_with_child"), marker=text(str(marker)))
    started = bench.start(attempt)
    await eventually(lambda: written(marker))

    started.cancel()
    bench.sink.remember((await started.result).unreported)

    assert bench.sink.phases(attempt) == ["RUNNING", "ABORTED"]
    await eventually(lambda: not any(is_alive(int(pid)) for pid in marker.read_text().split()))


async def test_the_same_attempt_waits_until_the_earlier_one_has_stopped(bench: Bench, tmp_path: Path) -> None:
    script = f"test -f {tmp_path}/second && exit 0; touch {tmp_path}/second; sleep 30"
    attempt = await bench.attempt(template(["bash", "-c", script], outputs=False))
    first = bench.start(attempt)
    await eventually(lambda: (tmp_path / "second").exists())
    second = bench.start(attempt)
    await asyncio.sleep(0.2)

    assert not second.result.done()
    first.cancel()
    await first.result
    result = await bounded(second.result)

    assert result.WhichOneof("outcome") == "outputs"


async def test_a_command_that_ignores_the_polite_signal_is_killed(bench: Bench, tmp_path: Path) -> None:
    script = f"trap '' TERM; echo $$ > {tmp_path}/pid; while true; do sleep 0.1; done"
    attempt = await bench.attempt(template(["bash", "-c", script], outputs=False))
    started = bench.start(attempt)
    await eventually(lambda: written(tmp_path / "pid"))

    started.cancel()
    await started.result

    assert not is_alive(int((tmp_path / "pid").read_text()))


async def test_a_worker_that_stops_kills_without_reporting_an_abort(bench: Bench, tmp_path: Path) -> None:
    marker = tmp_path / "pids"
    attempt = await bench.attempt(sample("sleeps_with_child"), marker=text(str(marker)))
    started = bench.start(attempt)
    await eventually(lambda: written(marker))

    started.cancel(activity.ActivityCancellationDetails(worker_shutdown=True))
    with pytest.raises(asyncio.CancelledError):
        await started.result

    assert "ABORTED" not in bench.sink.phases(attempt)
    await eventually(lambda: not any(is_alive(int(pid)) for pid in marker.read_text().split()))


async def test_what_a_task_leaves_running_is_killed_at_its_end(bench: Bench, tmp_path: Path) -> None:
    marker = tmp_path / "pid"
    attempt = await bench.attempt(sample("leaves_child"), marker=text(str(marker)))

    result = await bench.run(attempt)

    assert result.WhichOneof("outcome") == "outputs"
    await eventually(lambda: not is_alive(int(marker.read_text())))


async def test_heartbeats_go_on_while_the_task_runs(bench: Bench) -> None:
    attempt = await bench.attempt(template(["sleep", "2.5"], outputs=False))
    environment, beats = bench.environment(), 0

    def count(*_: object) -> None:
        nonlocal beats
        beats += 1

    environment.on_heartbeat = count
    await environment.run(bench.tasks.run_task, attempt)

    assert beats >= 2


async def test_a_second_try_of_a_finished_attempt_only_repeats_its_result(bench: Bench, tmp_path: Path) -> None:
    attempt = await bench.attempt(template(["sh", "-c", f"echo x >> {tmp_path}/runs"], outputs=False))
    first = await bench.run(attempt)

    second = await bench.run(attempt, temporal_attempt=2)

    assert second == first
    assert (tmp_path / "runs").read_text() == "x\n"
    assert bench.sink.phases(attempt)[-1] == "SUCCEEDED"


async def test_a_second_try_clears_what_an_unfinished_one_left(bench: Bench) -> None:
    attempt = await bench.attempt(sample("greet"), name=text("fresh"))
    await bench.blobs.write(locations.join(attempt.output_dir, locations.ERROR), b"junk")

    result = await bench.run(attempt, temporal_attempt=2)

    assert result.outputs.literals.literals["o0"].scalar.primitive.string_value == "hello fresh"


async def test_the_events_of_a_short_task_travel_with_its_result(bench: Bench) -> None:
    attempt = await bench.attempt(template(["true"], outputs=False))

    result = await bench.environment().run(bench.tasks.run_task, attempt)

    assert bench.sink.of(attempt) == []
    assert [event.WhichOneof("event") for event in result.unreported] == ["node", "task", "task"]


async def test_a_long_task_is_reported_while_it_runs(bench: Bench) -> None:
    attempt = await bench.attempt(template(["sleep", "60"], outputs=False))

    started = bench.start(attempt)
    await eventually(lambda: bench.sink.phases(attempt) == ["RUNNING"])

    started.cancel()
    await started.result


async def test_an_outage_of_admin_holds_no_task_up(bench: Bench) -> None:
    attempt = await bench.attempt(template(["sleep", "1"], outputs=False))
    bench.sink.problems.extend([Unavailable("restarting")] * 100)

    result = await bench.run(attempt)

    assert result.WhichOneof("outcome") == "outputs"
    assert bench.sink.phases(attempt) == ["RUNNING", "SUCCEEDED"]


async def test_what_admin_refused_travels_with_the_result(bench: Bench) -> None:
    attempt = await bench.attempt(template(["sleep", "1"], outputs=False))
    bench.sink.problems.append(NotFound("no such execution"))

    await bench.run(attempt)

    assert bench.sink.phases(attempt) == ["RUNNING", "SUCCEEDED"]


async def test_deferred_inputs_are_read_from_the_store(bench: Bench) -> None:
    attempt = await bench.attempt(sample("greet"))
    uri = f"{bench.blobs.root}/elsewhere/outputs.pb"
    await bench.blobs.write_message(uri, literals_pb2.LiteralMap(literals={"o0": text("far away")}))
    deferred = attempt.inputs.deferred
    deferred.bindings.add(var="name").binding.promise.node_id = "n9"
    deferred.bindings[0].binding.promise.var = "o0"
    deferred.sources["n9"].uri = uri

    result = await bench.run(attempt)

    assert result.outputs.literals.literals["o0"].scalar.primitive.string_value == "hello far away"


async def test_deferred_inputs_that_are_gone_fail_the_attempt(bench: Bench) -> None:
    attempt = await bench.attempt(sample("greet"))
    deferred = attempt.inputs.deferred
    deferred.bindings.add(var="name").binding.promise.node_id = "n9"
    deferred.sources["n9"].uri = f"{bench.blobs.root}/nowhere/outputs.pb"

    result = await bench.run(attempt)

    assert (result.failure.error.code, result.failure.error.kind) == ("BindingResolutionFailure", ErrorKind.SYSTEM)
    assert not result.failure.recoverable


async def test_a_task_runs_in_a_fork_of_the_server_that_has_loaded_flytekit(bench: Bench) -> None:
    attempt = await bench.attempt(sample("is_forked"), name=text("any"))

    result = await bench.run(attempt)

    assert result.outputs.literals.literals["o0"].scalar.primitive.boolean


async def test_neither_zombies_nor_descriptors_pile_up(bench: Bench) -> None:
    async def run() -> None:
        await asyncio.gather(*[bench.run(await bench.attempt(template(["true"], outputs=False))) for _ in range(4)])

    await run()
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(3):
        await run()

    assert len(os.listdir("/proc/self/fd")) <= before
    assert not list((bench.folder / "work" / "run").iterdir())


async def test_an_item_of_a_mapped_task_takes_its_element(bench: Bench) -> None:
    resolver = "flytekit.core.array_node_map_task.ArrayNodeMapTaskResolver"
    inner = "flytekit.core.python_auto_container.default_task_resolver"
    command = ["pyflyte-map-execute" if part == "pyflyte-execute" else part for part in EXECUTE]
    command[command.index("--resolver") + 1] = resolver
    task = template([*command, "vars", "", "resolver", inner, "task-module", "sample_tasks", "task-name", "greet"])
    index = {"BATCH_JOB_ARRAY_INDEX_VAR_NAME": "FLYTE_K8S_ARRAY_INDEX", "FLYTE_K8S_ARRAY_INDEX": "1"}
    names = literals_pb2.Literal(collection=literals_pb2.LiteralCollection(literals=[text("a"), text("b")]))

    result = await bench.run(await bench.attempt(task, envs=index, name=names))

    assert result.outputs.literals.literals["o0"].scalar.primitive.string_value == "hello b"


async def test_a_store_elsewhere_gets_the_log_at_the_end(tmp_path: Path) -> None:
    bench = Bench.at(tmp_path, root="memory://logs-of-tasks")
    attempt = await bench.attempt(template(["echo", "kept"], outputs=False))

    async with bench.registry.opened():
        await bench.run(attempt)

    node = attempt.node_event.id
    uri = locations.log_uri(bench.blobs.root, node.execution_id, node.node_id, 0)
    assert await bench.blobs.read(uri) == b"kept\n"


async def test_a_memory_limit_ends_in_flytes_code(tmp_path: Path) -> None:
    bench = Bench.at(tmp_path, memory_limits=True)
    task = sample("hoards")
    task.container.resources.requests.add(name=tasks_pb2.Resources.MEMORY, value="64Mi")
    async with bench.registry.opened():
        small = await bench.run(await bench.attempt(task, size=integer(1 << 20)))
        large = await bench.run(await bench.attempt(task, size=integer(1 << 30)))

    assert small.WhichOneof("outcome") == "outputs"
    assert (large.failure.error.code, large.failure.error.kind) == ("OOMKilled", ErrorKind.USER)
    assert large.failure.recoverable


async def test_an_attempt_that_ran_out_of_memory_asks_for_more(tmp_path: Path) -> None:
    bench = Bench.at(tmp_path, memory_limits=True)
    task = sample("hoards")
    task.container.resources.requests.add(name=tasks_pb2.Resources.MEMORY, value="64Mi")
    rules = [contract_pb2.MemoryRule(task=task.id.name, factor=4, maximum_bytes=1 << 30, steps=3)]
    async with bench.registry.opened():
        small = await bench.attempt(task, size=integer(96 << 20))
        small.settings.memory_rules.extend(rules)
        first = await bench.run(small)
        large = await bench.attempt(task, size=integer(96 << 20), position=1)
        large.settings.memory_rules.extend(rules)
        large.memory_bytes = first.failure.next_memory_bytes
        second = await bench.run(large)

    assert (first.failure.error.code, first.failure.next_memory_bytes) == ("OOMKilled", 256 << 20)
    assert second.WhichOneof("outcome") == "outputs"
    shown = [{event.custom_info["memory"] for event in bench.sink.task_events(attempt)} for attempt in (small, large)]
    assert shown == [{"64Mi"}, {"256Mi"}]
    running = next(event for event in bench.sink.task_events(large) if event.reason)
    assert running.reason.endswith("memory 256Mi: an earlier attempt ran out of memory")


async def test_a_task_gets_the_secrets_that_it_asks_for(bench: Bench) -> None:
    folder = bench.folder / "secrets" / "db"
    folder.mkdir(parents=True)
    (folder / "password").write_text("hunter2")
    (folder / "pin").write_text("1234")
    task = sample("uses_secrets")
    task.security_context.secrets.add(group="db", key="password")
    task.security_context.secrets.add(group="db", key="pin", mount_requirement="FILE")

    result = await bench.run(await bench.attempt(task))

    assert result.outputs.literals.literals["o0"].scalar.primitive.string_value == "hunter21234"


async def test_a_missing_secret_fails_the_task_before_it_starts(bench: Bench) -> None:
    task = sample("uses_secrets")
    task.security_context.secrets.add(group="db", key="nothing")
    attempt = await bench.attempt(task)

    result = await bench.run(attempt)

    error = result.failure.error
    assert (error.code, error.kind, result.failure.recoverable) == ("SecretNotFound", ErrorKind.USER, False)
    assert "RUNNING" not in bench.sink.phases(attempt)


async def test_an_element_of_an_array_reads_only_its_own(bench: Bench) -> None:
    attempt = await bench.attempt(mapped("plus_offset", "offset"))
    chunk = f"{bench.blobs.root}/chunk.pb"
    shared = f"{bench.blobs.root}/shared.pb"
    numbers = literals_pb2.LiteralMap()
    numbers.literals["a"].collection.literals.extend([integer(7), integer(8)])
    await bench.blobs.write_message(chunk, numbers)
    await bench.blobs.write_message(shared, literals_pb2.LiteralMap(literals={"offset": integer(100)}))
    attempt.inputs.element.CopyFrom(
        contract_pb2.ElementInputs(chunk_uri=chunk, position=1, shared_uri=shared, listed=True)
    )
    attempt.element.CopyFrom(contract_pb2.ArrayElement(index=501, node_id="n0-0-n501", external_id="x-n0-0-n501-0"))

    result = await bench.run(attempt)

    assert result.outputs.uri == f"{attempt.output_dir}/outputs.pb"
    left = await bench.blobs.read_message(result.outputs.uri, literals_pb2.LiteralMap)
    assert left.literals["o0"] == integer(108)
    given = await bench.blobs.read_message(f"{attempt.data_dir}/inputs.pb", literals_pb2.LiteralMap)
    assert [literal.scalar.primitive.integer for literal in given.literals["a"].collection.literals] == [8]
    event = bench.sink.task_events(attempt)[-1]
    assert (event.task_type, execution_pb2.TaskExecution.Phase.Name(event.phase)) == ("container_array", "RUNNING")
    (resource,) = event.metadata.external_resources
    assert (resource.index, resource.external_id, resource.phase) == (
        501,
        "x-n0-0-n501-0",
        execution_pb2.TaskExecution.SUCCEEDED,
    )
    assert resource.logs[0].name.endswith("-501")
    assert resource.logs[0].uri.endswith("/n0-0-n501/0")
    assert "index 501" in bench.log(attempt)
    assert all(not event.HasField("node") for event in bench.sink.of(attempt))


async def test_a_refused_attempt_shows_its_inputs(bench: Bench) -> None:
    for refused in (template((), kind="python-task"), template(("echo", "{{.inputs.missing}}"))):
        attempt = await bench.attempt(refused, name=text("seen"))

        result = await bench.run(attempt)

        assert result.failure.error.kind == ErrorKind.USER
        inputs = await bench.blobs.read_message(attempt.data_dir + "/inputs.pb", literals_pb2.LiteralMap)
        assert inputs.literals["name"] == text("seen")


@pytest.mark.parametrize("saved", [True, False])
async def test_only_a_checkpoint_that_exists_is_handed_over(bench: Bench, saved: bool) -> None:
    attempt = await bench.attempt(template(("echo", "[{{.prevCheckpointPrefix}}]"), outputs=False))
    attempt.previous_checkpoint_dir = f"{attempt.raw_output_dir}-previous/_flytecheckpoints"
    if saved:
        await bench.blobs.write(f"{attempt.previous_checkpoint_dir}/_dst_cp", b"1")

    await bench.run(attempt)

    path = attempt.previous_checkpoint_dir.removeprefix("file://")
    assert bench.log(attempt).strip() == (f"[{path}]" if saved else '[""]')


async def test_the_newest_checkpoint_of_an_earlier_attempt_is_handed_over(bench: Bench) -> None:
    attempt = await bench.attempt(template(("echo", "[{{.prevCheckpointPrefix}}]"), outputs=False))
    previous, *older = [f"{attempt.raw_output_dir}-{number}/_flytecheckpoints" for number in (3, 2, 1, 0)]
    attempt.previous_checkpoint_dir = previous
    attempt.older_checkpoint_dirs.extend(older)
    for directory in older[1:]:
        await bench.blobs.write(f"{directory}/_dst_cp", b"1")

    await bench.run(attempt)

    assert bench.log(attempt).strip() == f"[{older[1].removeprefix('file://')}]"
