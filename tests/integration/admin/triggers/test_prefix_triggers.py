"""Objects that are written under a prefix launch the launch plans that watch it: each version of each once."""

import asyncio
import os
import random
import secrets
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from flyteidl.core import types_pb2
from sqlalchemy import text

from flytetemporal import errors
from flytetemporal.admin.base.dependencies import Dependencies
from flytetemporal.admin.firing import delivery, prefixes
from flytetemporal.contracts.v1 import triggers_pb2
from flytetemporal.storage.blobs import BlobStore
from scripts.s3_server import S3Server
from tests.fixtures import triggered
from tests.fixtures.registrations import INT, STR, integer, plan
from tests.fixtures.triggered import active, events, listed, register, set_state

State = triggers_pb2.TriggerEvent
FILE = types_pb2.LiteralType(blob=types_pb2.BlobType(format="csv"))
FOLDER = types_pb2.LiteralType(blob=types_pb2.BlobType(dimensionality=types_pb2.BlobType.MULTIPART))


@dataclass(frozen=True)
class Incoming:
    """A folder in which objects arrive."""

    deps: Dependencies
    uri: str

    async def write(self, *names: str, seconds_ago: float = 60) -> None:
        """Write objects, or write them again with other content. Files are so old that nobody can still write them."""
        for name in names:
            uri = f"{self.uri}/{name}"
            await self.deps.blobs.write(uri, secrets.token_bytes(8))
            path = self.deps.blobs.local_path(uri)
            if path is not None:
                # Files that are written twice within a test differ in their times by fractions.
                moment = time.time() - seconds_ago
                os.utime(path, (moment, moment))

    def trigger(self, **changed: object) -> dict[str, object]:
        """Return a trigger that watches the folder."""
        return {
            "name": "t",
            "prefix": f"{self.uri}/",
            "inputs": {"path": "uri", "file": "uri", "at": "time"},
            **changed,
        }

    async def watched(self, **changed: Any) -> None:
        """Register and activate the launch plan, and list what is there, which is no event."""
        await self.activate(**changed)
        await self.list_all()

    async def activate(self, version: str = "v1", **changed: Any) -> None:
        inputs = {"path": STR, "file": FILE, "at": types_pb2.LiteralType(simple=types_pb2.DATETIME)}
        request = plan("train", version, fixed={"a": integer(1)})
        await active(self.deps, "train", [self.trigger(**changed)], request=request, version=version, inputs=inputs)

    async def list_all(self) -> int:
        """Run rounds until the list is complete; return how many events they found."""
        found = 0
        while True:
            result = await prefixes.listings(self.deps)
            assert result.error == ""
            found += sum(result.counts.values())
            if not result.more:
                return found

    async def fired(self) -> list[str]:
        """Return the names of the objects of all events, in the order of their record."""
        prefix = f"{self.uri}/"
        return [event.id.rsplit("@", 1)[0].removeprefix(prefix) for event in await events(self.deps, "train")]


@pytest.fixture(params=["files", "s3"])
async def incoming(request: pytest.FixtureRequest, deps: Dependencies, tmp_path: Path) -> Incoming:
    await triggered.register_workflows(deps)
    if request.param == "files":
        return Incoming(deps, f"{tmp_path}/incoming")
    server: S3Server = request.getfixturevalue("s3_server")
    return remote(deps, server)


def remote(deps: Dependencies, server: S3Server) -> Incoming:
    folder = secrets.token_hex(4)
    store = BlobStore(f"{server.root}/{folder}", server.options(), confined_to=[f"s3://flyte/incoming/{folder}"])
    return Incoming(replace(deps, blobs=store), f"s3://flyte/incoming/{folder}")


@pytest.fixture
async def files(deps: Dependencies, tmp_path: Path) -> Incoming:
    await triggered.register_workflows(deps)
    return Incoming(deps, f"{tmp_path}/incoming")


async def test_an_object_launches_the_launch_plan_with_its_uri(incoming: Incoming) -> None:
    await incoming.watched()
    await incoming.write("2026/day one.csv")

    assert await incoming.list_all() == 1
    assert (await delivery.deliveries(incoming.deps)).counts == {"trigger_launched": 1}

    (event,) = await events(incoming.deps, "train")
    assert event.state == State.LAUNCHED
    inputs = await triggered.inputs_of(incoming.deps, event.execution_id)
    assert inputs["path"].scalar.primitive.string_value == f"{incoming.uri}/2026/day one.csv"
    assert inputs["file"].scalar.blob.uri == f"{incoming.uri}/2026/day one.csv"
    assert inputs["file"].scalar.blob.metadata.type == FILE.blob
    assert inputs["at"].scalar.primitive.datetime == event.occurred_at
    (trigger,) = await listed(incoming.deps, "train")
    assert (trigger.kind, trigger.source) == ("prefix", f"{incoming.uri}/")
    assert trigger.last_execution == event.execution_id


