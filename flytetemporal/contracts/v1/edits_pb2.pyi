import datetime

from flyteidl.core import identifier_pb2 as _identifier_pb2
from flyteidl.core import literals_pb2 as _literals_pb2
from flyteidl.core import tasks_pb2 as _tasks_pb2
from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf import wrappers_pb2 as _wrappers_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class EditRequest(_message.Message):
    __slots__ = ("execution_id", "request_id", "expected_revision", "edited_by", "reason", "execution", "node", "retry", "skip")
    EXECUTION_ID_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_REVISION_FIELD_NUMBER: _ClassVar[int]
    EDITED_BY_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    EXECUTION_FIELD_NUMBER: _ClassVar[int]
    NODE_FIELD_NUMBER: _ClassVar[int]
    RETRY_FIELD_NUMBER: _ClassVar[int]
    SKIP_FIELD_NUMBER: _ClassVar[int]
    execution_id: _identifier_pb2.WorkflowExecutionIdentifier
    request_id: str
    expected_revision: _wrappers_pb2.UInt64Value
    edited_by: str
    reason: str
    execution: ExecutionEdit
    node: NodeEdit
    retry: RetryNode
    skip: SkipNode
    def __init__(self, execution_id: _Optional[_Union[_identifier_pb2.WorkflowExecutionIdentifier, _Mapping]] = ..., request_id: _Optional[str] = ..., expected_revision: _Optional[_Union[_wrappers_pb2.UInt64Value, _Mapping]] = ..., edited_by: _Optional[str] = ..., reason: _Optional[str] = ..., execution: _Optional[_Union[ExecutionEdit, _Mapping]] = ..., node: _Optional[_Union[NodeEdit, _Mapping]] = ..., retry: _Optional[_Union[RetryNode, _Mapping]] = ..., skip: _Optional[_Union[SkipNode, _Mapping]] = ...) -> None: ...

class ExecutionEdit(_message.Message):
    __slots__ = ("max_parallelism", "on_failure")
    MAX_PARALLELISM_FIELD_NUMBER: _ClassVar[int]
    ON_FAILURE_FIELD_NUMBER: _ClassVar[int]
    max_parallelism: _wrappers_pb2.UInt32Value
    on_failure: str
    def __init__(self, max_parallelism: _Optional[_Union[_wrappers_pb2.UInt32Value, _Mapping]] = ..., on_failure: _Optional[str] = ...) -> None: ...

class NodeEdit(_message.Message):
    __slots__ = ("node_id", "retries", "timeout", "resources", "max_parallelism")
    class ResourcesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    NODE_ID_FIELD_NUMBER: _ClassVar[int]
    RETRIES_FIELD_NUMBER: _ClassVar[int]
    TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    RESOURCES_FIELD_NUMBER: _ClassVar[int]
    MAX_PARALLELISM_FIELD_NUMBER: _ClassVar[int]
    node_id: str
    retries: _wrappers_pb2.UInt32Value
    timeout: _duration_pb2.Duration
    resources: _containers.ScalarMap[str, str]
    max_parallelism: _wrappers_pb2.UInt32Value
    def __init__(self, node_id: _Optional[str] = ..., retries: _Optional[_Union[_wrappers_pb2.UInt32Value, _Mapping]] = ..., timeout: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., resources: _Optional[_Mapping[str, str]] = ..., max_parallelism: _Optional[_Union[_wrappers_pb2.UInt32Value, _Mapping]] = ...) -> None: ...

class RetryNode(_message.Message):
    __slots__ = ("node_id",)
    NODE_ID_FIELD_NUMBER: _ClassVar[int]
    node_id: str
    def __init__(self, node_id: _Optional[str] = ...) -> None: ...

class SkipNode(_message.Message):
    __slots__ = ("node_id", "literals", "json")
    NODE_ID_FIELD_NUMBER: _ClassVar[int]
    LITERALS_FIELD_NUMBER: _ClassVar[int]
    JSON_FIELD_NUMBER: _ClassVar[int]
    node_id: str
    literals: _literals_pb2.LiteralMap
    json: str
    def __init__(self, node_id: _Optional[str] = ..., literals: _Optional[_Union[_literals_pb2.LiteralMap, _Mapping]] = ..., json: _Optional[str] = ...) -> None: ...

class EditResponse(_message.Message):
    __slots__ = ("revision",)
    REVISION_FIELD_NUMBER: _ClassVar[int]
    revision: int
    def __init__(self, revision: _Optional[int] = ...) -> None: ...

class EditCommand(_message.Message):
    __slots__ = ("request_id", "expected_revision", "execution", "node", "retry", "skip")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_REVISION_FIELD_NUMBER: _ClassVar[int]
    EXECUTION_FIELD_NUMBER: _ClassVar[int]
    NODE_FIELD_NUMBER: _ClassVar[int]
    RETRY_FIELD_NUMBER: _ClassVar[int]
    SKIP_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    expected_revision: _wrappers_pb2.UInt64Value
    execution: ExecutionEdit
    node: NodeChanges
    retry: RetryNode
    skip: SkippedNode
    def __init__(self, request_id: _Optional[str] = ..., expected_revision: _Optional[_Union[_wrappers_pb2.UInt64Value, _Mapping]] = ..., execution: _Optional[_Union[ExecutionEdit, _Mapping]] = ..., node: _Optional[_Union[NodeChanges, _Mapping]] = ..., retry: _Optional[_Union[RetryNode, _Mapping]] = ..., skip: _Optional[_Union[SkippedNode, _Mapping]] = ...) -> None: ...

