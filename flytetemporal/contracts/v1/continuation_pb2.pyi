import datetime

from flyteidl.core import execution_pb2 as _execution_pb2
from flyteidl.core import literals_pb2 as _literals_pb2
from flyteidl.event import event_pb2 as _event_pb2
from flytetemporal.contracts.v1 import execution_pb2 as _execution_pb2_1
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class RunState(_message.Message):
    __slots__ = ("levels", "open", "began_at", "hashed", "clock")
    LEVELS_FIELD_NUMBER: _ClassVar[int]
    OPEN_FIELD_NUMBER: _ClassVar[int]
    BEGAN_AT_FIELD_NUMBER: _ClassVar[int]
    HASHED_FIELD_NUMBER: _ClassVar[int]
    CLOCK_FIELD_NUMBER: _ClassVar[int]
    levels: _containers.RepeatedCompositeFieldContainer[LevelState]
    open: _containers.RepeatedCompositeFieldContainer[OpenNode]
    began_at: _timestamp_pb2.Timestamp
    hashed: _containers.RepeatedScalarFieldContainer[str]
    clock: StoppedClock
    def __init__(self, levels: _Optional[_Iterable[_Union[LevelState, _Mapping]]] = ..., open: _Optional[_Iterable[_Union[OpenNode, _Mapping]]] = ..., began_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., hashed: _Optional[_Iterable[str]] = ..., clock: _Optional[_Union[StoppedClock, _Mapping]] = ...) -> None: ...