async def test_an_object_is_an_event_once_per_version(incoming: Incoming) -> None:
    await incoming.watched()
    await incoming.write("a", "b")
    assert await incoming.list_all() == 2
    assert await incoming.list_all() == 0

    if incoming.uri.startswith("s3://"):
        await asyncio.sleep(1.1)  # Its times have whole seconds.
    await incoming.write("a", seconds_ago=50)

    assert await incoming.list_all() == 1
    assert await incoming.list_all() == 0
    assert sorted(await incoming.fired()) == ["a", "a", "b"]


async def test_the_order_of_names_and_pauses_of_the_lister_do_not_matter(
    incoming: Incoming, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prefixes, "PAGE", 2)
    monkeypatch.setattr(prefixes, "PAGES", 1)
    await incoming.watched()
    await incoming.write("m", "n", "o", "p/x", "p-x")
    await prefixes.listings(incoming.deps)

    await incoming.write("a", "m2", "z", "b/c/d")
    await incoming.list_all()
    await incoming.write("0")
    await incoming.list_all()
    await incoming.list_all()

    assert sorted(await incoming.fired()) == sorted(["m", "n", "o", "p/x", "p-x", "a", "m2", "z", "b/c/d", "0"])


@pytest.mark.parametrize("seed", range(5))
async def test_whatever_is_written_while_it_is_listed_is_found_once(
    files: Incoming, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    choose = random.Random(seed)
    monkeypatch.setattr(prefixes, "PAGE", 3)
    monkeypatch.setattr(prefixes, "PAGES", 2)
    await files.watched()
    names = [f"{choose.choice('abc/').rstrip('/') or 'd'}/{number:02}" for number in range(40)]
    choose.shuffle(names)
    for start in range(0, len(names), 4):
        await files.write(*names[start : start + 4])
        # Two listers at once, as after a worker has stalled.
        await asyncio.gather(*(prefixes.listings(files.deps) for _ in range(choose.randint(0, 2))))
    await files.list_all()
    await files.list_all()

    assert sorted(await files.fired()) == sorted(names)


async def test_what_was_there_before_the_activation_is_no_event(incoming: Incoming) -> None:
    await incoming.write("old")
    await incoming.activate()
    await move_activation(incoming, "1 hour")
    await incoming.list_all()
    await incoming.write("new")
    await incoming.list_all()

    assert await incoming.fired() == ["new"]


async def test_what_is_written_before_the_first_list_is_an_event(incoming: Incoming) -> None:
    await incoming.activate()
    await incoming.write("new")
    await move_activation(incoming, "-1 hour")
    await incoming.list_all()

    assert await incoming.fired() == ["new"]


async def test_what_was_there_before_is_an_event_where_that_is_wanted(incoming: Incoming) -> None:
    await incoming.write("old")
    await incoming.activate(existing=True)
    await move_activation(incoming, "1 hour")
    await incoming.list_all()

    assert await incoming.fired() == ["old"]


async def move_activation(incoming: Incoming, interval: str) -> None:
    """Activate the trigger at another time, as seen from the objects."""
    async with incoming.deps.sessions.begin() as session:
        await session.execute(text(f"UPDATE triggers SET active_since = now() + interval '{interval}'"))


async def test_only_names_with_the_suffix_are_events(incoming: Incoming) -> None:
    await incoming.watched(suffix=".csv")
    await incoming.write("a.csv", "a.txt", "b/c.csv", "csv")

    await incoming.list_all()

    assert sorted(await incoming.fired()) == ["a.csv", "b/c.csv"]


async def test_only_what_is_below_the_prefix_is_an_event(incoming: Incoming) -> None:
    await incoming.watched(prefix=f"{incoming.uri}/in")
    await incoming.write("in/a", "in2/b", "c")

    await incoming.list_all()

    assert await incoming.fired() == ["in/a"]


async def test_a_trigger_that_is_not_active_lists_nothing_and_starts_anew(incoming: Incoming) -> None:
    await incoming.watched()
    await incoming.write("while active")
    await incoming.list_all()
    await set_state(incoming.deps, "train", state=triggered.INACTIVE)
    await incoming.write("while inactive")
    assert await incoming.list_all() == 0

    await set_state(incoming.deps, "train")
    await move_activation(incoming, "1 hour")
    await incoming.list_all()
    await incoming.write("active again")
    await incoming.list_all()

    assert await incoming.fired() == ["while active", "active again"]


async def test_another_version_with_the_same_prefix_misses_nothing(incoming: Incoming) -> None:
    await incoming.watched()
    await incoming.write("a")
    await incoming.activate("v2")
    await incoming.list_all()

    assert await incoming.fired() == ["a"]


async def test_another_version_with_another_prefix_starts_anew(incoming: Incoming) -> None:
    await incoming.write("old", "in/old")
    await incoming.watched(prefix=f"{incoming.uri}/elsewhere")
    await incoming.activate("v2", prefix=f"{incoming.uri}/in")
    await move_activation(incoming, "1 hour")
    await incoming.list_all()
    await incoming.write("in/new")
    await incoming.list_all()

    assert await incoming.fired() == ["in/new"]


async def test_objects_that_are_deleted_are_forgotten_in_time(
    incoming: Incoming, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prefixes, "PAGE", 2)
    await incoming.watched()
    await incoming.write("a", "b", "c", "d", "e")
    await incoming.list_all()
    for name in ("a", "d"):
        await incoming.deps.blobs.delete(f"{incoming.uri}/{name}")
    async with incoming.deps.sessions.begin() as session:
        await session.execute(text("UPDATE triggers SET passes = :n"), {"n": prefixes.PASSES_BETWEEN_CLEANUPS - 1})

    await incoming.list_all()

    async with incoming.deps.sessions() as session:
        names = await session.scalars(text("SELECT name FROM trigger_objects ORDER BY name"))
        assert names.all() == ["b", "c", "e"]
    assert await incoming.list_all() == 0


async def test_rows_of_triggers_that_ended_are_deleted(files: Incoming) -> None:
    await files.watched()
    await files.write("a", "b")
    await files.list_all()
    await set_state(files.deps, "train", state=triggered.INACTIVE)

    await files.list_all()

    async with files.deps.sessions() as session:
        assert (await session.execute(text("SELECT count(*) FROM trigger_objects"))).scalar_one() == 0


async def test_a_store_that_is_down_is_listed_when_it_is_back(deps: Dependencies, s3_server: S3Server) -> None:
    await triggered.register_workflows(deps)
    incoming = remote(deps, s3_server)
    await incoming.watched()
    await incoming.write("a")

    with s3_server.gone():
        found = await prefixes.listings(incoming.deps)
    assert "the object store does not answer" in found.error
    assert "the prefix cannot be listed: the object store" in (await listed(deps, "train"))[0].last_error

    await incoming.list_all()
    assert await incoming.fired() == ["a"]


async def test_a_prefix_that_cannot_be_listed_does_not_hold_up_others(deps: Dependencies, s3_server: S3Server) -> None:
    await triggered.register_workflows(deps)
    incoming = remote(deps, s3_server)
    await incoming.watched()
    missing = Incoming(replace(deps, blobs=BlobStore("s3://nobody/x", s3_server.options())), "s3://nobody/incoming")
    request = plan("other", fixed={"a": integer(1)})
    await active(missing.deps, "other", [missing.trigger(inputs={})], request=request)
    await incoming.write("a")
    everywhere = replace(deps, blobs=BlobStore(s3_server.root, s3_server.options()))

    found = await prefixes.listings(everywhere)

    assert "object not found: s3://nobody/incoming" in found.error
    assert await incoming.fired() == ["a"]


@pytest.mark.parametrize(
    ("prefix", "says"),
    [
        ("s3://elsewhere/x", "address [s3://elsewhere/x/] is outside of the object store"),
        ("/etc", "address [/etc/] is outside of the object store"),
        ("s3://flyte/incoming/../x", "it must not contain '..'"),
        ("s3://flyte/store", "where the files of executions are, too; watch another folder"),
        ("s3://flyte/store/", "where the files of executions are, too"),
        ("s3://flyte/store/metadata/x", "where the files of executions are, too"),
        ("s3://flyte/store/data", "where the files of executions are, too"),
        ("s3://flyte/store/data/ab", "where the files of executions are, too"),
    ],
)
async def test_a_folder_that_cannot_be_watched_is_refused(
    deps: Dependencies, s3_server: S3Server, prefix: str, says: str
) -> None:
    await triggered.register_workflows(deps)
    store = BlobStore(s3_server.root, s3_server.options(), confined_to=["s3://flyte/incoming"])
    request = plan("train", fixed={"a": integer(1)})

    with pytest.raises(errors.InvalidRequest) as refused:
        await register(replace(deps, blobs=store), "train", request, triggers=[{"name": "t", "prefix": prefix}])

    assert says in refused.value.message


@pytest.mark.parametrize(
    ("wanted", "expression", "says"),
    [
        (INT, "uri", "[n] from [uri], and the input is simple:INTEGER; make it a string or a file"),
        (FOLDER, "uri", "; make it a string or a file"),
        (INT, "time", "[n] from [time], which is simple:DATETIME"),
    ],
)
async def test_an_input_that_is_no_uri_is_refused(
    files: Incoming, wanted: types_pb2.LiteralType, expression: str, says: str
) -> None:
    request = plan("train", fixed={"a": integer(1)})
    triggers = [files.trigger(inputs={"n": expression})]

    with pytest.raises(errors.InvalidRequest) as refused:
        await register(files.deps, "train", request, triggers=triggers, inputs={"n": wanted})

    assert says in refused.value.message


async def test_the_folder_of_the_store_next_to_the_engines_can_be_watched(files: Incoming) -> None:
    folder = f"{files.deps.blobs.root.removeprefix('file://')}/incoming"
    await files.watched(prefix=f"file://{folder}")
    await Incoming(files.deps, folder).write("a")

    assert await files.list_all() == 1
    (event,) = await events(files.deps, "train")
    assert event.id.startswith(f"{folder}/a@")
