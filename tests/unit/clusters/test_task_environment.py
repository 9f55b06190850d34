"""Pods of tasks see the Python of the checkout, and cannot write to it."""

import sys
from pathlib import Path

from clusters import task_environment


def test_the_template_mounts_the_interpreter_and_its_packages_read_only() -> None:
    spec = task_environment.pod_template()["template"]["spec"]
    mounts = {mount["mountPath"]: mount for mount in spec["containers"][0]["volumeMounts"]}
    volumes = {volume["name"]: volume["hostPath"]["path"] for volume in spec["volumes"]}

    for needed in (sys.prefix, sys.base_prefix, str(Path(task_environment.__file__).parents[1] / "flytetemporal")):
        assert any(Path(folder) in (Path(needed), *Path(needed).parents) for folder in mounts)
    assert all(mount["readOnly"] for mount in mounts.values())
    assert {path: volumes[mount["name"]] for path, mount in mounts.items()} == {path: path for path in mounts}


def test_no_folder_is_mounted_below_another() -> None:
    folders = task_environment.mounted()

    assert [folder for folder in folders for other in folders if Path(other) in Path(folder).parents] == []


def test_the_image_finds_the_entrypoints_of_flytekit() -> None:
    image = task_environment.image()

    first, *_ = image.environment["PATH"].split(":")
    assert (Path(first) / "pyflyte-execute").exists()
    assert "flytekit" in image.name
