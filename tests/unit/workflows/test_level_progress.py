import asyncio

from flytetemporal.contracts.v1 import graph_pb2
from flytetemporal.workflows.level_progress import LevelProgress
from flytetemporal.workflows.node.graph import Body


def level(*upstream: list[int]) -> LevelProgress:
    """Return the progress of a level; ``upstream`` lists, for each node, the nodes that it waits for."""
    downstream = tuple(
        tuple(position for position, before in enumerate(upstream) if other in before) for other in range(len(upstream))
    )
    nodes = tuple(graph_pb2.Node(id=f"n{position}") for position in range(len(upstream)))
    return LevelProgress(Body(graph_pb2.WorkflowGraph(), nodes, tuple(map(tuple, upstream)), downstream, {}))


def test_a_node_is_ready_when_all_upstream_nodes_have_ended() -> None:
    progress = level([], [0], [0], [1, 2])

    assert progress.end(0, has_outputs=True) == [1, 2]
    assert progress.end(2, has_outputs=True) == []
    assert list(progress.blocked()) == [(3, [1])]
    assert progress.end(1, has_outputs=True) == [3]
    assert not progress.is_complete
    assert progress.end(3, has_outputs=True) == []
    assert progress.is_complete


def test_a_node_is_skipped_when_one_upstream_node_has_left_no_outputs() -> None:
    progress = level([], [], [0, 1])

    progress.end(0, has_outputs=False)
    progress.end(1, has_outputs=True)

    assert progress.is_skipped(2)
    assert (progress.ended(with_outputs=True), progress.ended(with_outputs=False)) == ([1], [0])


def test_a_restored_level_continues_with_the_nodes_that_are_ready() -> None:
    progress = level([], [0], [0], [1])

    progress.end(0, has_outputs=True)
    progress.end(1, has_outputs=True)

    assert progress.ready() == [2, 3]


async def test_a_waiter_that_is_cancelled_does_not_cancel_the_others() -> None:
    progress = level([], [0])
    waiting = [asyncio.create_task(progress.wait_for([0])) for _ in range(2)]
    await asyncio.sleep(0)

    waiting[0].cancel()
    await asyncio.sleep(0)
    progress.end(0, has_outputs=True)
    await waiting[1]

    assert waiting[0].cancelled()
