import datetime

from flyteidl.admin import common_pb2 as _common_pb2
from flyteidl.admin import execution_pb2 as _execution_pb2
from flyteidl.core import condition_pb2 as _condition_pb2
from flyteidl.core import execution_pb2 as _execution_pb2_1
from flyteidl.core import identifier_pb2 as _identifier_pb2
from flyteidl.core import literals_pb2 as _literals_pb2
from flyteidl.core import security_pb2 as _security_pb2
from flyteidl.core import tasks_pb2 as _tasks_pb2
from flyteidl.core import types_pb2 as _types_pb2
from flyteidl.core import workflow_pb2 as _workflow_pb2
from flyteidl.event import event_pb2 as _event_pb2
from flytetemporal.contracts.v1 import edits_pb2 as _edits_pb2
from flytetemporal.contracts.v1 import events_pb2 as _events_pb2
from flytetemporal.contracts.v1 import pauses_pb2 as _pauses_pb2
from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf import wrappers_pb2 as _wrappers_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ContentReference(_message.Message):
    __slots__ = ("uri", "sha256", "size_bytes")
    URI_FIELD_NUMBER: _ClassVar[int]
    SHA256_FIELD_NUMBER: _ClassVar[int]
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    uri: str
    sha256: str
    size_bytes: int
    def __init__(self, uri: _Optional[str] = ..., sha256: _Optional[str] = ..., size_bytes: _Optional[int] = ...) -> None: ...

class ExecutionSettings(_message.Message):
    __slots__ = ("max_parallelism", "interruptible", "overwrite_cache", "labels", "annotations", "envs", "security_context", "raw_output_prefix", "namespace", "cluster", "on_failure", "timeout", "retry_rules", "asked_raw_output_prefix", "memory_rules", "map_batch", "priority")
    MAX_PARALLELISM_FIELD_NUMBER: _ClassVar[int]
    INTERRUPTIBLE_FIELD_NUMBER: _ClassVar[int]
    OVERWRITE_CACHE_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    ANNOTATIONS_FIELD_NUMBER: _ClassVar[int]
    ENVS_FIELD_NUMBER: _ClassVar[int]
    SECURITY_CONTEXT_FIELD_NUMBER: _ClassVar[int]
    RAW_OUTPUT_PREFIX_FIELD_NUMBER: _ClassVar[int]
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    CLUSTER_FIELD_NUMBER: _ClassVar[int]
    ON_FAILURE_FIELD_NUMBER: _ClassVar[int]
    TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    RETRY_RULES_FIELD_NUMBER: _ClassVar[int]
    ASKED_RAW_OUTPUT_PREFIX_FIELD_NUMBER: _ClassVar[int]
    MEMORY_RULES_FIELD_NUMBER: _ClassVar[int]
    MAP_BATCH_FIELD_NUMBER: _ClassVar[int]
    PRIORITY_FIELD_NUMBER: _ClassVar[int]
    max_parallelism: int
    interruptible: _wrappers_pb2.BoolValue
    overwrite_cache: bool
    labels: _common_pb2.Labels
    annotations: _common_pb2.Annotations
    envs: _common_pb2.Envs
    security_context: _security_pb2.SecurityContext
    raw_output_prefix: str
    namespace: str
    cluster: str
    on_failure: str
    timeout: _duration_pb2.Duration
    retry_rules: _containers.RepeatedCompositeFieldContainer[RetryRule]
    asked_raw_output_prefix: str
    memory_rules: _containers.RepeatedCompositeFieldContainer[MemoryRule]
    map_batch: _wrappers_pb2.UInt32Value
    priority: int
    def __init__(self, max_parallelism: _Optional[int] = ..., interruptible: _Optional[_Union[_wrappers_pb2.BoolValue, _Mapping]] = ..., overwrite_cache: _Optional[bool] = ..., labels: _Optional[_Union[_common_pb2.Labels, _Mapping]] = ..., annotations: _Optional[_Union[_common_pb2.Annotations, _Mapping]] = ..., envs: _Optional[_Union[_common_pb2.Envs, _Mapping]] = ..., security_context: _Optional[_Union[_security_pb2.SecurityContext, _Mapping]] = ..., raw_output_prefix: _Optional[str] = ..., namespace: _Optional[str] = ..., cluster: _Optional[str] = ..., on_failure: _Optional[str] = ..., timeout: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., retry_rules: _Optional[_Iterable[_Union[RetryRule, _Mapping]]] = ..., asked_raw_output_prefix: _Optional[str] = ..., memory_rules: _Optional[_Iterable[_Union[MemoryRule, _Mapping]]] = ..., map_batch: _Optional[_Union[_wrappers_pb2.UInt32Value, _Mapping]] = ..., priority: _Optional[int] = ...) -> None: ...

