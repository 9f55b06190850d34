import datetime

from flyteidl.core import condition_pb2 as _condition_pb2
from flyteidl.core import identifier_pb2 as _identifier_pb2
from flyteidl.core import literals_pb2 as _literals_pb2
from flyteidl.core import tasks_pb2 as _tasks_pb2
from flyteidl.core import types_pb2 as _types_pb2
from flyteidl.core import workflow_pb2 as _workflow_pb2
from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import wrappers_pb2 as _wrappers_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Graph(_message.Message):
    __slots__ = ("workflows", "tasks")
    WORKFLOWS_FIELD_NUMBER: _ClassVar[int]
    TASKS_FIELD_NUMBER: _ClassVar[int]
    workflows: _containers.RepeatedCompositeFieldContainer[WorkflowGraph]
    tasks: _containers.RepeatedCompositeFieldContainer[TaskSummary]
    def __init__(self, workflows: _Optional[_Iterable[_Union[WorkflowGraph, _Mapping]]] = ..., tasks: _Optional[_Iterable[_Union[TaskSummary, _Mapping]]] = ...) -> None: ...

class WorkflowGraph(_message.Message):
    __slots__ = ("id", "nodes", "failure_node", "on_failure", "interruptible")
    ID_FIELD_NUMBER: _ClassVar[int]
    NODES_FIELD_NUMBER: _ClassVar[int]
    FAILURE_NODE_FIELD_NUMBER: _ClassVar[int]
    ON_FAILURE_FIELD_NUMBER: _ClassVar[int]
    INTERRUPTIBLE_FIELD_NUMBER: _ClassVar[int]
    id: _identifier_pb2.Identifier
    nodes: _containers.RepeatedCompositeFieldContainer[Node]
    failure_node: Node
    on_failure: _workflow_pb2.WorkflowMetadata.OnFailurePolicy
    interruptible: bool
    def __init__(self, id: _Optional[_Union[_identifier_pb2.Identifier, _Mapping]] = ..., nodes: _Optional[_Iterable[_Union[Node, _Mapping]]] = ..., failure_node: _Optional[_Union[Node, _Mapping]] = ..., on_failure: _Optional[_Union[_workflow_pb2.WorkflowMetadata.OnFailurePolicy, str]] = ..., interruptible: _Optional[bool] = ...) -> None: ...

class Node(_message.Message):
    __slots__ = ("id", "name", "upstream", "inputs", "output_aliases", "retries", "timeout", "interruptible", "start", "end", "task", "branch", "subworkflow", "launch_plan", "gate", "array")
    ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    UPSTREAM_FIELD_NUMBER: _ClassVar[int]
    INPUTS_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_ALIASES_FIELD_NUMBER: _ClassVar[int]
    RETRIES_FIELD_NUMBER: _ClassVar[int]
    TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    INTERRUPTIBLE_FIELD_NUMBER: _ClassVar[int]
    START_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    TASK_FIELD_NUMBER: _ClassVar[int]
    BRANCH_FIELD_NUMBER: _ClassVar[int]
    SUBWORKFLOW_FIELD_NUMBER: _ClassVar[int]
    LAUNCH_PLAN_FIELD_NUMBER: _ClassVar[int]
    GATE_FIELD_NUMBER: _ClassVar[int]
    ARRAY_FIELD_NUMBER: _ClassVar[int]
    id: str
    name: str
    upstream: _containers.RepeatedScalarFieldContainer[int]
    inputs: _containers.RepeatedCompositeFieldContainer[_literals_pb2.Binding]
    output_aliases: _containers.RepeatedCompositeFieldContainer[_workflow_pb2.Alias]
    retries: int
    timeout: _duration_pb2.Duration
    interruptible: _wrappers_pb2.BoolValue
    start: StartNode
    end: EndNode
    task: TaskNode
    branch: BranchNode
    subworkflow: SubworkflowNode
    launch_plan: _identifier_pb2.Identifier
    gate: _workflow_pb2.GateNode
    array: ArrayNode
    def __init__(self, id: _Optional[str] = ..., name: _Optional[str] = ..., upstream: _Optional[_Iterable[int]] = ..., inputs: _Optional[_Iterable[_Union[_literals_pb2.Binding, _Mapping]]] = ..., output_aliases: _Optional[_Iterable[_Union[_workflow_pb2.Alias, _Mapping]]] = ..., retries: _Optional[int] = ..., timeout: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., interruptible: _Optional[_Union[_wrappers_pb2.BoolValue, _Mapping]] = ..., start: _Optional[_Union[StartNode, _Mapping]] = ..., end: _Optional[_Union[EndNode, _Mapping]] = ..., task: _Optional[_Union[TaskNode, _Mapping]] = ..., branch: _Optional[_Union[BranchNode, _Mapping]] = ..., subworkflow: _Optional[_Union[SubworkflowNode, _Mapping]] = ..., launch_plan: _Optional[_Union[_identifier_pb2.Identifier, _Mapping]] = ..., gate: _Optional[_Union[_workflow_pb2.GateNode, _Mapping]] = ..., array: _Optional[_Union[ArrayNode, _Mapping]] = ...) -> None: ...

