import datetime

from flyteidl.core import execution_pb2 as _execution_pb2
from flyteidl.core import identifier_pb2 as _identifier_pb2
from flyteidl.core import types_pb2 as _types_pb2
from flytetemporal.contracts.v1 import artifacts_pb2 as _artifacts_pb2
from flytetemporal.contracts.v1 import backfills_pb2 as _backfills_pb2
from flytetemporal.contracts.v1 import edits_pb2 as _edits_pb2
from flytetemporal.contracts.v1 import fork_pb2 as _fork_pb2
from flytetemporal.contracts.v1 import notifications_pb2 as _notifications_pb2
from flytetemporal.contracts.v1 import records_pb2 as _records_pb2
from flytetemporal.contracts.v1 import pauses_pb2 as _pauses_pb2
from flytetemporal.contracts.v1 import retention_pb2 as _retention_pb2
from flytetemporal.contracts.v1 import schedules_pb2 as _schedules_pb2
from flytetemporal.contracts.v1 import task_tokens_pb2 as _task_tokens_pb2
from flytetemporal.contracts.v1 import triggers_pb2 as _triggers_pb2
from flytetemporal.contracts.v1 import upkeep_pb2 as _upkeep_pb2
from google.api import annotations_pb2 as _annotations_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ExplainRequest(_message.Message):
    __slots__ = ("execution_id", "node_id")
    EXECUTION_ID_FIELD_NUMBER: _ClassVar[int]
    NODE_ID_FIELD_NUMBER: _ClassVar[int]
    execution_id: _identifier_pb2.WorkflowExecutionIdentifier
    node_id: str
    def __init__(self, execution_id: _Optional[_Union[_identifier_pb2.WorkflowExecutionIdentifier, _Mapping]] = ..., node_id: _Optional[str] = ...) -> None: ...

class ExplainResponse(_message.Message):
    __slots__ = ("phase", "notes", "waits", "more", "revision")
    PHASE_FIELD_NUMBER: _ClassVar[int]
    NOTES_FIELD_NUMBER: _ClassVar[int]
    WAITS_FIELD_NUMBER: _ClassVar[int]
    MORE_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    phase: _execution_pb2.WorkflowExecution.Phase
    notes: _containers.RepeatedScalarFieldContainer[str]
    waits: _containers.RepeatedCompositeFieldContainer[Wait]
    more: int
    revision: int
    def __init__(self, phase: _Optional[_Union[_execution_pb2.WorkflowExecution.Phase, str]] = ..., notes: _Optional[_Iterable[str]] = ..., waits: _Optional[_Iterable[_Union[Wait, _Mapping]]] = ..., more: _Optional[int] = ..., revision: _Optional[int] = ...) -> None: ...

class ForceTerminateRequest(_message.Message):
    __slots__ = ("execution_id", "cause")
    EXECUTION_ID_FIELD_NUMBER: _ClassVar[int]
    CAUSE_FIELD_NUMBER: _ClassVar[int]
    execution_id: _identifier_pb2.WorkflowExecutionIdentifier
    cause: str
    def __init__(self, execution_id: _Optional[_Union[_identifier_pb2.WorkflowExecutionIdentifier, _Mapping]] = ..., cause: _Optional[str] = ...) -> None: ...

class ForceTerminateResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class Waits(_message.Message):
    __slots__ = ("revision", "waits", "more")
    REVISION_FIELD_NUMBER: _ClassVar[int]
    WAITS_FIELD_NUMBER: _ClassVar[int]
    MORE_FIELD_NUMBER: _ClassVar[int]
    revision: int
    waits: _containers.RepeatedCompositeFieldContainer[Wait]
    more: int
    def __init__(self, revision: _Optional[int] = ..., waits: _Optional[_Iterable[_Union[Wait, _Mapping]]] = ..., more: _Optional[int] = ...) -> None: ...

class Wait(_message.Message):
    __slots__ = ("node_id", "name", "since", "nodes", "slot", "hold", "signal", "timer", "backoff", "attempt", "nested", "engine", "child", "pause", "text", "will_be_skipped")
    NODE_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    SINCE_FIELD_NUMBER: _ClassVar[int]
    NODES_FIELD_NUMBER: _ClassVar[int]
    SLOT_FIELD_NUMBER: _ClassVar[int]
    HOLD_FIELD_NUMBER: _ClassVar[int]
    SIGNAL_FIELD_NUMBER: _ClassVar[int]
    TIMER_FIELD_NUMBER: _ClassVar[int]
    BACKOFF_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    NESTED_FIELD_NUMBER: _ClassVar[int]
    ENGINE_FIELD_NUMBER: _ClassVar[int]
    CHILD_FIELD_NUMBER: _ClassVar[int]
    PAUSE_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    WILL_BE_SKIPPED_FIELD_NUMBER: _ClassVar[int]
    node_id: str
    name: str
    since: _timestamp_pb2.Timestamp
    nodes: NodesWait
    slot: SlotWait
    hold: HoldWait
    signal: SignalWait
    timer: TimerWait
    backoff: BackoffWait
    attempt: AttemptWait
    nested: NestedWait
    engine: EngineWait
    child: ChildWait
    pause: _pauses_pb2.Pause
    text: str
    will_be_skipped: bool
    def __init__(self, node_id: _Optional[str] = ..., name: _Optional[str] = ..., since: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., nodes: _Optional[_Union[NodesWait, _Mapping]] = ..., slot: _Optional[_Union[SlotWait, _Mapping]] = ..., hold: _Optional[_Union[HoldWait, _Mapping]] = ..., signal: _Optional[_Union[SignalWait, _Mapping]] = ..., timer: _Optional[_Union[TimerWait, _Mapping]] = ..., backoff: _Optional[_Union[BackoffWait, _Mapping]] = ..., attempt: _Optional[_Union[AttemptWait, _Mapping]] = ..., nested: _Optional[_Union[NestedWait, _Mapping]] = ..., engine: _Optional[_Union[EngineWait, _Mapping]] = ..., child: _Optional[_Union[ChildWait, _Mapping]] = ..., pause: _Optional[_Union[_pauses_pb2.Pause, _Mapping]] = ..., text: _Optional[str] = ..., will_be_skipped: _Optional[bool] = ...) -> None: ...

