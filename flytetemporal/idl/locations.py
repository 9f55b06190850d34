"""URIs of the files of an execution in the object store. Pure: nothing is read or written here.

Mirrors flytepropeller's apis/flyteworkflow/v1alpha1/{paths,node_status,workflow_status}.go.
"""

import posixpath
from urllib.parse import quote

from flyteidl.core import identifier_pb2

from flytetemporal.idl import identifiers, naming

INPUTS = "inputs.pb"
OUTPUTS = "outputs.pb"
ERROR = "error.pb"
FUTURES = "futures.pb"
FUTURES_COMPILED = "futures_compiled.pb"
DECK = "deck.html"
SHARED_INPUTS = "shared.pb"
METADATA_PREFIX = "metadata/propeller"
# The folders below the root of the store that the engine and admin write to, besides the raw data of tasks.
ENGINE_FOLDERS = ("metadata", "logs", "doctor")
# Below the first one, which also has a folder per project.
_METADATA_FOLDERS = ("propeller", "admin", "catalog")
_OFFLOADED = "_offloaded_metadata.pb"
_SHARD_LENGTH = 2
# Of an uploaded file: project, domain, folder and name.
_LEAST_PARTS = 4
# Names of files have at most 255 bytes.
_VARIABLE_BYTES = 200


def join(*parts: str) -> str:
    """Join URI parts with single slashes; the first part keeps its scheme."""
    first, *rest = parts
    return "/".join([first.rstrip("/"), *(part.strip("/") for part in rest if part)])


def is_plain(uri: str, store: str) -> bool:
    """Whether no part of the path below ``store`` is empty, ``.`` or ``..``, which some stores take for another path.

    Control characters are refused, too.
    """
    path = uri.removeprefix(store + "/")
    return not {"", ".", ".."} & set(path.split("/")) and min(path) >= " "


def is_engines(uri: str, store: str, raw_output_prefix: str) -> bool:
    """Whether a file below ``store`` is in a folder where the engine or a task attempt writes."""
    # Some file systems do not tell upper from lower case.
    prefixes = (uri, store, raw_output_prefix)
    uri, store, raw = (prefix.removeprefix("file://").rstrip("/").casefold() for prefix in prefixes)
    if uri.removeprefix(store + "/").partition("/")[0] in ENGINE_FOLDERS:
        return True
    # Of raw data that is written to the root itself, the folders cannot be told from those of projects.
    below = uri.removeprefix(raw + "/") if raw != store else uri
    return below != uri and len(below.partition("/")[0]) == _SHARD_LENGTH


def metadata_dir(store: str, execution_id: identifier_pb2.WorkflowExecutionIdentifier) -> str:
    """Return the directory of an execution's metadata."""
    return join(store, METADATA_PREFIX, _execution_folder(execution_id))


def states_dir(execution_metadata_dir: str) -> str:
    """Return the directory of the states that one Temporal run passes to the next; Flyte has no such directory."""
    return join(execution_metadata_dir, "states")


def data_dir(parent_output_dir: str, spec_node_id: str, *, top_level: bool) -> str:
    """Return the directory shared by a node's attempts; ``parent_output_dir`` is the metadata dir at top level."""
    directory = join(parent_output_dir, spec_node_id)
    return join(directory, "data") if top_level else directory


def output_dir(node_data_dir: str, attempt: int) -> str:
    """Return the directory of one attempt."""
    return join(node_data_dir, str(attempt))


def inputs_uri(node_data_dir: str) -> str:
    """Return the URI of a node's inputs."""
    return join(node_data_dir, INPUTS)


def outputs_uri(node_output_dir: str) -> str:
    """Return the URI of an attempt's outputs."""
    return join(node_output_dir, OUTPUTS)


def offloaded_uri(directory: str, variable: str) -> str:
    """Return the URI of the offloaded value of a variable, next to its literal map.

    Flyte's, unless no file can have that name: of a variable that is too long it contains the hash.
    """
    name = naming.fixed_length(quote(variable, safe=""), _VARIABLE_BYTES, naming.UNIQUE_HASH_BITS)
    return join(directory, f"{name}{_OFFLOADED}")


def is_offloaded(name: str) -> bool:
    """Whether a file of this name contains an offloaded value, to which other executions can refer."""
    return name.endswith(_OFFLOADED)


def owner(uri: str, metadata: str) -> identifiers.ExecutionKey | None:
    """Return the execution in whose folder below ``metadata`` a file is; None if it is not in one."""
    path, metadata = uri.removeprefix("file://"), metadata.removeprefix("file://")
    below = path.removeprefix(metadata + "/")
    folder = below.partition("/")[0]
    parts = folder.split(".") if "." in folder else folder.split("-", 2)
    if below == path or len(parts) != 3:
        return None
    project, domain, name = parts
    return project, domain, name