class MemoryRule(_message.Message):
    __slots__ = ("task", "factor", "maximum_bytes", "steps")
    TASK_FIELD_NUMBER: _ClassVar[int]
    FACTOR_FIELD_NUMBER: _ClassVar[int]
    MAXIMUM_BYTES_FIELD_NUMBER: _ClassVar[int]
    STEPS_FIELD_NUMBER: _ClassVar[int]
    task: str
    factor: float
    maximum_bytes: int
    steps: int
    def __init__(self, task: _Optional[str] = ..., factor: _Optional[float] = ..., maximum_bytes: _Optional[int] = ..., steps: _Optional[int] = ...) -> None: ...

class RetryRule(_message.Message):
    __slots__ = ("task", "cause", "retries", "initial_interval", "backoff_coefficient", "maximum_interval")
    TASK_FIELD_NUMBER: _ClassVar[int]
    CAUSE_FIELD_NUMBER: _ClassVar[int]
    RETRIES_FIELD_NUMBER: _ClassVar[int]
    INITIAL_INTERVAL_FIELD_NUMBER: _ClassVar[int]
    BACKOFF_COEFFICIENT_FIELD_NUMBER: _ClassVar[int]
    MAXIMUM_INTERVAL_FIELD_NUMBER: _ClassVar[int]
    task: str
    cause: str
    retries: _wrappers_pb2.UInt32Value
    initial_interval: _duration_pb2.Duration
    backoff_coefficient: float
    maximum_interval: _duration_pb2.Duration
    def __init__(self, task: _Optional[str] = ..., cause: _Optional[str] = ..., retries: _Optional[_Union[_wrappers_pb2.UInt32Value, _Mapping]] = ..., initial_interval: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., backoff_coefficient: _Optional[float] = ..., maximum_interval: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class ExecutionInput(_message.Message):
    __slots__ = ("execution_id", "workflow_id", "inline_graph", "stored_graph", "tasks", "inputs", "metadata_dir", "settings", "parent", "launched_by", "edits", "history_events", "inline_state", "stored_state", "max_depth", "distinct_names", "node_deadline_factor", "inherited", "recovered_from", "reused", "node_resources", "pauses")
    class NodeResourcesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: _tasks_pb2.Resources
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[_tasks_pb2.Resources, _Mapping]] = ...) -> None: ...
    EXECUTION_ID_FIELD_NUMBER: _ClassVar[int]
    WORKFLOW_ID_FIELD_NUMBER: _ClassVar[int]
    INLINE_GRAPH_FIELD_NUMBER: _ClassVar[int]
    STORED_GRAPH_FIELD_NUMBER: _ClassVar[int]
    TASKS_FIELD_NUMBER: _ClassVar[int]
    INPUTS_FIELD_NUMBER: _ClassVar[int]
    METADATA_DIR_FIELD_NUMBER: _ClassVar[int]
    SETTINGS_FIELD_NUMBER: _ClassVar[int]
    PARENT_FIELD_NUMBER: _ClassVar[int]
    LAUNCHED_BY_FIELD_NUMBER: _ClassVar[int]
    EDITS_FIELD_NUMBER: _ClassVar[int]
    HISTORY_EVENTS_FIELD_NUMBER: _ClassVar[int]
    INLINE_STATE_FIELD_NUMBER: _ClassVar[int]
    STORED_STATE_FIELD_NUMBER: _ClassVar[int]
    MAX_DEPTH_FIELD_NUMBER: _ClassVar[int]
    DISTINCT_NAMES_FIELD_NUMBER: _ClassVar[int]
    NODE_DEADLINE_FACTOR_FIELD_NUMBER: _ClassVar[int]
    INHERITED_FIELD_NUMBER: _ClassVar[int]
    RECOVERED_FROM_FIELD_NUMBER: _ClassVar[int]
    REUSED_FIELD_NUMBER: _ClassVar[int]
    NODE_RESOURCES_FIELD_NUMBER: _ClassVar[int]
    PAUSES_FIELD_NUMBER: _ClassVar[int]
    execution_id: _identifier_pb2.WorkflowExecutionIdentifier
    workflow_id: _identifier_pb2.Identifier
    inline_graph: bytes
    stored_graph: ContentReference
    tasks: ContentReference
    inputs: NodeOutputs
    metadata_dir: str
    settings: ExecutionSettings
    parent: _identifier_pb2.NodeExecutionIdentifier
    launched_by: str
    edits: _edits_pb2.Edits
    history_events: int
    inline_state: bytes
    stored_state: StoredState
    max_depth: int
    distinct_names: bool
    node_deadline_factor: float
    inherited: InheritedSettings
    recovered_from: _identifier_pb2.WorkflowExecutionIdentifier
    reused: ContentReference
    node_resources: _containers.MessageMap[str, _tasks_pb2.Resources]
    pauses: _pauses_pb2.Pauses
    def __init__(self, execution_id: _Optional[_Union[_identifier_pb2.WorkflowExecutionIdentifier, _Mapping]] = ..., workflow_id: _Optional[_Union[_identifier_pb2.Identifier, _Mapping]] = ..., inline_graph: _Optional[bytes] = ..., stored_graph: _Optional[_Union[ContentReference, _Mapping]] = ..., tasks: _Optional[_Union[ContentReference, _Mapping]] = ..., inputs: _Optional[_Union[NodeOutputs, _Mapping]] = ..., metadata_dir: _Optional[str] = ..., settings: _Optional[_Union[ExecutionSettings, _Mapping]] = ..., parent: _Optional[_Union[_identifier_pb2.NodeExecutionIdentifier, _Mapping]] = ..., launched_by: _Optional[str] = ..., edits: _Optional[_Union[_edits_pb2.Edits, _Mapping]] = ..., history_events: _Optional[int] = ..., inline_state: _Optional[bytes] = ..., stored_state: _Optional[_Union[StoredState, _Mapping]] = ..., max_depth: _Optional[int] = ..., distinct_names: _Optional[bool] = ..., node_deadline_factor: _Optional[float] = ..., inherited: _Optional[_Union[InheritedSettings, _Mapping]] = ..., recovered_from: _Optional[_Union[_identifier_pb2.WorkflowExecutionIdentifier, _Mapping]] = ..., reused: _Optional[_Union[ContentReference, _Mapping]] = ..., node_resources: _Optional[_Mapping[str, _tasks_pb2.Resources]] = ..., pauses: _Optional[_Union[_pauses_pb2.Pauses, _Mapping]] = ...) -> None: ...

