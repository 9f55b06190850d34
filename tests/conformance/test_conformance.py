"""Each program of this folder, registered and run by the stock client on a whole stack, has its expected results.

The programs are ordinary flytekit modules with their expected results in ``CASES``. docs/compatibility.md names them.
"""

import importlib
import importlib.util
import re
import sys
import time
import traceback
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path
from types import ModuleType
from typing import Any

import grpc
import pytest
from flyteidl.service import admin_pb2_grpc
from flytekit.configuration import Config
from flytekit.core.base_task import PythonTask
from flytekit.core.python_function_task import EagerAsyncPythonFunctionTask
from flytekit.core.reference_entity import ReferenceEntity
from flytekit.remote.remote import FlyteRemote

from tests.conformance import case as cases
from tests.conformance.case import Case, ExecutionId, Run
from tests.fixtures.stack import RunningStack

HERE = Path(__file__).parent
COMPATIBILITY = HERE.parent.parent / "docs" / "compatibility.md"
NO_PROGRAMS = {"case", "test_conformance"}
PROGRAMS = sorted(path.stem for path in HERE.glob("*.py") if path.stem not in NO_PROGRAMS)
# The other programs refer to it across projects, so it is registered first, in its own project and version.
LIBRARY, LIBRARY_PLACE, LIBRARY_VERSION = "library", ("flytetester", "staging"), "library-1"
PROJECT, DOMAIN, VERSION = "flytesnacks", "development", "conformance-1"
# Deadlines include the wait for a slot on the worker, so these run before all others are started.
WITH_DEADLINES = ("timeouts", "map_attempts")
# Eager workflows mostly wait, so they start early, too.
EARLY = (*WITH_DEADLINES, "eager_workflows", "eager_recovery")
AT_ONCE = 32
SECONDS = 400
phase_name = cases.WorkflowPhase.Phase.Name
Problems = Mapping[str, list[Future[str]]]


class Launcher:
    """Runs cases on a stack."""

    def __init__(self, stack: RunningStack, channel: grpc.Channel) -> None:
        self._http_url = stack.http_url
        self._remote = FlyteRemote(
            Config.auto(str(stack.client_config)), default_project=PROJECT, default_domain=DOMAIN
        )
        self._admin = admin_pb2_grpc.AdminServiceStub(channel)

    def problem(self, case: Case) -> str:
        """Run a case to its end; return the differences from the expected result."""
        began = time.monotonic()
        try:
            run = self._launch(case)
        except Exception:
            return f"{case.entity.name} {case.inputs} was not launched:\n{traceback.format_exc()}"
        try:
            self._judge(case, run)
        except Exception:
            closure = run.execution.closure
            state = f"{run.id.name} is {phase_name(closure.phase)} after {time.monotonic() - began:.0f} s"
            return f"{case.entity.name} {case.inputs}: {state}: {closure.error}\n{traceback.format_exc()}"
        return ""

    def _launch(self, case: Case) -> Run:
        hints = dict(case.entity.python_interface.inputs)
        launched = self._remote.execute(
            self._registered(case.entity), inputs=dict(case.inputs), type_hints=hints, **case.launched
        )
        identifier = ExecutionId(project=launched.id.project, domain=launched.id.domain, name=launched.id.name)
        return Run(self._remote, identifier, VERSION, self._http_url, self._admin)

    def _registered(self, entity: Any) -> Any:
        if isinstance(entity, ReferenceEntity):
            return entity
        # pyflyte registers an eager task with a workflow around it.
        if isinstance(entity, PythonTask) and not isinstance(entity, EagerAsyncPythonFunctionTask):
            return self._remote.fetch_task(name=entity.name, version=VERSION)
        return self._remote.fetch_launch_plan(name=entity.name, version=VERSION)

    def _judge(self, case: Case, run: Run) -> None:
        if case.during is not None:
            case.during(run)
        run.until(lambda: run.execution.closure.phase in cases.ENDED, "its end")
        closure = run.execution.closure
        assert phase_name(closure.phase) == case.phase
        assert not case.code or closure.error.code == case.code
        assert case.error in closure.error.message + closure.abort_metadata.cause
        if case.phase == "SUCCEEDED":
            assert dict(case.outputs) == self._outputs(case, run)
        if case.check is not None:
            case.check(run)

    def _outputs(self, case: Case, run: Run) -> dict[str, Any]:
        ended = self._remote.fetch_execution(run.id.project, run.id.domain, run.id.name)
        found = self._remote.sync_execution(ended).outputs
        assert found is not None
        return {name: found.get(name, case.entity.python_interface.outputs[name]) for name in found.literals}