def place(uri: str, store: str, raw_output_prefix: str) -> tuple[str, str] | None:
    """Return project and domain of a file below ``store``; None if its URI does not name them, as that of raw data."""
    path = uri.removeprefix("file://").removeprefix(store.removeprefix("file://") + "/")
    parts = path.split("/")
    if not is_plain(uri, store) or len(parts) < _LEAST_PARTS:
        return None
    if parts[0] in ENGINE_FOLDERS:
        folder = join(store, "logs") if parts[0] == "logs" else join(store, METADATA_PREFIX)
        found = owner(uri, folder)
        return found[:2] if found is not None else _admins_place(parts)
    return None if is_engines(uri, store, raw_output_prefix) else (parts[0], parts[1])


def _admins_place(parts: list[str]) -> tuple[str, str] | None:
    """Return project and domain of a file of admin: ``metadata[/admin]/<project>/<domain>/...``."""
    match parts:
        case ["metadata", "admin", project, domain, _, *_]:
            return project, domain
        case ["metadata", project, domain, _, *_] if project not in _METADATA_FOLDERS:
            return project, domain
    return None


def execution_dirs(store: str, execution_id: identifier_pb2.WorkflowExecutionIdentifier) -> list[str]:
    """Return the directories in which the engine and admin store files of an execution and of no other one.

    Raw data of tasks is elsewhere.
    """
    key = identifiers.execution_key(execution_id)
    folders = [metadata_dir(store, execution_id), join(store, "logs", _execution_folder(execution_id))]
    if execution_id.project not in _METADATA_FOLDERS:  # Those of admin, next to which the engine has its own.
        folders += [join(store, "metadata", *key), join(store, "metadata", "admin", *key)]
    return folders


def project_dirs(store: str, project: str) -> list[str]:
    """Return the directories in which admin stores files of a project, and none of another one."""
    if project in _METADATA_FOLDERS:  # Those of admin, next to which the engine has its own.
        return []
    return [join(store, "metadata", project), join(store, "metadata", "admin", project)]


def uploads_dir(store: str, project: str, raw_output_prefix: str) -> str:
    """Return the directory of what clients have uploaded to a project; empty if the engine or tasks write there."""
    directory, raw = join(store, project), raw_output_prefix.rstrip("/")
    is_shard = raw == store.rstrip("/") and len(project) == _SHARD_LENGTH
    if is_shard or is_engines(join(directory, "file"), store, raw) or f"{raw}/".startswith(f"{directory}/"):
        return ""
    return directory


def parent(uri: str) -> str:
    """Return the directory of a file."""
    return posixpath.dirname(uri)


def is_outputs(uri: str) -> bool:
    """Whether a file contains all outputs of a node, as opposed to a part of them."""
    return posixpath.basename(uri) == OUTPUTS


def element_dir(array_output_dir: str, index: int) -> str:
    """Return the directory shared by the attempts of an array element."""
    return join(array_output_dir, str(index))


def chunk_uri(array_output_dir: str, number: int) -> str:
    """Return the URI of the inputs of one chunk of array elements."""
    return join(array_output_dir, f"elements-{number}.pb")


def part_uri(array_output_dir: str, first: int) -> str:
    """Return the URI of the outputs of consecutive array elements; ``first`` is the index of the first one."""
    return join(array_output_dir, f"outputs-{first}.pb")


def raw_output_dir(raw_output_prefix: str, generated_name: str) -> str:
    """Return the directory of an attempt's raw data."""
    return join(raw_output_prefix, naming.shard(generated_name), generated_name)


def checkpoint_dir(raw_output_directory: str) -> str:
    """Return the directory of an attempt's checkpoints."""
    return join(raw_output_directory, "_flytecheckpoints")


def log_uri(store: str, execution_id: identifier_pb2.WorkflowExecutionIdentifier, node_id: str, attempt: int) -> str:
    """Return the URI of the log of a process task; it derives from ids, so admin finds it without a row."""
    return join(store, "logs", _execution_folder(execution_id), node_id, f"{attempt}.log")


def old_log_uri(
    store: str, execution_id: identifier_pb2.WorkflowExecutionIdentifier, node_id: str, attempt: int
) -> str:
    """Return the URI at which logs were written before folders of executions became unambiguous."""
    folder = f"{execution_id.project}-{execution_id.domain}-{execution_id.name}"
    return join(store, "logs", folder, node_id, f"{attempt}.log")


def log_path(execution_id: identifier_pb2.WorkflowExecutionIdentifier, node_id: str, attempt: int) -> str:
    """Return the path of an attempt's log on admin's HTTP port."""
    return f"/logs/{execution_id.project}/{execution_id.domain}/{execution_id.name}/{node_id}/{attempt}"


def _execution_folder(execution_id: identifier_pb2.WorkflowExecutionIdentifier) -> str:
    """Return Flyte's name of an execution's folder, or one with dots where Flyte's could be that of another execution.

    Neither projects nor names contain dots. Without dashes in project and domain, the first two dashes of the name
    tell the parts from each other.
    """
    parts = (execution_id.project, execution_id.domain, execution_id.name)
    return "-".join(parts) if "-" not in execution_id.project + execution_id.domain else ".".join(parts)
