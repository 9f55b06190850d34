"""Archives of images are as docker saves them."""

import hashlib
import json
import tarfile
from pathlib import Path

from clusters import images


def test_an_archive_names_its_images_and_the_digest_of_their_layer(tmp_path: Path) -> None:
    busybox = tmp_path / "busybox"
    busybox.write_text("a program")
    archive = tmp_path / "images.tar"

    images.write_busybox(busybox, archive, [images.BUSYBOX, images.PAUSE])

    with tarfile.open(archive) as saved:
        manifest = json.loads(read(saved, "manifest.json"))
        layer = read(saved, "layer.tar")
        configs = [json.loads(read(saved, image["Config"])) for image in manifest]
    assert [image["RepoTags"] for image in manifest] == [["localhost/busybox:1"], ["localhost/pause:1"]]
    assert {tuple(image["Layers"]) for image in manifest} == {("layer.tar",)}
    assert {*configs[0]["rootfs"]["diff_ids"]} == {f"sha256:{hashlib.sha256(layer).hexdigest()}"}
    assert configs[0]["config"] == {"Cmd": ["/bin/sh"], "Env": ["PATH=/bin"]}
    (tmp_path / "layer.tar").write_bytes(layer)
    with tarfile.open(tmp_path / "layer.tar") as root:
        assert root.getmember("bin/sh").linkname == "busybox"
        assert root.getmember("tmp").mode == 0o1777


def read(archive: tarfile.TarFile, name: str) -> bytes:
    file = archive.extractfile(name)
    assert file is not None
    return file.read()