class StartNode(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class EndNode(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class TaskNode(_message.Message):
    __slots__ = ("task", "overrides")
    TASK_FIELD_NUMBER: _ClassVar[int]
    OVERRIDES_FIELD_NUMBER: _ClassVar[int]
    task: int
    overrides: _workflow_pb2.TaskNodeOverrides
    def __init__(self, task: _Optional[int] = ..., overrides: _Optional[_Union[_workflow_pb2.TaskNodeOverrides, _Mapping]] = ...) -> None: ...

class BranchNode(_message.Message):
    __slots__ = ("cases", "else_node", "error")
    CASES_FIELD_NUMBER: _ClassVar[int]
    ELSE_NODE_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    cases: _containers.RepeatedCompositeFieldContainer[BranchCase]
    else_node: Node
    error: _types_pb2.Error
    def __init__(self, cases: _Optional[_Iterable[_Union[BranchCase, _Mapping]]] = ..., else_node: _Optional[_Union[Node, _Mapping]] = ..., error: _Optional[_Union[_types_pb2.Error, _Mapping]] = ...) -> None: ...

class BranchCase(_message.Message):
    __slots__ = ("condition", "node")
    CONDITION_FIELD_NUMBER: _ClassVar[int]
    NODE_FIELD_NUMBER: _ClassVar[int]
    condition: _condition_pb2.BooleanExpression
    node: Node
    def __init__(self, condition: _Optional[_Union[_condition_pb2.BooleanExpression, _Mapping]] = ..., node: _Optional[_Union[Node, _Mapping]] = ...) -> None: ...

class SubworkflowNode(_message.Message):
    __slots__ = ("workflow",)
    WORKFLOW_FIELD_NUMBER: _ClassVar[int]
    workflow: int
    def __init__(self, workflow: _Optional[int] = ...) -> None: ...

class ArrayNode(_message.Message):
    __slots__ = ("node", "parallelism", "min_successes", "min_success_ratio", "bound_inputs", "takes_element", "runs_all", "job")
    NODE_FIELD_NUMBER: _ClassVar[int]
    PARALLELISM_FIELD_NUMBER: _ClassVar[int]
    MIN_SUCCESSES_FIELD_NUMBER: _ClassVar[int]
    MIN_SUCCESS_RATIO_FIELD_NUMBER: _ClassVar[int]
    BOUND_INPUTS_FIELD_NUMBER: _ClassVar[int]
    TAKES_ELEMENT_FIELD_NUMBER: _ClassVar[int]
    RUNS_ALL_FIELD_NUMBER: _ClassVar[int]
    JOB_FIELD_NUMBER: _ClassVar[int]
    node: Node
    parallelism: _wrappers_pb2.UInt32Value
    min_successes: int
    min_success_ratio: float
    bound_inputs: _containers.RepeatedScalarFieldContainer[str]
    takes_element: bool
    runs_all: bool
    job: ArrayJob
    def __init__(self, node: _Optional[_Union[Node, _Mapping]] = ..., parallelism: _Optional[_Union[_wrappers_pb2.UInt32Value, _Mapping]] = ..., min_successes: _Optional[int] = ..., min_success_ratio: _Optional[float] = ..., bound_inputs: _Optional[_Iterable[str]] = ..., takes_element: _Optional[bool] = ..., runs_all: _Optional[bool] = ..., job: _Optional[_Union[ArrayJob, _Mapping]] = ...) -> None: ...

class ArrayJob(_message.Message):
    __slots__ = ("size", "reads_references")
    SIZE_FIELD_NUMBER: _ClassVar[int]
    READS_REFERENCES_FIELD_NUMBER: _ClassVar[int]
    size: _wrappers_pb2.UInt32Value
    reads_references: bool
    def __init__(self, size: _Optional[_Union[_wrappers_pb2.UInt32Value, _Mapping]] = ..., reads_references: _Optional[bool] = ...) -> None: ...

class TaskSummary(_message.Message):
    __slots__ = ("id", "type", "retries", "has_outputs", "generates_deck", "discoverable", "cache_serializable", "input_names", "output_names", "is_eager")
    ID_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    RETRIES_FIELD_NUMBER: _ClassVar[int]
    HAS_OUTPUTS_FIELD_NUMBER: _ClassVar[int]
    GENERATES_DECK_FIELD_NUMBER: _ClassVar[int]
    DISCOVERABLE_FIELD_NUMBER: _ClassVar[int]
    CACHE_SERIALIZABLE_FIELD_NUMBER: _ClassVar[int]
    INPUT_NAMES_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_NAMES_FIELD_NUMBER: _ClassVar[int]
    IS_EAGER_FIELD_NUMBER: _ClassVar[int]
    id: _identifier_pb2.Identifier
    type: str
    retries: int
    has_outputs: bool
    generates_deck: _wrappers_pb2.BoolValue
    discoverable: bool
    cache_serializable: bool
    input_names: _containers.RepeatedScalarFieldContainer[str]
    output_names: _containers.RepeatedScalarFieldContainer[str]
    is_eager: bool
    def __init__(self, id: _Optional[_Union[_identifier_pb2.Identifier, _Mapping]] = ..., type: _Optional[str] = ..., retries: _Optional[int] = ..., has_outputs: _Optional[bool] = ..., generates_deck: _Optional[_Union[_wrappers_pb2.BoolValue, _Mapping]] = ..., discoverable: _Optional[bool] = ..., cache_serializable: _Optional[bool] = ..., input_names: _Optional[_Iterable[str]] = ..., output_names: _Optional[_Iterable[str]] = ..., is_eager: _Optional[bool] = ...) -> None: ...

class TaskTemplates(_message.Message):
    __slots__ = ("tasks",)
    TASKS_FIELD_NUMBER: _ClassVar[int]
    tasks: _containers.RepeatedCompositeFieldContainer[_tasks_pb2.TaskTemplate]
    def __init__(self, tasks: _Optional[_Iterable[_Union[_tasks_pb2.TaskTemplate, _Mapping]]] = ...) -> None: ...
