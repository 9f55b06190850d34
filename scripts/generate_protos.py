"""Generate flytetemporal/contracts/v1 from protos/.

FlyteIDL's descriptors come from the installed ``flyteidl`` package and not from its sources, so our messages and
flytekit's share one descriptor pool.

usage: generate_protos.py [OUTPUT_DIRECTORY]
"""

import importlib
import sys
import tempfile
from pathlib import Path

from google.protobuf import descriptor, descriptor_pb2
from grpc_tools import protoc

ROOT = Path(__file__).resolve().parent.parent
IMPORTED = (
    "flyteidl.admin.common_pb2",
    "flyteidl.admin.execution_pb2",
    "flyteidl.core.artifact_id_pb2",
    "flyteidl.core.condition_pb2",
    "flyteidl.core.execution_pb2",
    "flyteidl.core.interface_pb2",
    "flyteidl.core.security_pb2",
    "flyteidl.core.workflow_pb2",
    "flyteidl.datacatalog.datacatalog_pb2",
    "flyteidl.event.event_pb2",
    "google.api.annotations_pb2",
    "google.protobuf.wrappers_pb2",
)


def descriptor_set() -> descriptor_pb2.FileDescriptorSet:
    """Return the imported files and their dependencies, dependencies first."""
    files: dict[str, descriptor_pb2.FileDescriptorProto] = {}

    def add(file: descriptor.FileDescriptor) -> None:
        if file.name in files:
            return
        for dependency in file.dependencies:
            add(dependency)
        files[file.name] = descriptor_pb2.FileDescriptorProto.FromString(file.serialized_pb)

    for module in IMPORTED:
        add(importlib.import_module(module).DESCRIPTOR)
    return descriptor_pb2.FileDescriptorSet(file=files.values())


def main() -> int:
    """Run protoc; return its exit status."""
    out = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT
    out.mkdir(parents=True, exist_ok=True)
    sources = sorted(str(p.relative_to(ROOT / "protos")) for p in (ROOT / "protos").rglob("*.proto"))
    with tempfile.TemporaryDirectory() as scratch:
        imports = Path(scratch) / "imports.binpb"
        imports.write_bytes(descriptor_set().SerializeToString())
        generated = Path(scratch) / "out"
        generated.mkdir()
        status = protoc.main(
            [
                "protoc",
                f"--proto_path={ROOT / 'protos'}",
                f"--descriptor_set_in={imports}",
                f"--python_out={generated}",
                f"--pyi_out={generated}",
                *sources,
            ]
        )
        if status:
            return int(status)
        target = out / "flytetemporal" / "contracts" / "v1"
        target.mkdir(parents=True, exist_ok=True)
        for path in sorted((generated / "flytetemporal" / "v1").iterdir()):
            text = path.read_text()
            text = text.replace("from flytetemporal.v1 import", "from flytetemporal.contracts.v1 import")
            (target / path.name).write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