class StoppedClock(_message.Message):
    __slots__ = ("at",)
    AT_FIELD_NUMBER: _ClassVar[int]
    at: _timestamp_pb2.Timestamp
    def __init__(self, at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class LevelState(_message.Message):
    __slots__ = ("parent_id", "ended_with_outputs", "ended_without_outputs", "outputs", "failed")
    PARENT_ID_FIELD_NUMBER: _ClassVar[int]
    ENDED_WITH_OUTPUTS_FIELD_NUMBER: _ClassVar[int]
    ENDED_WITHOUT_OUTPUTS_FIELD_NUMBER: _ClassVar[int]
    OUTPUTS_FIELD_NUMBER: _ClassVar[int]
    FAILED_FIELD_NUMBER: _ClassVar[int]
    parent_id: str
    ended_with_outputs: _containers.RepeatedScalarFieldContainer[int]
    ended_without_outputs: _containers.RepeatedScalarFieldContainer[int]
    outputs: _containers.RepeatedCompositeFieldContainer[EndedNodeOutputs]
    failed: _containers.RepeatedCompositeFieldContainer[FailedNode]
    def __init__(self, parent_id: _Optional[str] = ..., ended_with_outputs: _Optional[_Iterable[int]] = ..., ended_without_outputs: _Optional[_Iterable[int]] = ..., outputs: _Optional[_Iterable[_Union[EndedNodeOutputs, _Mapping]]] = ..., failed: _Optional[_Iterable[_Union[FailedNode, _Mapping]]] = ...) -> None: ...

class EndedNodeOutputs(_message.Message):
    __slots__ = ("node_id", "literals", "uri", "aliases")
    class AliasesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    NODE_ID_FIELD_NUMBER: _ClassVar[int]
    LITERALS_FIELD_NUMBER: _ClassVar[int]
    URI_FIELD_NUMBER: _ClassVar[int]
    ALIASES_FIELD_NUMBER: _ClassVar[int]
    node_id: str
    literals: _literals_pb2.LiteralMap
    uri: str
    aliases: _containers.ScalarMap[str, str]
    def __init__(self, node_id: _Optional[str] = ..., literals: _Optional[_Union[_literals_pb2.LiteralMap, _Mapping]] = ..., uri: _Optional[str] = ..., aliases: _Optional[_Mapping[str, str]] = ...) -> None: ...

class FailedNode(_message.Message):
    __slots__ = ("position", "error", "timed_out")
    POSITION_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    TIMED_OUT_FIELD_NUMBER: _ClassVar[int]
    position: int
    error: _execution_pb2.ExecutionError
    timed_out: bool
    def __init__(self, position: _Optional[int] = ..., error: _Optional[_Union[_execution_pb2.ExecutionError, _Mapping]] = ..., timed_out: _Optional[bool] = ...) -> None: ...

class HeldNode(_message.Message):
    __slots__ = ("error", "timed_out", "checkpoint_uri")
    ERROR_FIELD_NUMBER: _ClassVar[int]
    TIMED_OUT_FIELD_NUMBER: _ClassVar[int]
    CHECKPOINT_URI_FIELD_NUMBER: _ClassVar[int]
    error: _execution_pb2.ExecutionError
    timed_out: bool
    checkpoint_uri: str
    def __init__(self, error: _Optional[_Union[_execution_pb2.ExecutionError, _Mapping]] = ..., timed_out: _Optional[bool] = ..., checkpoint_uri: _Optional[str] = ...) -> None: ...

class OpenNode(_message.Message):
    __slots__ = ("node_id", "began_at", "attempt", "failures", "attempt_began_at", "retry_at", "last_error", "held", "wakes_at", "launched", "asked", "dynamic", "deck_uri", "memory_bytes", "cache", "clock", "attempt_clock", "is_stranger")
    class FailuresEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    NODE_ID_FIELD_NUMBER: _ClassVar[int]
    BEGAN_AT_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    FAILURES_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_BEGAN_AT_FIELD_NUMBER: _ClassVar[int]
    RETRY_AT_FIELD_NUMBER: _ClassVar[int]
    LAST_ERROR_FIELD_NUMBER: _ClassVar[int]
    HELD_FIELD_NUMBER: _ClassVar[int]
    WAKES_AT_FIELD_NUMBER: _ClassVar[int]
    LAUNCHED_FIELD_NUMBER: _ClassVar[int]
    ASKED_FIELD_NUMBER: _ClassVar[int]
    DYNAMIC_FIELD_NUMBER: _ClassVar[int]
    DECK_URI_FIELD_NUMBER: _ClassVar[int]
    MEMORY_BYTES_FIELD_NUMBER: _ClassVar[int]
    CACHE_FIELD_NUMBER: _ClassVar[int]
    CLOCK_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_CLOCK_FIELD_NUMBER: _ClassVar[int]
    IS_STRANGER_FIELD_NUMBER: _ClassVar[int]
    node_id: str
    began_at: _timestamp_pb2.Timestamp
    attempt: int
    failures: _containers.ScalarMap[str, int]
    attempt_began_at: _timestamp_pb2.Timestamp
    retry_at: _timestamp_pb2.Timestamp
    last_error: _execution_pb2.ExecutionError
    held: HeldNode
    wakes_at: _timestamp_pb2.Timestamp
    launched: bool
    asked: bool
    dynamic: _execution_pb2_1.DynamicGraph
    deck_uri: str
    memory_bytes: int
    cache: _event_pb2.TaskNodeMetadata
    clock: StoppedClock
    attempt_clock: StoppedClock
    is_stranger: bool
    def __init__(self, node_id: _Optional[str] = ..., began_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., attempt: _Optional[int] = ..., failures: _Optional[_Mapping[str, int]] = ..., attempt_began_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., retry_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., last_error: _Optional[_Union[_execution_pb2.ExecutionError, _Mapping]] = ..., held: _Optional[_Union[HeldNode, _Mapping]] = ..., wakes_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., launched: _Optional[bool] = ..., asked: _Optional[bool] = ..., dynamic: _Optional[_Union[_execution_pb2_1.DynamicGraph, _Mapping]] = ..., deck_uri: _Optional[str] = ..., memory_bytes: _Optional[int] = ..., cache: _Optional[_Union[_event_pb2.TaskNodeMetadata, _Mapping]] = ..., clock: _Optional[_Union[StoppedClock, _Mapping]] = ..., attempt_clock: _Optional[_Union[StoppedClock, _Mapping]] = ..., is_stranger: _Optional[bool] = ...) -> None: ...

class StateBytes(_message.Message):
    __slots__ = ("directory", "gzipped")
    DIRECTORY_FIELD_NUMBER: _ClassVar[int]
    GZIPPED_FIELD_NUMBER: _ClassVar[int]
    directory: str
    gzipped: bytes
    def __init__(self, directory: _Optional[str] = ..., gzipped: _Optional[bytes] = ...) -> None: ...
