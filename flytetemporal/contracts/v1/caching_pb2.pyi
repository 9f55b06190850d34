from flyteidl.event import event_pb2 as _event_pb2
from flytetemporal.contracts.v1 import execution_pb2 as _execution_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class CachedNode(_message.Message):
    __slots__ = ("attempt", "outputs", "cache")
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    OUTPUTS_FIELD_NUMBER: _ClassVar[int]
    CACHE_FIELD_NUMBER: _ClassVar[int]
    attempt: _execution_pb2.TaskAttempt
    outputs: _execution_pb2.NodeOutputs
    cache: _event_pb2.TaskNodeMetadata
    def __init__(self, attempt: _Optional[_Union[_execution_pb2.TaskAttempt, _Mapping]] = ..., outputs: _Optional[_Union[_execution_pb2.NodeOutputs, _Mapping]] = ..., cache: _Optional[_Union[_event_pb2.TaskNodeMetadata, _Mapping]] = ...) -> None: ...

class StoredOutputs(_message.Message):
    __slots__ = ("cache",)
    CACHE_FIELD_NUMBER: _ClassVar[int]
    cache: _event_pb2.TaskNodeMetadata
    def __init__(self, cache: _Optional[_Union[_event_pb2.TaskNodeMetadata, _Mapping]] = ...) -> None: ...

class ExtendedReservation(_message.Message):
    __slots__ = ("held",)
    HELD_FIELD_NUMBER: _ClassVar[int]
    held: bool
    def __init__(self, held: _Optional[bool] = ...) -> None: ...

class Lookups(_message.Message):
    __slots__ = ("attempts",)
    ATTEMPTS_FIELD_NUMBER: _ClassVar[int]
    attempts: _containers.RepeatedCompositeFieldContainer[_execution_pb2.TaskAttempt]
    def __init__(self, attempts: _Optional[_Iterable[_Union[_execution_pb2.TaskAttempt, _Mapping]]] = ...) -> None: ...

class FoundOutputs(_message.Message):
    __slots__ = ("attempts", "milliseconds")
    ATTEMPTS_FIELD_NUMBER: _ClassVar[int]
    MILLISECONDS_FIELD_NUMBER: _ClassVar[int]
    attempts: _containers.RepeatedCompositeFieldContainer[FoundOutput]
    milliseconds: int
    def __init__(self, attempts: _Optional[_Iterable[_Union[FoundOutput, _Mapping]]] = ..., milliseconds: _Optional[int] = ...) -> None: ...

class FoundOutput(_message.Message):
    __slots__ = ("hit", "miss")
    HIT_FIELD_NUMBER: _ClassVar[int]
    MISS_FIELD_NUMBER: _ClassVar[int]
    hit: _execution_pb2.TaskAttemptResult
    miss: _execution_pb2.CacheMiss
    def __init__(self, hit: _Optional[_Union[_execution_pb2.TaskAttemptResult, _Mapping]] = ..., miss: _Optional[_Union[_execution_pb2.CacheMiss, _Mapping]] = ...) -> None: ...
