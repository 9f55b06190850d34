"""``python -m faults.projects``: a project in which executions run is deleted while processes are killed.

A schedule fires in it, and a trigger launches what follows. At the end nothing of it is left, and another project with
entities and executions of the same names is as it would be without the deletion.
"""

import asyncio
import dataclasses
import os
import sys
from collections.abc import Mapping
from functools import partial
from typing import Any

import click
from flyteidl.admin import launch_plan_pb2, project_pb2

from faults import __main__ as suite
from faults.calls import PROJECT
from faults.stage import LAUNCH_PLAN, Stage, staged
from flytetemporal.admin.retention import tables
from flytetemporal.admin.retention.tables import Fate
from flytetemporal.contracts.v1 import retention_pb2

DOOMED = "doomed"
SOURCE, FOLLOWER, OFTEN = "doomed_source", "doomed_follower", "doomed_often"
CHILD = "faults.program.single_plan"
# Refusals of launches in a project that is being deleted, or gone.
REFUSALS = ("INVALID_ARGUMENT", "NOT_FOUND", "FAILED_PRECONDITION")
LOOP = "project-deletions"
MEAN_PAUSE_SECONDS = 0.5
COLUMNS = "select table_name, column_name from information_schema.columns where table_schema = 'public'"


@click.command()
@click.option("--runs", default=50, show_default=True, help="Executions of each project.")
@click.option("--seed", type=int, default=None, help="Seed of an earlier run, to repeat it.")
@click.option("--kill-every", default=3.0, show_default=True, help="Mean seconds between kills; 0: no kills.")
def main(**options: Any) -> None:
    """Delete a project while processes are killed, and judge what is left."""
    sys.exit(0 if run(**options) else 1)


def run(*, runs: int, seed: int | None, kill_every: float) -> bool:
    """Launch in two projects and delete one; print what happened; return whether it is gone, and the other is whole."""
    return staged(
        f"deletion of a project among {runs} executions",
        partial(_work, runs),
        seed=seed,
        kill_every=kill_every,
        prepare=_prepare,
    )


async def _doomed(stage: Stage) -> Stage:
    """Return the stage of the project to delete; its version is that of the only workflows in it."""
    query = f"select version from workflows where project = '{DOOMED}' limit 1"
    [(version,)] = await stage.executions.query(query)
    return dataclasses.replace(stage, project=DOOMED, version=version)


async def _prepare(stage: Stage) -> list[str]:
    project = project_pb2.Project(id=DOOMED, name=DOOMED)
    await stage.admin.RegisterProject(project_pb2.ProjectRegisterRequest(project=project))
    await asyncio.to_thread(suite.register, stage.state, DOOMED)
    for one in (stage, await _doomed(stage)):
        await one.register(SOURCE, "parent", {})
        after = f"[{{name: after, success: {SOURCE}}}]"
        await one.register(FOLLOWER, "engine_only", {"flytetemporal.io/triggers": after})
        await one.register(OFTEN, "engine_only", {}, cron="@every 5s")
    for one, plans in ((stage, (FOLLOWER,)), (await _doomed(stage), (FOLLOWER, OFTEN))):
        for plan in plans:
            active = launch_plan_pb2.LaunchPlanUpdateRequest(
                id=one.identifier(LAUNCH_PLAN, plan), state=launch_plan_pb2.ACTIVE
            )
            await one.admin.UpdateLaunchPlan(active)
    return []


async def _work(runs: int, stage: Stage) -> list[str]:
    doomed = await _doomed(stage)
    async with asyncio.TaskGroup() as group:
        accepted = group.create_task(_launch_all(stage, doomed, runs))
        group.create_task(_delete(doomed, runs))
    await stage.operate("DeleteProject", _request(), retention_pb2.DeleteProjectResponse, expected={"NOT_FOUND"})

    async def is_gone() -> bool:
        await stage.wake(LOOP)
        await stage.wake("retention")
        return not await stage.executions.query(f"select 1 from projects where identifier = '{DOOMED}'")

    problems = await stage.until(is_gone, f"project {DOOMED} is not gone")
    problems += await stage.until_ended()
    problems += await stage.until_none("select id from trigger_events where state = 'PENDING'")
    problems += await stage.until_ended()
    print(f"  {accepted.result()} of {runs} executions were launched in the project before it was deleted")
    return [*problems, *await _judge_gone(stage), *judge_other(await _of_other(stage), runs)]


