"""Derived names: node execution ids, child executions, task attempts, Temporal workflow ids.

All names derive from ids, so every start, write and report can be repeated with the same effect. The rules and the
alphabet mirror flyteplugins' pluginmachinery/encoding/encoder.go and flytepropeller's nodes/common/utils.go.
"""

import base64
import re
from collections.abc import Sequence

from flyteidl.core import identifier_pb2

NODE_ID_LIMIT = 20
EXECUTION_NAME_LIMIT = 20
GENERATED_NAME_LIMIT = 50
LABEL_LIMIT = 63
# Flyte hashes long node ids and attempt names to 32 bits. Among tens of thousands of names a collision is likely.
FLYTE_HASH_BITS = 32
# A hash of this length can be treated as unique.
UNIQUE_HASH_BITS = 64

# The labels of a child that name the execution that launched it.
PARENT_LABELS = ("domain", "execution-id", "project", "workflow-name")
# The label with which flytekit marks an execution that an eager workflow launched; its value is the name of the
# execution of the eager workflow.
EAGER_LABEL = "eager-exec"
# Our label for the node whose eager task launched an execution. Task processes set it; flytekit alone does not know it.
EAGER_NODE_LABEL = "flytetemporal.io/eager-node"
EAGER_NODE_VARIABLE = "FLYTETEMPORAL_EAGER_NODE"

_STANDARD_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
_FLYTE_ALPHABET = "abcdefghijklmnopqrstuvwxyz123456"
_TO_FLYTE = str.maketrans(_STANDARD_ALPHABET, _FLYTE_ALPHABET)
_SHARD_ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789"


def fnv1a(data: bytes, bits: int) -> int:
    """Return the FNV-1a hash of ``data``; ``bits`` is 32 or 64."""
    value, prime = (0x811C9DC5, 0x01000193) if bits == 32 else (0xCBF29CE484222325, 0x100000001B3)
    mask = (1 << bits) - 1
    for byte in data:
        value = ((value ^ byte) * prime) & mask
    return value


def fnv1(data: bytes) -> int:
    """Return the 64-bit FNV-1 hash of ``data``, from which Flyte's scheduler makes names."""
    value = 0xCBF29CE484222325
    for byte in data:
        value = (value * 0x100000001B3 & (1 << 64) - 1) ^ byte
    return value


def join(parts: Sequence[str]) -> str:
    """Join with dashes; empty parts at the start add none."""
    joined = ""
    for part in parts:
        joined = f"{joined}-{part}" if joined else part
    return joined


def fixed_length(name: str, limit: int, bits: int) -> str:
    """Return a name, or ``f`` and its base32 hash if it is longer than ``limit`` bytes."""
    if len(name.encode()) <= limit:
        return name
    digest = fnv1a(name.encode(), bits).to_bytes(bits // 8, "big")
    return "f" + base64.b32encode(digest).decode().rstrip("=").translate(_TO_FLYTE)


def node_path(spec_node_id: str, parent_id: str = "", parent_attempt: int = 0) -> str:
    """Return the full name of a node execution; top-level nodes have no parent."""
    return join([parent_id, str(parent_attempt), spec_node_id]) if parent_id else spec_node_id


def node_id(path: str, bits: int = FLYTE_HASH_BITS) -> str:
    """Return the id of a node execution."""
    return fixed_length(path, NODE_ID_LIMIT, bits)


def generated_name(execution_name: str, node_id: str, attempt: int, bits: int = UNIQUE_HASH_BITS) -> str:
    """Return the name of a task attempt, which names its pod or process and its raw output directory."""
    return fixed_length(join([execution_name, node_id, str(attempt)]), GENERATED_NAME_LIMIT, bits)


def child_execution_name(execution_name: str, node_id: str, attempt: int) -> str:
    """Return the name of the execution that a launch plan node starts."""
    return fixed_length(join([execution_name, node_id, str(attempt)]), EXECUTION_NAME_LIMIT, UNIQUE_HASH_BITS)


def label(text: str) -> str:
    """Return a text as the value of a Kubernetes label: at most 63 lower-case letters, digits and dashes."""
    return re.sub(r"[^a-z0-9-]", "-", text.lower())[:LABEL_LIMIT].strip("-")


def shard(name: str) -> str:
    """Return the two-character prefix that spreads raw output directories over the partitions of the store."""
    index = fnv1a(name.encode(), 32) % 1296
    return _SHARD_ALPHABET[index // 36] + _SHARD_ALPHABET[index % 36]


def temporal_workflow_id(execution_id: identifier_pb2.WorkflowExecutionIdentifier) -> str:
    """Return the Temporal workflow id of an execution: readable, unique, under 200 characters."""
    return f"{execution_id.project}:{execution_id.domain}:{execution_id.name}"
