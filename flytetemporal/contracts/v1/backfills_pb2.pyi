import datetime

from flyteidl.core import identifier_pb2 as _identifier_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class BackfillId(_message.Message):
    __slots__ = ("project", "domain", "name")
    PROJECT_FIELD_NUMBER: _ClassVar[int]
    DOMAIN_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    project: str
    domain: str
    name: str
    def __init__(self, project: _Optional[str] = ..., domain: _Optional[str] = ..., name: _Optional[str] = ...) -> None: ...

class Backfill(_message.Message):
    __slots__ = ("id", "launch_plan", "start", "end", "parallel", "newest_first", "failed_only", "state", "counts", "waits_for", "started_by", "reason", "created_at", "ended_at")
    class State(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        RUNNING: _ClassVar[Backfill.State]
        PAUSED: _ClassVar[Backfill.State]
        CANCELLED: _ClassVar[Backfill.State]
        SUCCEEDED: _ClassVar[Backfill.State]
        FAILED: _ClassVar[Backfill.State]
    RUNNING: Backfill.State
    PAUSED: Backfill.State
    CANCELLED: Backfill.State
    SUCCEEDED: Backfill.State
    FAILED: Backfill.State
    ID_FIELD_NUMBER: _ClassVar[int]
    LAUNCH_PLAN_FIELD_NUMBER: _ClassVar[int]
    START_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    PARALLEL_FIELD_NUMBER: _ClassVar[int]
    NEWEST_FIRST_FIELD_NUMBER: _ClassVar[int]
    FAILED_ONLY_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    COUNTS_FIELD_NUMBER: _ClassVar[int]
    WAITS_FOR_FIELD_NUMBER: _ClassVar[int]
    STARTED_BY_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    ENDED_AT_FIELD_NUMBER: _ClassVar[int]
    id: BackfillId
    launch_plan: _identifier_pb2.Identifier
    start: _timestamp_pb2.Timestamp
    end: _timestamp_pb2.Timestamp
    parallel: int
    newest_first: bool
    failed_only: bool
    state: Backfill.State
    counts: BackfillCounts
    waits_for: str
    started_by: str
    reason: str
    created_at: _timestamp_pb2.Timestamp
    ended_at: _timestamp_pb2.Timestamp
    def __init__(self, id: _Optional[_Union[BackfillId, _Mapping]] = ..., launch_plan: _Optional[_Union[_identifier_pb2.Identifier, _Mapping]] = ..., start: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., end: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., parallel: _Optional[int] = ..., newest_first: _Optional[bool] = ..., failed_only: _Optional[bool] = ..., state: _Optional[_Union[Backfill.State, str]] = ..., counts: _Optional[_Union[BackfillCounts, _Mapping]] = ..., waits_for: _Optional[str] = ..., started_by: _Optional[str] = ..., reason: _Optional[str] = ..., created_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., ended_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class BackfillCounts(_message.Message):
    __slots__ = ("total", "pending", "running", "succeeded", "failed", "skipped", "cancelled")
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    PENDING_FIELD_NUMBER: _ClassVar[int]
    RUNNING_FIELD_NUMBER: _ClassVar[int]
    SUCCEEDED_FIELD_NUMBER: _ClassVar[int]
    FAILED_FIELD_NUMBER: _ClassVar[int]
    SKIPPED_FIELD_NUMBER: _ClassVar[int]
    CANCELLED_FIELD_NUMBER: _ClassVar[int]
    total: int
    pending: int
    running: int
    succeeded: int
    failed: int
    skipped: int
    cancelled: int
    def __init__(self, total: _Optional[int] = ..., pending: _Optional[int] = ..., running: _Optional[int] = ..., succeeded: _Optional[int] = ..., failed: _Optional[int] = ..., skipped: _Optional[int] = ..., cancelled: _Optional[int] = ...) -> None: ...

class BackfillRun(_message.Message):
    __slots__ = ("scheduled_at", "state", "execution", "problem")
    class State(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        UNSPECIFIED: _ClassVar[BackfillRun.State]
        PENDING: _ClassVar[BackfillRun.State]
        RUNNING: _ClassVar[BackfillRun.State]
        SUCCEEDED: _ClassVar[BackfillRun.State]
        FAILED: _ClassVar[BackfillRun.State]
        SKIPPED: _ClassVar[BackfillRun.State]
        CANCELLED: _ClassVar[BackfillRun.State]
    UNSPECIFIED: BackfillRun.State
    PENDING: BackfillRun.State
    RUNNING: BackfillRun.State
    SUCCEEDED: BackfillRun.State
    FAILED: BackfillRun.State
    SKIPPED: BackfillRun.State
    CANCELLED: BackfillRun.State
    SCHEDULED_AT_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    EXECUTION_FIELD_NUMBER: _ClassVar[int]
    PROBLEM_FIELD_NUMBER: _ClassVar[int]
    scheduled_at: _timestamp_pb2.Timestamp
    state: BackfillRun.State
    execution: str
    problem: str
    def __init__(self, scheduled_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., state: _Optional[_Union[BackfillRun.State, str]] = ..., execution: _Optional[str] = ..., problem: _Optional[str] = ...) -> None: ...

class StartBackfillRequest(_message.Message):
    __slots__ = ("launch_plan", "start", "end", "parallel", "newest_first", "failed_only", "allowed_runs", "dry_run", "request_id", "started_by", "reason")
    LAUNCH_PLAN_FIELD_NUMBER: _ClassVar[int]
    START_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    PARALLEL_FIELD_NUMBER: _ClassVar[int]
    NEWEST_FIRST_FIELD_NUMBER: _ClassVar[int]
    FAILED_ONLY_FIELD_NUMBER: _ClassVar[int]
    ALLOWED_RUNS_FIELD_NUMBER: _ClassVar[int]
    DRY_RUN_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    STARTED_BY_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    launch_plan: _identifier_pb2.Identifier
    start: _timestamp_pb2.Timestamp
    end: _timestamp_pb2.Timestamp
    parallel: int
    newest_first: bool
    failed_only: bool
    allowed_runs: int
    dry_run: bool
    request_id: str
    started_by: str
    reason: str
    def __init__(self, launch_plan: _Optional[_Union[_identifier_pb2.Identifier, _Mapping]] = ..., start: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., end: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., parallel: _Optional[int] = ..., newest_first: _Optional[bool] = ..., failed_only: _Optional[bool] = ..., allowed_runs: _Optional[int] = ..., dry_run: _Optional[bool] = ..., request_id: _Optional[str] = ..., started_by: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...

class StartBackfillResponse(_message.Message):
    __slots__ = ("backfill", "first", "last", "was_started", "is_more")
    BACKFILL_FIELD_NUMBER: _ClassVar[int]
    FIRST_FIELD_NUMBER: _ClassVar[int]
    LAST_FIELD_NUMBER: _ClassVar[int]
    WAS_STARTED_FIELD_NUMBER: _ClassVar[int]
    IS_MORE_FIELD_NUMBER: _ClassVar[int]
    backfill: Backfill
    first: _timestamp_pb2.Timestamp
    last: _timestamp_pb2.Timestamp
    was_started: bool
    is_more: bool
    def __init__(self, backfill: _Optional[_Union[Backfill, _Mapping]] = ..., first: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., last: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., was_started: _Optional[bool] = ..., is_more: _Optional[bool] = ...) -> None: ...

class GetBackfillRequest(_message.Message):
    __slots__ = ("id",)
    ID_FIELD_NUMBER: _ClassVar[int]
    id: BackfillId
    def __init__(self, id: _Optional[_Union[BackfillId, _Mapping]] = ...) -> None: ...

class ListBackfillsRequest(_message.Message):
    __slots__ = ("project", "domain", "launch_plan", "limit", "token")
    PROJECT_FIELD_NUMBER: _ClassVar[int]
    DOMAIN_FIELD_NUMBER: _ClassVar[int]
    LAUNCH_PLAN_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    project: str
    domain: str
    launch_plan: str
    limit: int
    token: str
    def __init__(self, project: _Optional[str] = ..., domain: _Optional[str] = ..., launch_plan: _Optional[str] = ..., limit: _Optional[int] = ..., token: _Optional[str] = ...) -> None: ...

class ListBackfillsResponse(_message.Message):
    __slots__ = ("backfills", "token")
    BACKFILLS_FIELD_NUMBER: _ClassVar[int]
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    backfills: _containers.RepeatedCompositeFieldContainer[Backfill]
    token: str
    def __init__(self, backfills: _Optional[_Iterable[_Union[Backfill, _Mapping]]] = ..., token: _Optional[str] = ...) -> None: ...

class ListBackfillRunsRequest(_message.Message):
    __slots__ = ("id", "state", "limit", "token")
    ID_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    id: BackfillId
    state: BackfillRun.State
    limit: int
    token: str
    def __init__(self, id: _Optional[_Union[BackfillId, _Mapping]] = ..., state: _Optional[_Union[BackfillRun.State, str]] = ..., limit: _Optional[int] = ..., token: _Optional[str] = ...) -> None: ...

class ListBackfillRunsResponse(_message.Message):
    __slots__ = ("runs", "token")
    RUNS_FIELD_NUMBER: _ClassVar[int]
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    runs: _containers.RepeatedCompositeFieldContainer[BackfillRun]
    token: str
    def __init__(self, runs: _Optional[_Iterable[_Union[BackfillRun, _Mapping]]] = ..., token: _Optional[str] = ...) -> None: ...

class SetBackfillStateRequest(_message.Message):
    __slots__ = ("id", "state", "abort_running", "reason", "changed_by")
    ID_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    ABORT_RUNNING_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    CHANGED_BY_FIELD_NUMBER: _ClassVar[int]
    id: BackfillId
    state: Backfill.State
    abort_running: bool
    reason: str
    changed_by: str
    def __init__(self, id: _Optional[_Union[BackfillId, _Mapping]] = ..., state: _Optional[_Union[Backfill.State, str]] = ..., abort_running: _Optional[bool] = ..., reason: _Optional[str] = ..., changed_by: _Optional[str] = ...) -> None: ...

class SetBackfillStateResponse(_message.Message):
    __slots__ = ("backfill", "has_changed")
    BACKFILL_FIELD_NUMBER: _ClassVar[int]
    HAS_CHANGED_FIELD_NUMBER: _ClassVar[int]
    backfill: Backfill
    has_changed: bool
    def __init__(self, backfill: _Optional[_Union[Backfill, _Mapping]] = ..., has_changed: _Optional[bool] = ...) -> None: ...

class ChangeBackfillRequest(_message.Message):
    __slots__ = ("id", "parallel", "reason", "changed_by")
    ID_FIELD_NUMBER: _ClassVar[int]
    PARALLEL_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    CHANGED_BY_FIELD_NUMBER: _ClassVar[int]
    id: BackfillId
    parallel: int
    reason: str
    changed_by: str
    def __init__(self, id: _Optional[_Union[BackfillId, _Mapping]] = ..., parallel: _Optional[int] = ..., reason: _Optional[str] = ..., changed_by: _Optional[str] = ...) -> None: ...

class ChangeBackfillResponse(_message.Message):
    __slots__ = ("backfill", "has_changed")
    BACKFILL_FIELD_NUMBER: _ClassVar[int]
    HAS_CHANGED_FIELD_NUMBER: _ClassVar[int]
    backfill: Backfill
    has_changed: bool
    def __init__(self, backfill: _Optional[_Union[Backfill, _Mapping]] = ..., has_changed: _Optional[bool] = ...) -> None: ...
