import datetime

from flyteidl.core import identifier_pb2 as _identifier_pb2
from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class SweepState(_message.Message):
    __slots__ = ("compared_row", "rounds")
    COMPARED_ROW_FIELD_NUMBER: _ClassVar[int]
    ROUNDS_FIELD_NUMBER: _ClassVar[int]
    compared_row: int
    rounds: int
    def __init__(self, compared_row: _Optional[int] = ..., rounds: _Optional[int] = ...) -> None: ...

class SweepResult(_message.Message):
    __slots__ = ("state", "findings")
    class FindingsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    STATE_FIELD_NUMBER: _ClassVar[int]
    FINDINGS_FIELD_NUMBER: _ClassVar[int]
    state: SweepState
    findings: _containers.ScalarMap[str, int]
    def __init__(self, state: _Optional[_Union[SweepState, _Mapping]] = ..., findings: _Optional[_Mapping[str, int]] = ...) -> None: ...

class LaunchSchedule(_message.Message):
    __slots__ = ("launch_plan", "delay")
    LAUNCH_PLAN_FIELD_NUMBER: _ClassVar[int]
    DELAY_FIELD_NUMBER: _ClassVar[int]
    launch_plan: _identifier_pb2.Identifier
    delay: _duration_pb2.Duration
    def __init__(self, launch_plan: _Optional[_Union[_identifier_pb2.Identifier, _Mapping]] = ..., delay: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class ScheduledLaunch(_message.Message):
    __slots__ = ("launch_plan", "scheduled_at")
    LAUNCH_PLAN_FIELD_NUMBER: _ClassVar[int]
    SCHEDULED_AT_FIELD_NUMBER: _ClassVar[int]
    launch_plan: _identifier_pb2.Identifier
    scheduled_at: _timestamp_pb2.Timestamp
    def __init__(self, launch_plan: _Optional[_Union[_identifier_pb2.Identifier, _Mapping]] = ..., scheduled_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class ScheduledLaunchResult(_message.Message):
    __slots__ = ("execution_id", "skipped")
    EXECUTION_ID_FIELD_NUMBER: _ClassVar[int]
    SKIPPED_FIELD_NUMBER: _ClassVar[int]
    execution_id: _identifier_pb2.WorkflowExecutionIdentifier
    skipped: str
    def __init__(self, execution_id: _Optional[_Union[_identifier_pb2.WorkflowExecutionIdentifier, _Mapping]] = ..., skipped: _Optional[str] = ...) -> None: ...
