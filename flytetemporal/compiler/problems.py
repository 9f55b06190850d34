"""Problems of a workflow or task, all collected before compiling fails.

Codes and texts are those of Flyte, which its clients show (flytepropeller's pkg/compiler/errors).
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum


class Code(StrEnum):
    """The code of a compile problem, as written in the message."""

    AMBIGUOUS_BINDING_UNION_VALUE = "AmbiguousBindingUnionValue"
    BRANCH_NODE_HAS_NO_CONDITION = "BranchNodeHasNoCondition"
    BRANCH_NODE_HAS_NO_DEFAULT = "BranchNodeHasNoDefault"
    BRANCH_NODE_ID_NOT_FOUND = "BranchNodeIdNotFound"
    CYCLE_DETECTED = "CycleDetected"
    DUPLICATE_ALIAS = "DuplicateAlias"
    DUPLICATE_ID = "DuplicateId"
    FIELD_NOT_FOUND = "FieldNotFound"
    ILLEGAL_ENUM_VALUE = "IllegalEnumValue"
    INCOMPATIBLE_BINDING_UNION_VALUE = "IncompatibleBindingUnionValue"
    INVALID_VALUE = "InvalidValue"
    MISMATCHING_BINDINGS = "MismatchingBindings"
    MISMATCHING_TYPES = "MismatchingTypes"
    NO_CONDITION_FOUND = "NoConditionFound"
    NO_NODES_FOUND = "NoNodesFound"
    NODE_REFERENCE_NOT_FOUND = "NodeReferenceNotFound"
    PARAMETER_BOUND_MORE_THAN_ONCE = "ParameterBoundMoreThanOnce"
    PARAMETER_NOT_BOUND = "ParameterNotBound"
    SYNTAX_ERROR = "SyntaxError"
    TASK_REFERENCE_NOT_FOUND = "TaskReferenceNotFound"
    UNREACHABLE_NODES = "UnreachableNodes"
    UNRECOGNIZED_VALUE = "UnrecognizedValue"
    VALUE_REQUIRED = "ValueRequired"
    VARIABLE_NAME_NOT_FOUND = "VariableNameNotFound"
    WORKFLOW_REFERENCE_NOT_FOUND = "WorkflowReferenceNotFound"


@dataclass(frozen=True, slots=True)
class Problem:
    """A single problem and the node that has it."""

    code: Code
    node_id: str
    description: str

    def __str__(self) -> str:
        return f"Code: {self.code}, Node Id: {self.node_id}, Description: {self.description}"


@dataclass(slots=True)
class Problems:
    """A set of problems: duplicates are reported once."""

    found: set[Problem] = field(default_factory=set)

    def __bool__(self) -> bool:
        return bool(self.found)

    def add(self, code: Code, node_id: str, description: str) -> None:
        """Add a problem."""
        self.found.add(Problem(code, node_id, description))

    def text(self) -> str:
        """Return the list that clients show, sorted by code, then text, since a set has no stable order."""
        ordered = sorted(self.found, key=lambda problem: (problem.code, str(problem)))
        lines = [f"\tError {index}: {problem}\n" for index, problem in enumerate(ordered)]
        return f"Collected Errors: {len(ordered)}\n{''.join(lines)}"

    def value_required(self, node_id: str, name: str) -> None:
        """Add: a mandatory field is missing."""
        self.add(Code.VALUE_REQUIRED, node_id, f"Value required [{name}].")

    def parameter_not_bound(self, node_id: str, variable: str) -> None:
        """Add: a mandatory input is not bound, or bound to a value that does not exist."""
        self.add(Code.PARAMETER_NOT_BOUND, node_id, f"Parameter not bound [{variable}].")

    def node_not_found(self, node_id: str) -> None:
        """Add: a reference to a node that does not exist."""
        self.add(Code.NODE_REFERENCE_NOT_FOUND, node_id, f"Referenced node [{node_id}] not found.")

    def variable_not_found(self, node_id: str, variable: str) -> None:
        """Add: a node has no input or output of that name."""
        description = f"Variable [{variable}] not found on node [{node_id}]."
        self.add(Code.VARIABLE_NAME_NOT_FOUND, node_id, description)

    def task_not_found(self, node_id: str, task: str) -> None:
        """Add: a node refers to an unknown task."""
        self.add(Code.TASK_REFERENCE_NOT_FOUND, node_id, f"Referenced Task [{task}] not found.")

    def workflow_not_found(self, node_id: str, workflow: str) -> None:
        """Add: a node refers to an unknown launch plan or subworkflow."""
        self.add(Code.WORKFLOW_REFERENCE_NOT_FOUND, node_id, f"Referenced Workflow [{workflow}] not found.")

    def duplicate_id(self, node_id: str, what: str) -> None:
        """Add: an id is used twice; ``what`` names the kind of the duplicates."""
        self.add(Code.DUPLICATE_ID, node_id, f"The id [{node_id}] is used by more than one {what}.")

    def cycle(self, node_id: str, path: Iterable[str]) -> None:
        """Add: a path through the workflow leads back to one of its own nodes."""
        description = f"A cycle was found while walking the Workflow [{'>'.join(path)}]."
        self.add(Code.CYCLE_DETECTED, node_id, description)