class ReusedNodes(_message.Message):
    __slots__ = ("levels",)
    LEVELS_FIELD_NUMBER: _ClassVar[int]
    levels: _containers.RepeatedCompositeFieldContainer[ReusedLevel]
    def __init__(self, levels: _Optional[_Iterable[_Union[ReusedLevel, _Mapping]]] = ...) -> None: ...

class ReusedLevel(_message.Message):
    __slots__ = ("parent_id", "nodes")
    PARENT_ID_FIELD_NUMBER: _ClassVar[int]
    NODES_FIELD_NUMBER: _ClassVar[int]
    parent_id: str
    nodes: _containers.RepeatedCompositeFieldContainer[EarlierNode]
    def __init__(self, parent_id: _Optional[str] = ..., nodes: _Optional[_Iterable[_Union[EarlierNode, _Mapping]]] = ...) -> None: ...

class InheritedSettings(_message.Message):
    __slots__ = ("fields",)
    FIELDS_FIELD_NUMBER: _ClassVar[int]
    fields: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, fields: _Optional[_Iterable[str]] = ...) -> None: ...

class StoredState(_message.Message):
    __slots__ = ("parts",)
    PARTS_FIELD_NUMBER: _ClassVar[int]
    parts: _containers.RepeatedCompositeFieldContainer[ContentReference]
    def __init__(self, parts: _Optional[_Iterable[_Union[ContentReference, _Mapping]]] = ...) -> None: ...

