"""Shared memory of a primary container: a volume in memory. Pure.

The rules mirror flyteplugins' pluginmachinery/flytek8s/pod_helper.go, ApplySharedMemory.
"""

from flyteidl.core import tasks_pb2

from flytetemporal.idl import quantities
from flytetemporal.plugins.pod_targets import Json
from flytetemporal.plugins.protocol import BAD_SPECIFICATION, Rejected


def add(spec: Json, container: Json, wanted: tasks_pb2.SharedMemory) -> None:
    """Add a volume in memory to a pod, and mount it in a container.

    Raises:
        Rejected: name or path are missing or in use, or the size is no quantity.
    """
    name, path = wanted.mount_name, wanted.mount_path
    volumes, mounts = spec.setdefault("volumes", []), container.setdefault("volumeMounts", [])
    problem = ""
    if not name or not path:
        problem = "needs a mount name and a mount path"
    elif any(volume.get("name") == name for volume in volumes):
        problem = f"needs the volume [{name}], which the pod already has"
    elif any(mount.get("name") == name or mount.get("mountPath") == path for mount in mounts):
        problem = f"is mounted as [{name}] at [{path}], where the container already has a mount"
    elif wanted.size_limit and not _is_quantity(wanted.size_limit):
        problem = f"has the size [{wanted.size_limit}], which is not a quantity"
    if problem:
        raise Rejected(BAD_SPECIFICATION, f"shared memory {problem}")
    volumes.append({"name": name, "emptyDir": {"medium": "Memory", "sizeLimit": wanted.size_limit or "0"}})
    mounts.append({"name": name, "mountPath": path})


def _is_quantity(text: str) -> bool:
    try:
        quantities.parse(text)
    except ValueError:
        return False
    return True
