"""What stands for the images of tasks: an empty image, and a pod template that mounts this checkout's Python into it.

An image with flytekit would have a thousand times the size, and would be built again after each change. Pods that
are based on the template run what is installed in the environment of the checkout; they cannot write to it.
"""

import sys
from pathlib import Path
from typing import Any

from flytekit.configuration.default_images import DefaultImages

from clusters.images import Image

TEMPLATE = "this-checkout"
"""The name of the pod template."""
_ROOT = Path(__file__).resolve().parent.parent
# Commands, the libraries that compiled modules load, and the certificates that clients of HTTPS trust.
_SYSTEM = ("/bin", "/lib", "/lib64", "/usr", "/etc/ssl")


def image() -> Image:
    """Return the image that stock pyflyte registers tasks with if their author names none."""
    return Image(DefaultImages.default_image(), environment={"PATH": f"{Path(sys.prefix) / 'bin'}:/usr/bin:/bin"})


def mounted() -> list[str]:
    """Return the folders of this machine that containers see, at the same paths."""
    # The code of flytetemporal is outside of the environment, which only points to it.
    python = [Path(sys.prefix), Path(sys.base_prefix), _ROOT / "flytetemporal"]
    # Scripts of an environment that is a link name the path that it links to.
    wanted = {*_SYSTEM, *map(str, python), *(str(path.resolve()) for path in python)}
    folders = sorted(folder for folder in wanted if Path(folder).is_dir())
    return [folder for folder in folders if not any(Path(other) in Path(folder).parents for other in folders)]


def pod_template() -> dict[str, Any]:
    """Return the template. Its container ``default`` is the base of every container of a pod."""
    names = {folder: f"host{number}" for number, folder in enumerate(mounted())}
    mounts = [{"name": name, "mountPath": folder, "readOnly": True} for folder, name in names.items()]
    volumes = [{"name": name, "hostPath": {"path": folder, "type": "Directory"}} for folder, name in names.items()]
    container = {"name": "default", "image": image().name, "volumeMounts": mounts}
    spec = {"hostNetwork": True, "containers": [container], "volumes": volumes}
    return {"metadata": {"name": TEMPLATE}, "template": {"spec": spec}}