class ExecutionOutcome(_message.Message):
    __slots__ = ("phase", "output_uri", "error")
    PHASE_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_URI_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    phase: _execution_pb2_1.WorkflowExecution.Phase
    output_uri: str
    error: _execution_pb2_1.ExecutionError
    def __init__(self, phase: _Optional[_Union[_execution_pb2_1.WorkflowExecution.Phase, str]] = ..., output_uri: _Optional[str] = ..., error: _Optional[_Union[_execution_pb2_1.ExecutionError, _Mapping]] = ...) -> None: ...

class NodeOutputs(_message.Message):
    __slots__ = ("literals", "uri")
    LITERALS_FIELD_NUMBER: _ClassVar[int]
    URI_FIELD_NUMBER: _ClassVar[int]
    literals: _literals_pb2.LiteralMap
    uri: str
    def __init__(self, literals: _Optional[_Union[_literals_pb2.LiteralMap, _Mapping]] = ..., uri: _Optional[str] = ...) -> None: ...

class NodeInputs(_message.Message):
    __slots__ = ("literals", "deferred", "element")
    LITERALS_FIELD_NUMBER: _ClassVar[int]
    DEFERRED_FIELD_NUMBER: _ClassVar[int]
    ELEMENT_FIELD_NUMBER: _ClassVar[int]
    literals: _literals_pb2.LiteralMap
    deferred: DeferredInputs
    element: ElementInputs
    def __init__(self, literals: _Optional[_Union[_literals_pb2.LiteralMap, _Mapping]] = ..., deferred: _Optional[_Union[DeferredInputs, _Mapping]] = ..., element: _Optional[_Union[ElementInputs, _Mapping]] = ...) -> None: ...

class ElementInputs(_message.Message):
    __slots__ = ("chunk_uri", "position", "shared_uri", "listed", "whole_uri")
    CHUNK_URI_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    SHARED_URI_FIELD_NUMBER: _ClassVar[int]
    LISTED_FIELD_NUMBER: _ClassVar[int]
    WHOLE_URI_FIELD_NUMBER: _ClassVar[int]
    chunk_uri: str
    position: int
    shared_uri: str
    listed: bool
    whole_uri: str
    def __init__(self, chunk_uri: _Optional[str] = ..., position: _Optional[int] = ..., shared_uri: _Optional[str] = ..., listed: _Optional[bool] = ..., whole_uri: _Optional[str] = ...) -> None: ...

class DeferredInputs(_message.Message):
    __slots__ = ("bindings", "sources", "aliases")
    class SourcesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: NodeOutputs
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[NodeOutputs, _Mapping]] = ...) -> None: ...
    class AliasesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: AliasMap
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[AliasMap, _Mapping]] = ...) -> None: ...
    BINDINGS_FIELD_NUMBER: _ClassVar[int]
    SOURCES_FIELD_NUMBER: _ClassVar[int]
    ALIASES_FIELD_NUMBER: _ClassVar[int]
    bindings: _containers.RepeatedCompositeFieldContainer[_literals_pb2.Binding]
    sources: _containers.MessageMap[str, NodeOutputs]
    aliases: _containers.MessageMap[str, AliasMap]
    def __init__(self, bindings: _Optional[_Iterable[_Union[_literals_pb2.Binding, _Mapping]]] = ..., sources: _Optional[_Mapping[str, NodeOutputs]] = ..., aliases: _Optional[_Mapping[str, AliasMap]] = ...) -> None: ...

class AliasMap(_message.Message):
    __slots__ = ("variables",)
    class VariablesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    VARIABLES_FIELD_NUMBER: _ClassVar[int]
    variables: _containers.ScalarMap[str, str]
    def __init__(self, variables: _Optional[_Mapping[str, str]] = ...) -> None: ...

class ResolveRequest(_message.Message):
    __slots__ = ("inputs", "write_to", "inlined")
    INPUTS_FIELD_NUMBER: _ClassVar[int]
    WRITE_TO_FIELD_NUMBER: _ClassVar[int]
    INLINED_FIELD_NUMBER: _ClassVar[int]
    inputs: DeferredInputs
    write_to: _containers.RepeatedScalarFieldContainer[str]
    inlined: bool
    def __init__(self, inputs: _Optional[_Union[DeferredInputs, _Mapping]] = ..., write_to: _Optional[_Iterable[str]] = ..., inlined: _Optional[bool] = ...) -> None: ...

