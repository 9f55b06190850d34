import datetime

from flyteidl.core import identifier_pb2 as _identifier_pb2
from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class UpkeepLoop(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class UpkeepRound(_message.Message):
    __slots__ = ("wait", "unknown")
    WAIT_FIELD_NUMBER: _ClassVar[int]
    UNKNOWN_FIELD_NUMBER: _ClassVar[int]
    wait: _duration_pb2.Duration
    unknown: bool
    def __init__(self, wait: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., unknown: _Optional[bool] = ...) -> None: ...

class ListLoopsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListLoopsResponse(_message.Message):
    __slots__ = ("loops",)
    LOOPS_FIELD_NUMBER: _ClassVar[int]
    loops: _containers.RepeatedCompositeFieldContainer[LoopStatus]
    def __init__(self, loops: _Optional[_Iterable[_Union[LoopStatus, _Mapping]]] = ...) -> None: ...

class LoopStatus(_message.Message):
    __slots__ = ("name", "interval", "started_at", "ended_at", "found", "error", "next_at", "is_running", "is_overdue", "rounds", "failed_rounds", "last_found_at", "last_found")
    class FoundEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    class LastFoundEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    NAME_FIELD_NUMBER: _ClassVar[int]
    INTERVAL_FIELD_NUMBER: _ClassVar[int]
    STARTED_AT_FIELD_NUMBER: _ClassVar[int]
    ENDED_AT_FIELD_NUMBER: _ClassVar[int]
    FOUND_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    NEXT_AT_FIELD_NUMBER: _ClassVar[int]
    IS_RUNNING_FIELD_NUMBER: _ClassVar[int]
    IS_OVERDUE_FIELD_NUMBER: _ClassVar[int]
    ROUNDS_FIELD_NUMBER: _ClassVar[int]
    FAILED_ROUNDS_FIELD_NUMBER: _ClassVar[int]
    LAST_FOUND_AT_FIELD_NUMBER: _ClassVar[int]
    LAST_FOUND_FIELD_NUMBER: _ClassVar[int]
    name: str
    interval: _duration_pb2.Duration
    started_at: _timestamp_pb2.Timestamp
    ended_at: _timestamp_pb2.Timestamp
    found: _containers.ScalarMap[str, int]
    error: str
    next_at: _timestamp_pb2.Timestamp
    is_running: bool
    is_overdue: bool
    rounds: int
    failed_rounds: int
    last_found_at: _timestamp_pb2.Timestamp
    last_found: _containers.ScalarMap[str, int]
    def __init__(self, name: _Optional[str] = ..., interval: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., started_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., ended_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., found: _Optional[_Mapping[str, int]] = ..., error: _Optional[str] = ..., next_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., is_running: _Optional[bool] = ..., is_overdue: _Optional[bool] = ..., rounds: _Optional[int] = ..., failed_rounds: _Optional[int] = ..., last_found_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., last_found: _Optional[_Mapping[str, int]] = ...) -> None: ...

class ListScheduleDifferencesRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListScheduleDifferencesResponse(_message.Message):
    __slots__ = ("differences", "more")
    DIFFERENCES_FIELD_NUMBER: _ClassVar[int]
    MORE_FIELD_NUMBER: _ClassVar[int]
    differences: _containers.RepeatedCompositeFieldContainer[ScheduleDifference]
    more: bool
    def __init__(self, differences: _Optional[_Iterable[_Union[ScheduleDifference, _Mapping]]] = ..., more: _Optional[bool] = ...) -> None: ...

class ScheduleDifference(_message.Message):
    __slots__ = ("kind", "launch_plan", "schedule_id", "text")
    class Kind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        UNKNOWN: _ClassVar[ScheduleDifference.Kind]
        MISSING: _ClassVar[ScheduleDifference.Kind]
        DIFFERENT: _ClassVar[ScheduleDifference.Kind]
        UNWANTED: _ClassVar[ScheduleDifference.Kind]
    UNKNOWN: ScheduleDifference.Kind
    MISSING: ScheduleDifference.Kind
    DIFFERENT: ScheduleDifference.Kind
    UNWANTED: ScheduleDifference.Kind
    KIND_FIELD_NUMBER: _ClassVar[int]
    LAUNCH_PLAN_FIELD_NUMBER: _ClassVar[int]
    SCHEDULE_ID_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    kind: ScheduleDifference.Kind
    launch_plan: _identifier_pb2.Identifier
    schedule_id: str
    text: str
    def __init__(self, kind: _Optional[_Union[ScheduleDifference.Kind, str]] = ..., launch_plan: _Optional[_Union[_identifier_pb2.Identifier, _Mapping]] = ..., schedule_id: _Optional[str] = ..., text: _Optional[str] = ...) -> None: ...