async def _launch_all(stage: Stage, doomed: Stage, runs: int) -> int:
    """Launch executions in both projects; return how many the one to delete has accepted."""
    accepted = 0
    for number in range(runs):
        await stage.launch(f"same{number:03d}", SOURCE)
        accepted += await doomed.launch(f"same{number:03d}", SOURCE, REFUSALS)
        await asyncio.sleep(stage.dice.expovariate(1 / MEAN_PAUSE_SECONDS))
    return accepted


async def _delete(doomed: Stage, runs: int) -> None:
    """Delete the project at about half of the launches, and have what runs in it ended."""
    await asyncio.sleep(runs * MEAN_PAUSE_SECONDS * doomed.dice.uniform(0.3, 0.7))
    await doomed.operate("DeleteProject", _request(), retention_pb2.DeleteProjectResponse, expected={"NOT_FOUND"})


def _request() -> retention_pb2.DeleteProjectRequest:
    return retention_pb2.DeleteProjectRequest(project=DOOMED, deleted_by="faults", terminate=True)


async def _judge_gone(stage: Stage) -> list[str]:
    """Return what is left of the project: rows, files, and workflows and schedules in Temporal."""
    problems = []
    for table, column in await stage.executions.query(COLUMNS):
        fates = tables.TABLES.get(table)
        if fates is None or fates.project is Fate.KEPT or column not in ("project", "execution_project"):
            continue
        [(count,)] = await stage.executions.query(f"select count(*) from {table} where {column} = '{DOOMED}'")
        if count:
            problems.append(f"{count} rows of {table} are left")
    files = await asyncio.to_thread(files_of, stage.state["store"])
    problems += [f"file {file} is left" for file in files[:5]]
    unfinished = "select name from removals where finished_at is null"
    problems += [f"the removal of {name} is not finished" for (name,) in await stage.executions.query(unfinished)]
    client = await stage.temporal()
    async for found in client.list_workflows(f"WorkflowId STARTS_WITH '{DOOMED}:'"):
        problems.append(f"workflow {found.id} is left")
    async for schedule in await client.list_schedules():
        if f":{DOOMED}:" in schedule.id:
            problems.append(f"schedule {schedule.id} is left")
    return problems


def files_of(store: str) -> list[str]:
    """Return the files in folders of the project to delete, but no raw data, to which others can refer."""
    places = [os.path.join(store, "metadata", place) for place in ("", "admin", "propeller")]
    folders = [
        os.path.join(place, name)
        for place in places
        if os.path.isdir(place)
        for name in os.listdir(place)
        if name == DOOMED or name.startswith(f"{DOOMED}-")
    ]
    walked = (entry for folder in folders for entry in os.walk(folder))
    return [os.path.join(folder, file) for folder, _, files in walked for file in files]


async def _of_other(stage: Stage) -> dict[tuple[str, str], int]:
    """Return the numbers of executions of the project that stays, by launch plan and phase."""
    query = (
        "select p.name, e.phase, count(*) from executions e join launch_plans p on p.id = e.launch_plan_id "
        f"where e.execution_project = '{PROJECT}' group by 1, 2"
    )
    return {(plan, phase): count for plan, phase, count in await stage.executions.query(query)}


def judge_other(found: Mapping[tuple[str, str], int], runs: int) -> list[str]:
    """Return what is wrong with the project that stays: each source has a child, and its success a follower."""
    wanted = {(plan, "SUCCEEDED"): runs for plan in (SOURCE, FOLLOWER, CHILD)}
    return [
        f"of {key[0]}, {found.get(key, 0)} executions are {key[1]} in the other project, not {wanted.get(key, 0)}"
        for key in sorted({*wanted, *found})
        if found.get(key, 0) != wanted.get(key, 0)
    ]


if __name__ == "__main__":
    main()