class CaseRequest(_message.Message):
    __slots__ = ("inputs", "conditions")
    INPUTS_FIELD_NUMBER: _ClassVar[int]
    CONDITIONS_FIELD_NUMBER: _ClassVar[int]
    inputs: DeferredInputs
    conditions: _containers.RepeatedCompositeFieldContainer[_condition_pb2.BooleanExpression]
    def __init__(self, inputs: _Optional[_Union[DeferredInputs, _Mapping]] = ..., conditions: _Optional[_Iterable[_Union[_condition_pb2.BooleanExpression, _Mapping]]] = ...) -> None: ...

class CaseChoice(_message.Message):
    __slots__ = ("position", "malformed")
    POSITION_FIELD_NUMBER: _ClassVar[int]
    MALFORMED_FIELD_NUMBER: _ClassVar[int]
    position: int
    malformed: str
    def __init__(self, position: _Optional[int] = ..., malformed: _Optional[str] = ...) -> None: ...

class TaskAttempt(_message.Message):
    __slots__ = ("node_event", "attempt", "tasks", "task", "inputs", "data_dir", "output_dir", "raw_output_dir", "previous_checkpoint_dir", "generated_name", "overrides", "timeout", "interruptible", "settings", "workflow_id", "queued_at", "element", "older_checkpoint_dirs", "memory_bytes", "shows_memory", "cache_miss")
    NODE_EVENT_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    TASKS_FIELD_NUMBER: _ClassVar[int]
    TASK_FIELD_NUMBER: _ClassVar[int]
    INPUTS_FIELD_NUMBER: _ClassVar[int]
    DATA_DIR_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_DIR_FIELD_NUMBER: _ClassVar[int]
    RAW_OUTPUT_DIR_FIELD_NUMBER: _ClassVar[int]
    PREVIOUS_CHECKPOINT_DIR_FIELD_NUMBER: _ClassVar[int]
    GENERATED_NAME_FIELD_NUMBER: _ClassVar[int]
    OVERRIDES_FIELD_NUMBER: _ClassVar[int]
    TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    INTERRUPTIBLE_FIELD_NUMBER: _ClassVar[int]
    SETTINGS_FIELD_NUMBER: _ClassVar[int]
    WORKFLOW_ID_FIELD_NUMBER: _ClassVar[int]
    QUEUED_AT_FIELD_NUMBER: _ClassVar[int]
    ELEMENT_FIELD_NUMBER: _ClassVar[int]
    OLDER_CHECKPOINT_DIRS_FIELD_NUMBER: _ClassVar[int]
    MEMORY_BYTES_FIELD_NUMBER: _ClassVar[int]
    SHOWS_MEMORY_FIELD_NUMBER: _ClassVar[int]
    CACHE_MISS_FIELD_NUMBER: _ClassVar[int]
    node_event: _event_pb2.NodeExecutionEvent
    attempt: int
    tasks: ContentReference
    task: int
    inputs: NodeInputs
    data_dir: str
    output_dir: str
    raw_output_dir: str
    previous_checkpoint_dir: str
    generated_name: str
    overrides: _workflow_pb2.TaskNodeOverrides
    timeout: _duration_pb2.Duration
    interruptible: bool
    settings: ExecutionSettings
    workflow_id: _identifier_pb2.Identifier
    queued_at: _timestamp_pb2.Timestamp
    element: ArrayElement
    older_checkpoint_dirs: _containers.RepeatedScalarFieldContainer[str]
    memory_bytes: int
    shows_memory: bool
    cache_miss: CacheMiss
    def __init__(self, node_event: _Optional[_Union[_event_pb2.NodeExecutionEvent, _Mapping]] = ..., attempt: _Optional[int] = ..., tasks: _Optional[_Union[ContentReference, _Mapping]] = ..., task: _Optional[int] = ..., inputs: _Optional[_Union[NodeInputs, _Mapping]] = ..., data_dir: _Optional[str] = ..., output_dir: _Optional[str] = ..., raw_output_dir: _Optional[str] = ..., previous_checkpoint_dir: _Optional[str] = ..., generated_name: _Optional[str] = ..., overrides: _Optional[_Union[_workflow_pb2.TaskNodeOverrides, _Mapping]] = ..., timeout: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., interruptible: _Optional[bool] = ..., settings: _Optional[_Union[ExecutionSettings, _Mapping]] = ..., workflow_id: _Optional[_Union[_identifier_pb2.Identifier, _Mapping]] = ..., queued_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., element: _Optional[_Union[ArrayElement, _Mapping]] = ..., older_checkpoint_dirs: _Optional[_Iterable[str]] = ..., memory_bytes: _Optional[int] = ..., shows_memory: _Optional[bool] = ..., cache_miss: _Optional[_Union[CacheMiss, _Mapping]] = ...) -> None: ...