def load(program: str) -> ModuleType:
    """Import a program as pyflyte does, with this folder as the root of its names."""
    spec = importlib.util.spec_from_file_location(program, HERE / f"{program}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[program] = module
    spec.loader.exec_module(module)
    return module


def register(stack: RunningStack, programs: list[str], place: tuple[str, str], version: str) -> None:
    files = [f"{program}.py" for program in programs]
    done = stack.pyflyte("register", "-p", place[0], "-d", place[1], "--version", version, *files, cwd=HERE)
    assert done.returncode == 0, (done.stdout + done.stderr)[-5000:]


@pytest.fixture(scope="session")
def problems(stack: RunningStack, request: pytest.FixtureRequest) -> Iterator[Problems]:
    """Start every case of the selected programs; return the differences of each case when it has ended."""
    wanted = {item.callspec.params["program"] for item in request.session.items if hasattr(item, "callspec")
              and "problems" in getattr(item, "fixturenames", ())}  # fmt: skip
    programs = sorted(wanted | {LIBRARY})
    with (
        pytest.MonkeyPatch.context() as patch,
        grpc.insecure_channel(stack.grpc_endpoint) as channel,
        ThreadPoolExecutor(AT_ONCE) as pool,
    ):
        patch.setattr(sys, "path", [str(HERE), *sys.path])
        patch.setitem(sys.modules, "case", cases)
        # pyflyte passes its -c on to FlyteRemote only if nothing has read the configuration before.
        patch.setenv("FLYTECTL_CONFIG", str(stack.client_config))
        register(stack, [LIBRARY], LIBRARY_PLACE, LIBRARY_VERSION)
        register(stack, programs, (PROJECT, DOMAIN), VERSION)
        importlib.import_module("pandas")  # flytekit inspects it in every thread as soon as one thread imports it.
        launcher = Launcher(stack, channel)
        modules = {program: load(program) for program in programs}

        def launch(program: str) -> list[Future[str]]:
            return [pool.submit(launcher.problem, case) for case in modules[program].CASES]

        early = {program: launch(program) for program in EARLY if program in modules}
        wait([future for program in WITH_DEADLINES for future in early.get(program, ())])
        yield early | {program: launch(program) for program in programs if program not in early}


@pytest.mark.timeout(SECONDS)
@pytest.mark.parametrize("program", PROGRAMS)
def test_a_program_has_its_expected_results(problems: Problems, program: str) -> None:
    runs = problems[program]
    assert runs, f"{program} has no CASES"

    found = [run.result() for run in runs]

    assert not any(found), "\n\n".join(problem for problem in found if problem)


def test_a_single_program_can_be_run(stack: RunningStack) -> None:
    done = stack.pyflyte(
        "run", "--remote", "--wait", "--poll-interval", "1", "-p", PROJECT, "-d", DOMAIN,
        "tasks_and_workflows.py", "diamond", "--a", "2", cwd=HERE,
    )  # fmt: skip

    assert done.returncode == 0, done.stdout + done.stderr
    assert "has succeeded" in done.stdout


def test_every_program_is_named_in_the_compatibility_table() -> None:
    named = set(re.findall(r"tests/conformance/(\w+)\.py", COMPATIBILITY.read_text()))

    assert named == set(PROGRAMS)


def test_every_supported_feature_names_a_program() -> None:
    section = COMPATIBILITY.read_text().split("## What works", 1)[1].split("\n## ", 1)[0]
    rows = [line for line in section.splitlines() if line.startswith("| ")]

    header, *features = rows
    assert [cell.strip() for cell in header.strip("|").split("|")] == ["feature", "state", "conformance file"]
    # Pods need a real API server, so their programs are not among those of this folder.
    without = [row for row in features if not re.search(r"`tests/(conformance|e2e)/\w+\.py`", row.rsplit("|", 2)[1])]
    assert without == []
