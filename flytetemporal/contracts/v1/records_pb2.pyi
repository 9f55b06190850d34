import datetime

from flyteidl.core import identifier_pb2 as _identifier_pb2
from flytetemporal.contracts.v1 import pauses_pb2 as _pauses_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class NodeTimesRequest(_message.Message):
    __slots__ = ("execution_id", "elements")
    EXECUTION_ID_FIELD_NUMBER: _ClassVar[int]
    ELEMENTS_FIELD_NUMBER: _ClassVar[int]
    execution_id: _identifier_pb2.WorkflowExecutionIdentifier
    elements: bool
    def __init__(self, execution_id: _Optional[_Union[_identifier_pb2.WorkflowExecutionIdentifier, _Mapping]] = ..., elements: _Optional[bool] = ...) -> None: ...

class NodeTimesResponse(_message.Message):
    __slots__ = ("nodes", "notes", "pauses")
    NODES_FIELD_NUMBER: _ClassVar[int]
    NOTES_FIELD_NUMBER: _ClassVar[int]
    PAUSES_FIELD_NUMBER: _ClassVar[int]
    nodes: _containers.RepeatedCompositeFieldContainer[NodeTimes]
    notes: _containers.RepeatedScalarFieldContainer[str]
    pauses: _containers.RepeatedCompositeFieldContainer[PausedTime]
    def __init__(self, nodes: _Optional[_Iterable[_Union[NodeTimes, _Mapping]]] = ..., notes: _Optional[_Iterable[str]] = ..., pauses: _Optional[_Iterable[_Union[PausedTime, _Mapping]]] = ...) -> None: ...

class PausedTime(_message.Message):
    __slots__ = ("target", "since", "until")
    TARGET_FIELD_NUMBER: _ClassVar[int]
    SINCE_FIELD_NUMBER: _ClassVar[int]
    UNTIL_FIELD_NUMBER: _ClassVar[int]
    target: _pauses_pb2.PauseTarget
    since: _timestamp_pb2.Timestamp
    until: _timestamp_pb2.Timestamp
    def __init__(self, target: _Optional[_Union[_pauses_pb2.PauseTarget, _Mapping]] = ..., since: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., until: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class NodeTimes(_message.Message):
    __slots__ = ("node_id", "attempt", "queued", "dispatched", "started", "running", "ended", "reported", "element")
    NODE_ID_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    QUEUED_FIELD_NUMBER: _ClassVar[int]
    DISPATCHED_FIELD_NUMBER: _ClassVar[int]
    STARTED_FIELD_NUMBER: _ClassVar[int]
    RUNNING_FIELD_NUMBER: _ClassVar[int]
    ENDED_FIELD_NUMBER: _ClassVar[int]
    REPORTED_FIELD_NUMBER: _ClassVar[int]
    ELEMENT_FIELD_NUMBER: _ClassVar[int]
    node_id: str
    attempt: int
    queued: _timestamp_pb2.Timestamp
    dispatched: _timestamp_pb2.Timestamp
    started: _timestamp_pb2.Timestamp
    running: _timestamp_pb2.Timestamp
    ended: _timestamp_pb2.Timestamp
    reported: _timestamp_pb2.Timestamp
    element: int
    def __init__(self, node_id: _Optional[str] = ..., attempt: _Optional[int] = ..., queued: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., dispatched: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., started: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., running: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., ended: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., reported: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., element: _Optional[int] = ...) -> None: ...

class HistoryRequest(_message.Message):
    __slots__ = ("execution_id", "shard", "token", "with_values", "with_numbers", "kept", "filler_key")
    EXECUTION_ID_FIELD_NUMBER: _ClassVar[int]
    SHARD_FIELD_NUMBER: _ClassVar[int]
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    WITH_VALUES_FIELD_NUMBER: _ClassVar[int]
    WITH_NUMBERS_FIELD_NUMBER: _ClassVar[int]
    KEPT_FIELD_NUMBER: _ClassVar[int]
    FILLER_KEY_FIELD_NUMBER: _ClassVar[int]
    execution_id: _identifier_pb2.WorkflowExecutionIdentifier
    shard: str
    token: str
    with_values: bool
    with_numbers: bool
    kept: _containers.RepeatedScalarFieldContainer[str]
    filler_key: bytes
    def __init__(self, execution_id: _Optional[_Union[_identifier_pb2.WorkflowExecutionIdentifier, _Mapping]] = ..., shard: _Optional[str] = ..., token: _Optional[str] = ..., with_values: _Optional[bool] = ..., with_numbers: _Optional[bool] = ..., kept: _Optional[_Iterable[str]] = ..., filler_key: _Optional[bytes] = ...) -> None: ...

class HistoryPage(_message.Message):
    __slots__ = ("history", "run_id", "token", "shards", "left_out")
    HISTORY_FIELD_NUMBER: _ClassVar[int]
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    SHARDS_FIELD_NUMBER: _ClassVar[int]
    LEFT_OUT_FIELD_NUMBER: _ClassVar[int]
    history: bytes
    run_id: str
    token: str
    shards: _containers.RepeatedScalarFieldContainer[str]
    left_out: str
    def __init__(self, history: _Optional[bytes] = ..., run_id: _Optional[str] = ..., token: _Optional[str] = ..., shards: _Optional[_Iterable[str]] = ..., left_out: _Optional[str] = ...) -> None: ...
