"""What ``flytetemporal doctor`` asks admin: whether schedules are in order, and whether loops run."""

from typing import TypeVar

import grpc
from google.protobuf.message import Message

from flytetemporal.cli.errors import CommandError
from flytetemporal.cli.views import loops as loop_views
from flytetemporal.contracts.v1 import upkeep_pb2

DIFFERENCES = "/flytetemporal.v1.OperationsService/ListScheduleDifferences"
SHOWN = 20

R = TypeVar("R", bound=Message)


async def schedules(channel: grpc.aio.Channel) -> str:
    """Compare launch plans with Temporal Schedules, both ways.

    Raises:
        CommandError: they differ.
    """
    answer = upkeep_pb2.ListScheduleDifferencesResponse
    found = await _ask(channel, DIFFERENCES, upkeep_pb2.ListScheduleDifferencesRequest(), answer)
    if found.differences:
        more = ["..."] if found.more or len(found.differences) > SHOWN else []
        said = [one.text for one in found.differences[:SHOWN]]
        raise CommandError("; ".join([*said, *more, "the loop schedules repairs this within a minute"]))
    return "those of active launch plans are in Temporal, and no others"


async def loops(channel: grpc.aio.Channel) -> str:
    """Check that every loop of the control worker runs.

    Raises:
        CommandError: a loop is overdue or fails.
    """
    request = upkeep_pb2.ListLoopsRequest()
    found = await _ask(channel, loop_views.LIST_LOOPS, request, upkeep_pb2.ListLoopsResponse)
    if not found.loops:
        raise CommandError(loop_views.NONE)
    problems = [problem for loop in found.loops if (problem := loop_views.problem_of(loop))]
    if problems:
        raise CommandError("; ".join(problems))
    return f"{len(found.loops)} run in time"


async def _ask(channel: grpc.aio.Channel, path: str, request: Message, response: type[R]) -> R:
    method = channel.unary_unary(
        path, request_serializer=type(request).SerializeToString, response_deserializer=response.FromString
    )
    answer: R = await method(request)
    return answer
