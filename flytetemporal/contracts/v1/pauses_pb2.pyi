import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class PauseTarget(_message.Message):
    __slots__ = ("kind", "project", "domain", "name", "node_id")
    class Kind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        EXECUTION: _ClassVar[PauseTarget.Kind]
        NODE: _ClassVar[PauseTarget.Kind]
        LAUNCH_PLAN: _ClassVar[PauseTarget.Kind]
        PROJECT: _ClassVar[PauseTarget.Kind]
        SCHEDULE: _ClassVar[PauseTarget.Kind]
    EXECUTION: PauseTarget.Kind
    NODE: PauseTarget.Kind
    LAUNCH_PLAN: PauseTarget.Kind
    PROJECT: PauseTarget.Kind
    SCHEDULE: PauseTarget.Kind
    KIND_FIELD_NUMBER: _ClassVar[int]
    PROJECT_FIELD_NUMBER: _ClassVar[int]
    DOMAIN_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    NODE_ID_FIELD_NUMBER: _ClassVar[int]
    kind: PauseTarget.Kind
    project: str
    domain: str
    name: str
    node_id: str
    def __init__(self, kind: _Optional[_Union[PauseTarget.Kind, str]] = ..., project: _Optional[str] = ..., domain: _Optional[str] = ..., name: _Optional[str] = ..., node_id: _Optional[str] = ...) -> None: ...

class Pause(_message.Message):
    __slots__ = ("target", "paused_by", "since", "reason", "stop_running")
    TARGET_FIELD_NUMBER: _ClassVar[int]
    PAUSED_BY_FIELD_NUMBER: _ClassVar[int]
    SINCE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    STOP_RUNNING_FIELD_NUMBER: _ClassVar[int]
    target: PauseTarget
    paused_by: str
    since: _timestamp_pb2.Timestamp
    reason: str
    stop_running: bool
    def __init__(self, target: _Optional[_Union[PauseTarget, _Mapping]] = ..., paused_by: _Optional[str] = ..., since: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., reason: _Optional[str] = ..., stop_running: _Optional[bool] = ...) -> None: ...

class Pauses(_message.Message):
    __slots__ = ("revision", "pauses")
    REVISION_FIELD_NUMBER: _ClassVar[int]
    PAUSES_FIELD_NUMBER: _ClassVar[int]
    revision: int
    pauses: _containers.RepeatedCompositeFieldContainer[Pause]
    def __init__(self, revision: _Optional[int] = ..., pauses: _Optional[_Iterable[_Union[Pause, _Mapping]]] = ...) -> None: ...

class PauseRequest(_message.Message):
    __slots__ = ("target", "stop_running", "reason", "paused_by")
    TARGET_FIELD_NUMBER: _ClassVar[int]
    STOP_RUNNING_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    PAUSED_BY_FIELD_NUMBER: _ClassVar[int]
    target: PauseTarget
    stop_running: bool
    reason: str
    paused_by: str
    def __init__(self, target: _Optional[_Union[PauseTarget, _Mapping]] = ..., stop_running: _Optional[bool] = ..., reason: _Optional[str] = ..., paused_by: _Optional[str] = ...) -> None: ...

class PauseResponse(_message.Message):
    __slots__ = ("pause",)
    PAUSE_FIELD_NUMBER: _ClassVar[int]
    pause: Pause
    def __init__(self, pause: _Optional[_Union[Pause, _Mapping]] = ...) -> None: ...

class ResumeRequest(_message.Message):
    __slots__ = ("target", "resumed_by")
    TARGET_FIELD_NUMBER: _ClassVar[int]
    RESUMED_BY_FIELD_NUMBER: _ClassVar[int]
    target: PauseTarget
    resumed_by: str
    def __init__(self, target: _Optional[_Union[PauseTarget, _Mapping]] = ..., resumed_by: _Optional[str] = ...) -> None: ...

class ResumeResponse(_message.Message):
    __slots__ = ("remaining", "was_paused")
    REMAINING_FIELD_NUMBER: _ClassVar[int]
    WAS_PAUSED_FIELD_NUMBER: _ClassVar[int]
    remaining: _containers.RepeatedCompositeFieldContainer[Pause]
    was_paused: bool
    def __init__(self, remaining: _Optional[_Iterable[_Union[Pause, _Mapping]]] = ..., was_paused: _Optional[bool] = ...) -> None: ...

class ListPausesRequest(_message.Message):
    __slots__ = ("project", "domain", "execution", "limit", "token")
    PROJECT_FIELD_NUMBER: _ClassVar[int]
    DOMAIN_FIELD_NUMBER: _ClassVar[int]
    EXECUTION_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    project: str
    domain: str
    execution: str
    limit: int
    token: str
    def __init__(self, project: _Optional[str] = ..., domain: _Optional[str] = ..., execution: _Optional[str] = ..., limit: _Optional[int] = ..., token: _Optional[str] = ...) -> None: ...

class ListPausesResponse(_message.Message):
    __slots__ = ("pauses", "token")
    PAUSES_FIELD_NUMBER: _ClassVar[int]
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    pauses: _containers.RepeatedCompositeFieldContainer[Pause]
    token: str
    def __init__(self, pauses: _Optional[_Iterable[_Union[Pause, _Mapping]]] = ..., token: _Optional[str] = ...) -> None: ...
