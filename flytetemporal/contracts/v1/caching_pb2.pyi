from flyteidl.event import event_pb2 as _event_pb2
from flytetemporal.contracts.v1 import execution_pb2 as _execution_pb2
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
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
