from flyteidl.core import execution_pb2 as _execution_pb2
from flyteidl.core import identifier_pb2 as _identifier_pb2
from flyteidl.event import event_pb2 as _event_pb2
from flytetemporal.contracts.v1 import execution_pb2 as _execution_pb2_1
from flytetemporal.contracts.v1 import graph_pb2 as _graph_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ArrayRequest(_message.Message):
    __slots__ = ("inputs", "bound_inputs", "inputs_uri", "directory", "chunk_size", "echo_variable", "outputs_uri", "launch_plan", "job")
    INPUTS_FIELD_NUMBER: _ClassVar[int]
    BOUND_INPUTS_FIELD_NUMBER: _ClassVar[int]
    INPUTS_URI_FIELD_NUMBER: _ClassVar[int]
    DIRECTORY_FIELD_NUMBER: _ClassVar[int]
    CHUNK_SIZE_FIELD_NUMBER: _ClassVar[int]
    ECHO_VARIABLE_FIELD_NUMBER: _ClassVar[int]
    OUTPUTS_URI_FIELD_NUMBER: _ClassVar[int]
    LAUNCH_PLAN_FIELD_NUMBER: _ClassVar[int]
    JOB_FIELD_NUMBER: _ClassVar[int]
    inputs: _execution_pb2_1.NodeInputs
    bound_inputs: _containers.RepeatedScalarFieldContainer[str]
    inputs_uri: str
    directory: str
    chunk_size: int
    echo_variable: str
    outputs_uri: str
    launch_plan: _identifier_pb2.Identifier
    job: _graph_pb2.ArrayJob
    def __init__(self, inputs: _Optional[_Union[_execution_pb2_1.NodeInputs, _Mapping]] = ..., bound_inputs: _Optional[_Iterable[str]] = ..., inputs_uri: _Optional[str] = ..., directory: _Optional[str] = ..., chunk_size: _Optional[int] = ..., echo_variable: _Optional[str] = ..., outputs_uri: _Optional[str] = ..., launch_plan: _Optional[_Union[_identifier_pb2.Identifier, _Mapping]] = ..., job: _Optional[_Union[_graph_pb2.ArrayJob, _Mapping]] = ...) -> None: ...

class ArrayPlan(_message.Message):
    __slots__ = ("error", "size", "shared_uri", "outputs", "variables", "batch")
    ERROR_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    SHARED_URI_FIELD_NUMBER: _ClassVar[int]
    OUTPUTS_FIELD_NUMBER: _ClassVar[int]
    VARIABLES_FIELD_NUMBER: _ClassVar[int]
    BATCH_FIELD_NUMBER: _ClassVar[int]
    error: _execution_pb2.ExecutionError
    size: int
    shared_uri: str
    outputs: _execution_pb2_1.NodeOutputs
    variables: _containers.RepeatedScalarFieldContainer[str]
    batch: int
    def __init__(self, error: _Optional[_Union[_execution_pb2.ExecutionError, _Mapping]] = ..., size: _Optional[int] = ..., shared_uri: _Optional[str] = ..., outputs: _Optional[_Union[_execution_pb2_1.NodeOutputs, _Mapping]] = ..., variables: _Optional[_Iterable[str]] = ..., batch: _Optional[int] = ...) -> None: ...

class ElementBatch(_message.Message):
    __slots__ = ("shared", "attempts")
    SHARED_FIELD_NUMBER: _ClassVar[int]
    ATTEMPTS_FIELD_NUMBER: _ClassVar[int]
    shared: _execution_pb2_1.TaskAttempt
    attempts: _containers.RepeatedCompositeFieldContainer[_execution_pb2_1.TaskAttempt]
    def __init__(self, shared: _Optional[_Union[_execution_pb2_1.TaskAttempt, _Mapping]] = ..., attempts: _Optional[_Iterable[_Union[_execution_pb2_1.TaskAttempt, _Mapping]]] = ...) -> None: ...

class ElementBatchResult(_message.Message):
    __slots__ = ("results", "alone", "seconds")
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    ALONE_FIELD_NUMBER: _ClassVar[int]
    SECONDS_FIELD_NUMBER: _ClassVar[int]
    results: _containers.RepeatedCompositeFieldContainer[BatchedResult]
    alone: _containers.RepeatedScalarFieldContainer[int]
    seconds: float
    def __init__(self, results: _Optional[_Iterable[_Union[BatchedResult, _Mapping]]] = ..., alone: _Optional[_Iterable[int]] = ..., seconds: _Optional[float] = ...) -> None: ...

class BatchedResult(_message.Message):
    __slots__ = ("position", "result")
    POSITION_FIELD_NUMBER: _ClassVar[int]
    RESULT_FIELD_NUMBER: _ClassVar[int]
    position: int
    result: _execution_pb2_1.TaskAttemptResult
    def __init__(self, position: _Optional[int] = ..., result: _Optional[_Union[_execution_pb2_1.TaskAttemptResult, _Mapping]] = ...) -> None: ...