class CacheMiss(_message.Message):
    __slots__ = ("at", "replaces")
    AT_FIELD_NUMBER: _ClassVar[int]
    REPLACES_FIELD_NUMBER: _ClassVar[int]
    at: _timestamp_pb2.Timestamp
    replaces: bool
    def __init__(self, at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., replaces: _Optional[bool] = ...) -> None: ...

class ArrayElement(_message.Message):
    __slots__ = ("index", "node_id", "external_id", "array_attempt")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    NODE_ID_FIELD_NUMBER: _ClassVar[int]
    EXTERNAL_ID_FIELD_NUMBER: _ClassVar[int]
    ARRAY_ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    index: int
    node_id: str
    external_id: str
    array_attempt: int
    def __init__(self, index: _Optional[int] = ..., node_id: _Optional[str] = ..., external_id: _Optional[str] = ..., array_attempt: _Optional[int] = ...) -> None: ...

class TaskAttemptResult(_message.Message):
    __slots__ = ("outputs", "failure", "deck_uri", "dynamic", "unreported", "cache")
    OUTPUTS_FIELD_NUMBER: _ClassVar[int]
    FAILURE_FIELD_NUMBER: _ClassVar[int]
    DECK_URI_FIELD_NUMBER: _ClassVar[int]
    DYNAMIC_FIELD_NUMBER: _ClassVar[int]
    UNREPORTED_FIELD_NUMBER: _ClassVar[int]
    CACHE_FIELD_NUMBER: _ClassVar[int]
    outputs: NodeOutputs
    failure: AttemptFailure
    deck_uri: str
    dynamic: bool
    unreported: _containers.RepeatedCompositeFieldContainer[_events_pb2.Event]
    cache: _event_pb2.TaskNodeMetadata
    def __init__(self, outputs: _Optional[_Union[NodeOutputs, _Mapping]] = ..., failure: _Optional[_Union[AttemptFailure, _Mapping]] = ..., deck_uri: _Optional[str] = ..., dynamic: _Optional[bool] = ..., unreported: _Optional[_Iterable[_Union[_events_pb2.Event, _Mapping]]] = ..., cache: _Optional[_Union[_event_pb2.TaskNodeMetadata, _Mapping]] = ...) -> None: ...

class AttemptFailure(_message.Message):
    __slots__ = ("error", "recoverable", "next_memory_bytes")
    ERROR_FIELD_NUMBER: _ClassVar[int]
    RECOVERABLE_FIELD_NUMBER: _ClassVar[int]
    NEXT_MEMORY_BYTES_FIELD_NUMBER: _ClassVar[int]
    error: _execution_pb2_1.ExecutionError
    recoverable: bool
    next_memory_bytes: int
    def __init__(self, error: _Optional[_Union[_execution_pb2_1.ExecutionError, _Mapping]] = ..., recoverable: _Optional[bool] = ..., next_memory_bytes: _Optional[int] = ...) -> None: ...

class DynamicRequest(_message.Message):
    __slots__ = ("node_event", "tasks", "task", "output_dir", "generated_name", "futures_dir")
    NODE_EVENT_FIELD_NUMBER: _ClassVar[int]
    TASKS_FIELD_NUMBER: _ClassVar[int]
    TASK_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_DIR_FIELD_NUMBER: _ClassVar[int]
    GENERATED_NAME_FIELD_NUMBER: _ClassVar[int]
    FUTURES_DIR_FIELD_NUMBER: _ClassVar[int]
    node_event: _event_pb2.NodeExecutionEvent
    tasks: ContentReference
    task: int
    output_dir: str
    generated_name: str
    futures_dir: str
    def __init__(self, node_event: _Optional[_Union[_event_pb2.NodeExecutionEvent, _Mapping]] = ..., tasks: _Optional[_Union[ContentReference, _Mapping]] = ..., task: _Optional[int] = ..., output_dir: _Optional[str] = ..., generated_name: _Optional[str] = ..., futures_dir: _Optional[str] = ...) -> None: ...

