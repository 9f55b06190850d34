"""Images of containers without a registry: an archive as docker saves it, written here."""

import hashlib
import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

APPLETS = (
    *(
        "sh",
        "cat",
        "echo",
        "env",
        "false",
        "head",
        "id",
        "ls",
        "mkdir",
        "sleep",
        "tail",
        "touch",
        "tr",
        "true",
        "wc",
        "wget",
    ),
)
"""Commands of busybox that its image has."""


@dataclass(frozen=True)
class Image:
    """The name of an image, and what its containers run and see."""

    name: str
    command: Sequence[str] = ()
    environment: Mapping[str, str] = field(default_factory=dict)


# Without a registry, names need no host; this is the one that never resolves to one.
BUSYBOX = Image("localhost/busybox:1", ["/bin/sh"], {"PATH": "/bin"})
PAUSE = Image("localhost/pause:1", ["/bin/sleep", "2147483647"], {"PATH": "/bin"})
"""What holds the namespaces of a pod."""


def write_busybox(busybox: Path, archive: Path, images: Sequence[Image]) -> None:
    """Write an archive of images that share their only layer, in which there is nothing but busybox."""
    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as root:
        root.add(busybox.resolve(), "bin/busybox")
        for name in APPLETS:
            link = tarfile.TarInfo(f"bin/{name}")
            link.type, link.linkname = tarfile.SYMTYPE, "busybox"
            root.addfile(link)
        for name in ("tmp", "etc", "proc", "sys", "dev", "var", "root"):
            directory = tarfile.TarInfo(name)
            directory.type, directory.mode = tarfile.DIRTYPE, 0o1777 if name == "tmp" else 0o755
            root.addfile(directory)
    write_archive(archive, layer.getvalue(), images)


def write_archive(archive: Path, layer: bytes, images: Sequence[Image]) -> None:
    """Write an archive of images that have one layer in common."""
    manifest = []
    with tarfile.open(archive, "w") as saved:
        _add(saved, "layer.tar", layer)
        for image in images:
            config = _config(image, f"sha256:{hashlib.sha256(layer).hexdigest()}")
            name = f"{hashlib.sha256(config).hexdigest()}.json"
            _add(saved, name, config)
            manifest.append({"Config": name, "RepoTags": [image.name], "Layers": ["layer.tar"]})
        _add(saved, "manifest.json", json.dumps(manifest).encode())


def _config(image: Image, layer: str) -> bytes:
    run = {"Cmd": list(image.command), "Env": [f"{name}={value}" for name, value in image.environment.items()]}
    system = {"architecture": "amd64", "os": "linux"}
    return json.dumps({**system, "config": run, "rootfs": {"type": "layers", "diff_ids": [layer]}}).encode()


def _add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = len(content)
    archive.addfile(entry, io.BytesIO(content))