class NodesWait(_message.Message):
    __slots__ = ("node_ids",)
    NODE_IDS_FIELD_NUMBER: _ClassVar[int]
    node_ids: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, node_ids: _Optional[_Iterable[str]] = ...) -> None: ...

class SlotWait(_message.Message):
    __slots__ = ("limit_name", "limit", "holders")
    LIMIT_NAME_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    HOLDERS_FIELD_NUMBER: _ClassVar[int]
    limit_name: str
    limit: int
    holders: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, limit_name: _Optional[str] = ..., limit: _Optional[int] = ..., holders: _Optional[_Iterable[str]] = ...) -> None: ...

class HoldWait(_message.Message):
    __slots__ = ("error", "execution")
    ERROR_FIELD_NUMBER: _ClassVar[int]
    EXECUTION_FIELD_NUMBER: _ClassVar[int]
    error: _execution_pb2.ExecutionError
    execution: str
    def __init__(self, error: _Optional[_Union[_execution_pb2.ExecutionError, _Mapping]] = ..., execution: _Optional[str] = ...) -> None: ...

class SignalWait(_message.Message):
    __slots__ = ("signal_id", "type")
    SIGNAL_ID_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    signal_id: str
    type: _types_pb2.LiteralType
    def __init__(self, signal_id: _Optional[str] = ..., type: _Optional[_Union[_types_pb2.LiteralType, _Mapping]] = ...) -> None: ...

class TimerWait(_message.Message):
    __slots__ = ("until",)
    UNTIL_FIELD_NUMBER: _ClassVar[int]
    until: _timestamp_pb2.Timestamp
    def __init__(self, until: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class BackoffWait(_message.Message):
    __slots__ = ("until", "next_attempt", "last_error")
    UNTIL_FIELD_NUMBER: _ClassVar[int]
    NEXT_ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    LAST_ERROR_FIELD_NUMBER: _ClassVar[int]
    until: _timestamp_pb2.Timestamp
    next_attempt: int
    last_error: _execution_pb2.ExecutionError
    def __init__(self, until: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., next_attempt: _Optional[int] = ..., last_error: _Optional[_Union[_execution_pb2.ExecutionError, _Mapping]] = ...) -> None: ...

class AttemptWait(_message.Message):
    __slots__ = ("attempt", "activity_id", "task_queue", "state", "pollers", "tries", "last_failure", "next_try_at", "waits_for", "remark")
    class State(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        UNKNOWN: _ClassVar[AttemptWait.State]
        SCHEDULED: _ClassVar[AttemptWait.State]
        RUNNING: _ClassVar[AttemptWait.State]
        CANCEL_REQUESTED: _ClassVar[AttemptWait.State]
        BACKING_OFF: _ClassVar[AttemptWait.State]
    UNKNOWN: AttemptWait.State
    SCHEDULED: AttemptWait.State
    RUNNING: AttemptWait.State
    CANCEL_REQUESTED: AttemptWait.State
    BACKING_OFF: AttemptWait.State
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    ACTIVITY_ID_FIELD_NUMBER: _ClassVar[int]
    TASK_QUEUE_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    POLLERS_FIELD_NUMBER: _ClassVar[int]
    TRIES_FIELD_NUMBER: _ClassVar[int]
    LAST_FAILURE_FIELD_NUMBER: _ClassVar[int]
    NEXT_TRY_AT_FIELD_NUMBER: _ClassVar[int]
    WAITS_FOR_FIELD_NUMBER: _ClassVar[int]
    REMARK_FIELD_NUMBER: _ClassVar[int]
    attempt: int
    activity_id: str
    task_queue: str
    state: AttemptWait.State
    pollers: int
    tries: int
    last_failure: str
    next_try_at: _timestamp_pb2.Timestamp
    waits_for: str
    remark: str
    def __init__(self, attempt: _Optional[int] = ..., activity_id: _Optional[str] = ..., task_queue: _Optional[str] = ..., state: _Optional[_Union[AttemptWait.State, str]] = ..., pollers: _Optional[int] = ..., tries: _Optional[int] = ..., last_failure: _Optional[str] = ..., next_try_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., waits_for: _Optional[str] = ..., remark: _Optional[str] = ...) -> None: ...

class NestedWait(_message.Message):
    __slots__ = ("node_ids",)
    NODE_IDS_FIELD_NUMBER: _ClassVar[int]
    node_ids: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, node_ids: _Optional[_Iterable[str]] = ...) -> None: ...

class EngineWait(_message.Message):
    __slots__ = ("work",)
    WORK_FIELD_NUMBER: _ClassVar[int]
    work: str
    def __init__(self, work: _Optional[str] = ...) -> None: ...

class ChildWait(_message.Message):
    __slots__ = ("execution_id",)
    EXECUTION_ID_FIELD_NUMBER: _ClassVar[int]
    execution_id: _identifier_pb2.WorkflowExecutionIdentifier
    def __init__(self, execution_id: _Optional[_Union[_identifier_pb2.WorkflowExecutionIdentifier, _Mapping]] = ...) -> None: ...