class GatherRequest(_message.Message):
    __slots__ = ("variables", "directory", "first", "attempts", "write_to")
    VARIABLES_FIELD_NUMBER: _ClassVar[int]
    DIRECTORY_FIELD_NUMBER: _ClassVar[int]
    FIRST_FIELD_NUMBER: _ClassVar[int]
    ATTEMPTS_FIELD_NUMBER: _ClassVar[int]
    WRITE_TO_FIELD_NUMBER: _ClassVar[int]
    variables: _containers.RepeatedScalarFieldContainer[str]
    directory: str
    first: int
    attempts: _containers.RepeatedScalarFieldContainer[int]
    write_to: str
    def __init__(self, variables: _Optional[_Iterable[str]] = ..., directory: _Optional[str] = ..., first: _Optional[int] = ..., attempts: _Optional[_Iterable[int]] = ..., write_to: _Optional[str] = ...) -> None: ...

class JoinRequest(_message.Message):
    __slots__ = ("variables", "parts", "write_to")
    VARIABLES_FIELD_NUMBER: _ClassVar[int]
    PARTS_FIELD_NUMBER: _ClassVar[int]
    WRITE_TO_FIELD_NUMBER: _ClassVar[int]
    variables: _containers.RepeatedScalarFieldContainer[str]
    parts: _containers.RepeatedScalarFieldContainer[str]
    write_to: str
    def __init__(self, variables: _Optional[_Iterable[str]] = ..., parts: _Optional[_Iterable[str]] = ..., write_to: _Optional[str] = ...) -> None: ...

class ArrayInput(_message.Message):
    __slots__ = ("execution", "node", "node_id", "data_dir", "attempt", "node_event", "task", "plan", "first", "count", "tolerated", "window", "ancestors")
    EXECUTION_FIELD_NUMBER: _ClassVar[int]
    NODE_FIELD_NUMBER: _ClassVar[int]
    NODE_ID_FIELD_NUMBER: _ClassVar[int]
    DATA_DIR_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    NODE_EVENT_FIELD_NUMBER: _ClassVar[int]
    TASK_FIELD_NUMBER: _ClassVar[int]
    PLAN_FIELD_NUMBER: _ClassVar[int]
    FIRST_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    TOLERATED_FIELD_NUMBER: _ClassVar[int]
    WINDOW_FIELD_NUMBER: _ClassVar[int]
    ANCESTORS_FIELD_NUMBER: _ClassVar[int]
    execution: _execution_pb2_1.ExecutionInput
    node: _graph_pb2.Node
    node_id: str
    data_dir: str
    attempt: int
    node_event: _event_pb2.NodeExecutionEvent
    task: _graph_pb2.TaskSummary
    plan: ArrayPlan
    first: int
    count: int
    tolerated: int
    window: int
    ancestors: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, execution: _Optional[_Union[_execution_pb2_1.ExecutionInput, _Mapping]] = ..., node: _Optional[_Union[_graph_pb2.Node, _Mapping]] = ..., node_id: _Optional[str] = ..., data_dir: _Optional[str] = ..., attempt: _Optional[int] = ..., node_event: _Optional[_Union[_event_pb2.NodeExecutionEvent, _Mapping]] = ..., task: _Optional[_Union[_graph_pb2.TaskSummary, _Mapping]] = ..., plan: _Optional[_Union[ArrayPlan, _Mapping]] = ..., first: _Optional[int] = ..., count: _Optional[int] = ..., tolerated: _Optional[int] = ..., window: _Optional[int] = ..., ancestors: _Optional[_Iterable[str]] = ...) -> None: ...

class ElementsOutcome(_message.Message):
    __slots__ = ("attempts", "failed", "errors")
    ATTEMPTS_FIELD_NUMBER: _ClassVar[int]
    FAILED_FIELD_NUMBER: _ClassVar[int]
    ERRORS_FIELD_NUMBER: _ClassVar[int]
    attempts: _containers.RepeatedScalarFieldContainer[int]
    failed: int
    errors: _containers.RepeatedCompositeFieldContainer[ElementError]
    def __init__(self, attempts: _Optional[_Iterable[int]] = ..., failed: _Optional[int] = ..., errors: _Optional[_Iterable[_Union[ElementError, _Mapping]]] = ...) -> None: ...

class ElementError(_message.Message):
    __slots__ = ("index", "message")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    index: int
    message: str
    def __init__(self, index: _Optional[int] = ..., message: _Optional[str] = ...) -> None: ...

class RecoverElementsRequest(_message.Message):
    __slots__ = ("node", "first", "count", "directory")
    NODE_FIELD_NUMBER: _ClassVar[int]
    FIRST_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    DIRECTORY_FIELD_NUMBER: _ClassVar[int]
    node: _identifier_pb2.NodeExecutionIdentifier
    first: int
    count: int
    directory: str
    def __init__(self, node: _Optional[_Union[_identifier_pb2.NodeExecutionIdentifier, _Mapping]] = ..., first: _Optional[int] = ..., count: _Optional[int] = ..., directory: _Optional[str] = ...) -> None: ...

class RecoveredElements(_message.Message):
    __slots__ = ("attempts",)
    ATTEMPTS_FIELD_NUMBER: _ClassVar[int]
    attempts: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, attempts: _Optional[_Iterable[int]] = ...) -> None: ...