class DynamicGraph(_message.Message):
    __slots__ = ("inline_graph", "stored_graph", "error", "tasks")
    INLINE_GRAPH_FIELD_NUMBER: _ClassVar[int]
    STORED_GRAPH_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    TASKS_FIELD_NUMBER: _ClassVar[int]
    inline_graph: bytes
    stored_graph: ContentReference
    error: _execution_pb2_1.ExecutionError
    tasks: ContentReference
    def __init__(self, inline_graph: _Optional[bytes] = ..., stored_graph: _Optional[_Union[ContentReference, _Mapping]] = ..., error: _Optional[_Union[_execution_pb2_1.ExecutionError, _Mapping]] = ..., tasks: _Optional[_Union[ContentReference, _Mapping]] = ...) -> None: ...

class LaunchRequest(_message.Message):
    __slots__ = ("create", "inputs", "element")
    CREATE_FIELD_NUMBER: _ClassVar[int]
    INPUTS_FIELD_NUMBER: _ClassVar[int]
    ELEMENT_FIELD_NUMBER: _ClassVar[int]
    create: _execution_pb2.ExecutionCreateRequest
    inputs: NodeOutputs
    element: ElementInputs
    def __init__(self, create: _Optional[_Union[_execution_pb2.ExecutionCreateRequest, _Mapping]] = ..., inputs: _Optional[_Union[NodeOutputs, _Mapping]] = ..., element: _Optional[_Union[ElementInputs, _Mapping]] = ...) -> None: ...

class LaunchResult(_message.Message):
    __slots__ = ("error",)
    ERROR_FIELD_NUMBER: _ClassVar[int]
    error: _execution_pb2_1.ExecutionError
    def __init__(self, error: _Optional[_Union[_execution_pb2_1.ExecutionError, _Mapping]] = ...) -> None: ...

class ChildState(_message.Message):
    __slots__ = ("execution_id", "outcome")
    EXECUTION_ID_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    execution_id: _identifier_pb2.WorkflowExecutionIdentifier
    outcome: ExecutionOutcome
    def __init__(self, execution_id: _Optional[_Union[_identifier_pb2.WorkflowExecutionIdentifier, _Mapping]] = ..., outcome: _Optional[_Union[ExecutionOutcome, _Mapping]] = ...) -> None: ...

class CopyRequest(_message.Message):
    __slots__ = ("from_uri", "to_uri")
    FROM_URI_FIELD_NUMBER: _ClassVar[int]
    TO_URI_FIELD_NUMBER: _ClassVar[int]
    from_uri: str
    to_uri: str
    def __init__(self, from_uri: _Optional[str] = ..., to_uri: _Optional[str] = ...) -> None: ...

class Report(_message.Message):
    __slots__ = ("files", "events", "event_delays")
    FILES_FIELD_NUMBER: _ClassVar[int]
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    EVENT_DELAYS_FIELD_NUMBER: _ClassVar[int]
    files: _containers.RepeatedCompositeFieldContainer[StoredLiterals]
    events: _containers.RepeatedCompositeFieldContainer[_events_pb2.Event]
    event_delays: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, files: _Optional[_Iterable[_Union[StoredLiterals, _Mapping]]] = ..., events: _Optional[_Iterable[_Union[_events_pb2.Event, _Mapping]]] = ..., event_delays: _Optional[_Iterable[int]] = ...) -> None: ...

class StoredLiterals(_message.Message):
    __slots__ = ("uri", "literals")
    URI_FIELD_NUMBER: _ClassVar[int]
    LITERALS_FIELD_NUMBER: _ClassVar[int]
    uri: str
    literals: _literals_pb2.LiteralMap
    def __init__(self, uri: _Optional[str] = ..., literals: _Optional[_Union[_literals_pb2.LiteralMap, _Mapping]] = ...) -> None: ...