class NodeChanges(_message.Message):
    __slots__ = ("node_id", "retries", "timeout", "resources", "max_parallelism")
    NODE_ID_FIELD_NUMBER: _ClassVar[int]
    RETRIES_FIELD_NUMBER: _ClassVar[int]
    TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    RESOURCES_FIELD_NUMBER: _ClassVar[int]
    MAX_PARALLELISM_FIELD_NUMBER: _ClassVar[int]
    node_id: str
    retries: _wrappers_pb2.UInt32Value
    timeout: _duration_pb2.Duration
    resources: _tasks_pb2.Resources
    max_parallelism: _wrappers_pb2.UInt32Value
    def __init__(self, node_id: _Optional[str] = ..., retries: _Optional[_Union[_wrappers_pb2.UInt32Value, _Mapping]] = ..., timeout: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., resources: _Optional[_Union[_tasks_pb2.Resources, _Mapping]] = ..., max_parallelism: _Optional[_Union[_wrappers_pb2.UInt32Value, _Mapping]] = ...) -> None: ...

class SkippedNode(_message.Message):
    __slots__ = ("node_id", "uri", "literals")
    NODE_ID_FIELD_NUMBER: _ClassVar[int]
    URI_FIELD_NUMBER: _ClassVar[int]
    LITERALS_FIELD_NUMBER: _ClassVar[int]
    node_id: str
    uri: str
    literals: _literals_pb2.LiteralMap
    def __init__(self, node_id: _Optional[str] = ..., uri: _Optional[str] = ..., literals: _Optional[_Union[_literals_pb2.LiteralMap, _Mapping]] = ...) -> None: ...

class Edits(_message.Message):
    __slots__ = ("revision", "on_failure", "retries", "skips", "max_parallelism", "changes", "answered")
    REVISION_FIELD_NUMBER: _ClassVar[int]
    ON_FAILURE_FIELD_NUMBER: _ClassVar[int]
    RETRIES_FIELD_NUMBER: _ClassVar[int]
    SKIPS_FIELD_NUMBER: _ClassVar[int]
    MAX_PARALLELISM_FIELD_NUMBER: _ClassVar[int]
    CHANGES_FIELD_NUMBER: _ClassVar[int]
    ANSWERED_FIELD_NUMBER: _ClassVar[int]
    revision: int
    on_failure: str
    retries: _containers.RepeatedScalarFieldContainer[str]
    skips: _containers.RepeatedCompositeFieldContainer[SkippedNode]
    max_parallelism: _wrappers_pb2.UInt32Value
    changes: _containers.RepeatedCompositeFieldContainer[NodeChanges]
    answered: _containers.RepeatedCompositeFieldContainer[AnsweredEdit]
    def __init__(self, revision: _Optional[int] = ..., on_failure: _Optional[str] = ..., retries: _Optional[_Iterable[str]] = ..., skips: _Optional[_Iterable[_Union[SkippedNode, _Mapping]]] = ..., max_parallelism: _Optional[_Union[_wrappers_pb2.UInt32Value, _Mapping]] = ..., changes: _Optional[_Iterable[_Union[NodeChanges, _Mapping]]] = ..., answered: _Optional[_Iterable[_Union[AnsweredEdit, _Mapping]]] = ...) -> None: ...

class AnsweredEdit(_message.Message):
    __slots__ = ("request_id", "digest", "response")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    RESPONSE_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    digest: str
    response: EditResponse
    def __init__(self, request_id: _Optional[str] = ..., digest: _Optional[str] = ..., response: _Optional[_Union[EditResponse, _Mapping]] = ...) -> None: ...

class OperatorAction(_message.Message):
    __slots__ = ("at", "action", "operator", "reason", "request_id", "details", "unanswered", "node_id")
    AT_FIELD_NUMBER: _ClassVar[int]
    ACTION_FIELD_NUMBER: _ClassVar[int]
    OPERATOR_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    DETAILS_FIELD_NUMBER: _ClassVar[int]
    UNANSWERED_FIELD_NUMBER: _ClassVar[int]
    NODE_ID_FIELD_NUMBER: _ClassVar[int]
    at: _timestamp_pb2.Timestamp
    action: str
    operator: str
    reason: str
    request_id: str
    details: str
    unanswered: bool
    node_id: str
    def __init__(self, at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., action: _Optional[str] = ..., operator: _Optional[str] = ..., reason: _Optional[str] = ..., request_id: _Optional[str] = ..., details: _Optional[str] = ..., unanswered: _Optional[bool] = ..., node_id: _Optional[str] = ...) -> None: ...

class ListOperatorActionsRequest(_message.Message):
    __slots__ = ("execution_id", "limit", "token")
    EXECUTION_ID_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    execution_id: _identifier_pb2.WorkflowExecutionIdentifier
    limit: int
    token: str
    def __init__(self, execution_id: _Optional[_Union[_identifier_pb2.WorkflowExecutionIdentifier, _Mapping]] = ..., limit: _Optional[int] = ..., token: _Optional[str] = ...) -> None: ...

class ListOperatorActionsResponse(_message.Message):
    __slots__ = ("actions", "token")
    ACTIONS_FIELD_NUMBER: _ClassVar[int]
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    actions: _containers.RepeatedCompositeFieldContainer[OperatorAction]
    token: str
    def __init__(self, actions: _Optional[_Iterable[_Union[OperatorAction, _Mapping]]] = ..., token: _Optional[str] = ...) -> None: ...
