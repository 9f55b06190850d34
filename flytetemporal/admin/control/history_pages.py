"""Pages of the Temporal history of an execution, from which ``flytetemporal export`` makes its file."""

import base64
import binascii
import re

from google.protobuf.message import DecodeError

from flytetemporal import errors
from flytetemporal.admin.base import execution_lookup
from flytetemporal.admin.base.dependencies import Dependencies
from flytetemporal.contracts import histories
from flytetemporal.contracts.histories import History
from flytetemporal.contracts.masking import Masker
from flytetemporal.contracts.v1 import records_pb2
from flytetemporal.idl import naming

MAX_KEPT = 1000
MIN_KEY_BYTES = 16
# Run, whether its events are left out, and Temporal's token.
_TOKEN = re.compile(r"([0-9A-Za-z-]{1,100})\.([01])\.([0-9A-Za-z_=-]*)", re.ASCII)
_STORED_STATE = (
    "its state is stored in parts, from which values cannot be left out; export with values to replay this run"
)


async def get_history(deps: Dependencies, request: records_pb2.HistoryRequest) -> records_pb2.HistoryPage:
    """Return consecutive events of a run, the oldest ones first; the runs of an execution follow each other.

    Raises:
        NotFound: the execution does not exist, or Temporal has deleted its history.
        InvalidRequest: the request has no key for fillers, or its token is none.
    """
    execution_lookup.check_execution_id(request.execution_id, given=request.HasField("execution_id"))
    workflow_id = _workflow_id(request)
    masker = None if request.with_values else _masker(request)
    async with deps.sessions() as session:
        await execution_lookup.execution(session, request.execution_id)
    source = deps.engine.histories
    if request.token:
        run_id, is_left_out, token = _parse(request.token)
    else:
        run_id, is_left_out, token = (
            await source.first_run(request.execution_id, workflow_id),
            False,
            b"",
        )
    history, next_token = await source.page(request.execution_id, workflow_id, run_id, token)
    is_left_out = is_left_out or (masker is not None and _has_stored_state(history))
    page = records_pb2.HistoryPage(run_id=run_id, shards=histories.children(history))
    next_run = run_id if next_token else histories.next_run(history)
    if next_run:
        page.token = _token(next_run, is_left_out and bool(next_token), next_token)
    if is_left_out:
        page.left_out = _STORED_STATE
        return page
    page.history = _without_values(history, masker).SerializeToString()
    return page


def _workflow_id(request: records_pb2.HistoryRequest) -> str:
    whole = naming.temporal_workflow_id(request.execution_id)
    if request.shard and not request.shard.startswith(whole + ":"):
        raise errors.InvalidRequest(
            f"{request.shard} is no shard of execution {request.execution_id.name}; send one that a page named"
        )
    return request.shard or whole


def _masker(request: records_pb2.HistoryRequest) -> Masker:
    if len(request.filler_key) < MIN_KEY_BYTES:
        raise errors.InvalidRequest(f"filler_key has fewer than {MIN_KEY_BYTES} bytes: send more, or with_values")
    if len(request.kept) > MAX_KEPT:
        raise errors.InvalidRequest(f"kept has {len(request.kept)} texts, more than {MAX_KEPT}: ask for with_values")
    return Masker(request.filler_key, numbers=not request.with_numbers, kept=request.kept)


def _has_stored_state(history: History) -> bool:
    argument = histories.start_argument(history)
    return argument is not None and argument.HasField("stored_state")


def _without_values(history: History, masker: Masker | None) -> History:
    if masker is None:
        return history
    try:
        histories.leave_out_values(history, masker)
    except (ValueError, DecodeError, errors.ValueTooLarge) as e:
        raise errors.FailedPrecondition(
            f"a payload cannot be read, so the history can only be exported with values: {e}"
        ) from e
    return history


def _token(run_id: str, is_left_out: bool, token: bytes) -> str:
    return f"{run_id}.{int(is_left_out)}.{base64.urlsafe_b64encode(token).decode()}"


def _parse(text: str) -> tuple[str, bool, bytes]:
    found = _TOKEN.fullmatch(text)
    try:
        if found is not None:
            return found[1], found[2] == "1", base64.urlsafe_b64decode(found[3])
    except binascii.Error:
        pass
    raise errors.InvalidRequest("invalid value for token: send that of the page before, or none")
