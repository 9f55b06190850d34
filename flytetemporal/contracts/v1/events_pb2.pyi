from flyteidl.event import event_pb2 as _event_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Event(_message.Message):
    __slots__ = ("workflow", "node", "task")
    WORKFLOW_FIELD_NUMBER: _ClassVar[int]
    NODE_FIELD_NUMBER: _ClassVar[int]
    TASK_FIELD_NUMBER: _ClassVar[int]
    workflow: _event_pb2.WorkflowExecutionEvent
    node: _event_pb2.NodeExecutionEvent
    task: _event_pb2.TaskExecutionEvent
    def __init__(self, workflow: _Optional[_Union[_event_pb2.WorkflowExecutionEvent, _Mapping]] = ..., node: _Optional[_Union[_event_pb2.NodeExecutionEvent, _Mapping]] = ..., task: _Optional[_Union[_event_pb2.TaskExecutionEvent, _Mapping]] = ...) -> None: ...

class RecordEventsRequest(_message.Message):
    __slots__ = ("events", "tentative")
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    TENTATIVE_FIELD_NUMBER: _ClassVar[int]
    events: _containers.RepeatedCompositeFieldContainer[Event]
    tentative: bool
    def __init__(self, events: _Optional[_Iterable[_Union[Event, _Mapping]]] = ..., tentative: _Optional[bool] = ...) -> None: ...

class RecordEventsResponse(_message.Message):
    __slots__ = ("applied",)
    APPLIED_FIELD_NUMBER: _ClassVar[int]
    applied: int
    def __init__(self, applied: _Optional[int] = ...) -> None: ...
