import datetime

from flyteidl.core import identifier_pb2 as _identifier_pb2
from flyteidl.core import literals_pb2 as _literals_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ForkRequest(_message.Message):
    __slots__ = ("execution_id", "from_nodes", "inputs", "version", "resources", "dry_run", "name", "request_id", "overwrite_cache", "plain_inputs", "forked_by")
    EXECUTION_ID_FIELD_NUMBER: _ClassVar[int]
    FROM_NODES_FIELD_NUMBER: _ClassVar[int]
    INPUTS_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    RESOURCES_FIELD_NUMBER: _ClassVar[int]
    DRY_RUN_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    OVERWRITE_CACHE_FIELD_NUMBER: _ClassVar[int]
    PLAIN_INPUTS_FIELD_NUMBER: _ClassVar[int]
    FORKED_BY_FIELD_NUMBER: _ClassVar[int]
    execution_id: _identifier_pb2.WorkflowExecutionIdentifier
    from_nodes: _containers.RepeatedScalarFieldContainer[str]
    inputs: _literals_pb2.LiteralMap
    version: str
    resources: _containers.RepeatedCompositeFieldContainer[NodeResource]
    dry_run: bool
    name: str
    request_id: str
    overwrite_cache: bool
    plain_inputs: str
    forked_by: str
    def __init__(self, execution_id: _Optional[_Union[_identifier_pb2.WorkflowExecutionIdentifier, _Mapping]] = ..., from_nodes: _Optional[_Iterable[str]] = ..., inputs: _Optional[_Union[_literals_pb2.LiteralMap, _Mapping]] = ..., version: _Optional[str] = ..., resources: _Optional[_Iterable[_Union[NodeResource, _Mapping]]] = ..., dry_run: _Optional[bool] = ..., name: _Optional[str] = ..., request_id: _Optional[str] = ..., overwrite_cache: _Optional[bool] = ..., plain_inputs: _Optional[str] = ..., forked_by: _Optional[str] = ...) -> None: ...

class NodeResource(_message.Message):
    __slots__ = ("node_id", "resource", "quantity")
    NODE_ID_FIELD_NUMBER: _ClassVar[int]
    RESOURCE_FIELD_NUMBER: _ClassVar[int]
    QUANTITY_FIELD_NUMBER: _ClassVar[int]
    node_id: str
    resource: str
    quantity: str
    def __init__(self, node_id: _Optional[str] = ..., resource: _Optional[str] = ..., quantity: _Optional[str] = ...) -> None: ...

class ForkResponse(_message.Message):
    __slots__ = ("execution_id", "nodes", "reused", "run_again", "changed_inputs")
    EXECUTION_ID_FIELD_NUMBER: _ClassVar[int]
    NODES_FIELD_NUMBER: _ClassVar[int]
    REUSED_FIELD_NUMBER: _ClassVar[int]
    RUN_AGAIN_FIELD_NUMBER: _ClassVar[int]
    CHANGED_INPUTS_FIELD_NUMBER: _ClassVar[int]
    execution_id: _identifier_pb2.WorkflowExecutionIdentifier
    nodes: _containers.RepeatedCompositeFieldContainer[ForkedNode]
    reused: int
    run_again: int
    changed_inputs: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, execution_id: _Optional[_Union[_identifier_pb2.WorkflowExecutionIdentifier, _Mapping]] = ..., nodes: _Optional[_Iterable[_Union[ForkedNode, _Mapping]]] = ..., reused: _Optional[int] = ..., run_again: _Optional[int] = ..., changed_inputs: _Optional[_Iterable[str]] = ...) -> None: ...

class ForkedNode(_message.Message):
    __slots__ = ("node_id", "name", "reused", "reason", "reused_elements", "reused_element_count")
    NODE_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    REUSED_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    REUSED_ELEMENTS_FIELD_NUMBER: _ClassVar[int]
    REUSED_ELEMENT_COUNT_FIELD_NUMBER: _ClassVar[int]
    node_id: str
    name: str
    reused: bool
    reason: str
    reused_elements: str
    reused_element_count: int
    def __init__(self, node_id: _Optional[str] = ..., name: _Optional[str] = ..., reused: _Optional[bool] = ..., reason: _Optional[str] = ..., reused_elements: _Optional[str] = ..., reused_element_count: _Optional[int] = ...) -> None: ...

class LineageRequest(_message.Message):
    __slots__ = ("execution_id",)
    EXECUTION_ID_FIELD_NUMBER: _ClassVar[int]
    execution_id: _identifier_pb2.WorkflowExecutionIdentifier
    def __init__(self, execution_id: _Optional[_Union[_identifier_pb2.WorkflowExecutionIdentifier, _Mapping]] = ...) -> None: ...

class Lineage(_message.Message):
    __slots__ = ("forked_from", "forks")
    FORKED_FROM_FIELD_NUMBER: _ClassVar[int]
    FORKS_FIELD_NUMBER: _ClassVar[int]
    forked_from: Fork
    forks: _containers.RepeatedCompositeFieldContainer[Fork]
    def __init__(self, forked_from: _Optional[_Union[Fork, _Mapping]] = ..., forks: _Optional[_Iterable[_Union[Fork, _Mapping]]] = ...) -> None: ...

class Fork(_message.Message):
    __slots__ = ("execution_id", "source", "created_at", "from_nodes", "changed_inputs", "version", "resources", "reused", "run_again", "request_id", "forked_by")
    EXECUTION_ID_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    FROM_NODES_FIELD_NUMBER: _ClassVar[int]
    CHANGED_INPUTS_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    RESOURCES_FIELD_NUMBER: _ClassVar[int]
    REUSED_FIELD_NUMBER: _ClassVar[int]
    RUN_AGAIN_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    FORKED_BY_FIELD_NUMBER: _ClassVar[int]
    execution_id: _identifier_pb2.WorkflowExecutionIdentifier
    source: _identifier_pb2.WorkflowExecutionIdentifier
    created_at: _timestamp_pb2.Timestamp
    from_nodes: _containers.RepeatedScalarFieldContainer[str]
    changed_inputs: _containers.RepeatedScalarFieldContainer[str]
    version: str
    resources: _containers.RepeatedCompositeFieldContainer[NodeResource]
    reused: int
    run_again: int
    request_id: str
    forked_by: str
    def __init__(self, execution_id: _Optional[_Union[_identifier_pb2.WorkflowExecutionIdentifier, _Mapping]] = ..., source: _Optional[_Union[_identifier_pb2.WorkflowExecutionIdentifier, _Mapping]] = ..., created_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., from_nodes: _Optional[_Iterable[str]] = ..., changed_inputs: _Optional[_Iterable[str]] = ..., version: _Optional[str] = ..., resources: _Optional[_Iterable[_Union[NodeResource, _Mapping]]] = ..., reused: _Optional[int] = ..., run_again: _Optional[int] = ..., request_id: _Optional[str] = ..., forked_by: _Optional[str] = ...) -> None: ...