class SignalRequest(_message.Message):
    __slots__ = ("id", "type", "variable", "write_to")
    ID_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    VARIABLE_FIELD_NUMBER: _ClassVar[int]
    WRITE_TO_FIELD_NUMBER: _ClassVar[int]
    id: _identifier_pb2.SignalIdentifier
    type: _types_pb2.LiteralType
    variable: str
    write_to: str
    def __init__(self, id: _Optional[_Union[_identifier_pb2.SignalIdentifier, _Mapping]] = ..., type: _Optional[_Union[_types_pb2.LiteralType, _Mapping]] = ..., variable: _Optional[str] = ..., write_to: _Optional[str] = ...) -> None: ...

class SignalState(_message.Message):
    __slots__ = ("outputs",)
    OUTPUTS_FIELD_NUMBER: _ClassVar[int]
    outputs: NodeOutputs
    def __init__(self, outputs: _Optional[_Union[NodeOutputs, _Mapping]] = ...) -> None: ...

class GraphBytes(_message.Message):
    __slots__ = ("gzipped",)
    GZIPPED_FIELD_NUMBER: _ClassVar[int]
    gzipped: bytes
    def __init__(self, gzipped: _Optional[bytes] = ...) -> None: ...

class EarlierNodesRequest(_message.Message):
    __slots__ = ("execution_id", "parent_id", "token", "reused")
    EXECUTION_ID_FIELD_NUMBER: _ClassVar[int]
    PARENT_ID_FIELD_NUMBER: _ClassVar[int]
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    REUSED_FIELD_NUMBER: _ClassVar[int]
    execution_id: _identifier_pb2.WorkflowExecutionIdentifier
    parent_id: str
    token: str
    reused: ContentReference
    def __init__(self, execution_id: _Optional[_Union[_identifier_pb2.WorkflowExecutionIdentifier, _Mapping]] = ..., parent_id: _Optional[str] = ..., token: _Optional[str] = ..., reused: _Optional[_Union[ContentReference, _Mapping]] = ...) -> None: ...

class EarlierNodes(_message.Message):
    __slots__ = ("nodes", "token")
    NODES_FIELD_NUMBER: _ClassVar[int]
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    nodes: _containers.RepeatedCompositeFieldContainer[EarlierNode]
    token: str
    def __init__(self, nodes: _Optional[_Iterable[_Union[EarlierNode, _Mapping]]] = ..., token: _Optional[str] = ...) -> None: ...

class EarlierNode(_message.Message):
    __slots__ = ("node_id", "has_outputs", "input_uri", "output_uri", "deck_uri", "checkpoint_uri", "futures_uri", "child", "elements", "spec_node_id")
    NODE_ID_FIELD_NUMBER: _ClassVar[int]
    HAS_OUTPUTS_FIELD_NUMBER: _ClassVar[int]
    INPUT_URI_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_URI_FIELD_NUMBER: _ClassVar[int]
    DECK_URI_FIELD_NUMBER: _ClassVar[int]
    CHECKPOINT_URI_FIELD_NUMBER: _ClassVar[int]
    FUTURES_URI_FIELD_NUMBER: _ClassVar[int]
    CHILD_FIELD_NUMBER: _ClassVar[int]
    ELEMENTS_FIELD_NUMBER: _ClassVar[int]
    SPEC_NODE_ID_FIELD_NUMBER: _ClassVar[int]
    node_id: str
    has_outputs: bool
    input_uri: str
    output_uri: str
    deck_uri: str
    checkpoint_uri: str
    futures_uri: str
    child: _identifier_pb2.WorkflowExecutionIdentifier
    elements: bool
    spec_node_id: str
    def __init__(self, node_id: _Optional[str] = ..., has_outputs: _Optional[bool] = ..., input_uri: _Optional[str] = ..., output_uri: _Optional[str] = ..., deck_uri: _Optional[str] = ..., checkpoint_uri: _Optional[str] = ..., futures_uri: _Optional[str] = ..., child: _Optional[_Union[_identifier_pb2.WorkflowExecutionIdentifier, _Mapping]] = ..., elements: _Optional[bool] = ..., spec_node_id: _Optional[str] = ...) -> None: ...
