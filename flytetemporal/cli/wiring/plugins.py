"""The task plugins of a worker. To add a plugin, add its line to ``BY_TYPE``."""

from collections.abc import Callable

from flytetemporal.config.pods import PodSettings
from flytetemporal.config.storage import StorageSettings
from flytetemporal.config.worker import WorkerSettings
from flytetemporal.plugins.container_engine.plugin import ContainerPlugin
from flytetemporal.plugins.process.plugin import ProcessPlugin
from flytetemporal.plugins.protocol import Plugin
from flytetemporal.plugins.registry import ContainerRule, PodRule, Registry
from flytetemporal.storage.blobs import BlobStore

Build = Callable[[WorkerSettings, StorageSettings, BlobStore], Plugin]

BY_TYPE: dict[str, Build] = {}
"""Task type to the class of its plugin. All other tasks that have a container are run by the two plugins below."""


def registry(
    worker: WorkerSettings, storage: StorageSettings, blobs: BlobStore, pods: PodSettings | None = None
) -> Registry:
    """Build every plugin; that for pods only if the worker uses it."""
    containers = ContainerRule(
        in_process=ProcessPlugin(worker, storage, blobs),
        in_image=ContainerPlugin(worker, storage, blobs),
        images=worker.container_images,
    )
    by_type = {kind: build(worker, storage, blobs) for kind, build in BY_TYPE.items()}
    if worker.plugin != "pods":
        return Registry(by_type, containers)
    # The client of Kubernetes takes most of a second to import.
    from flytetemporal.plugins.pods.plugin import PodPlugin

    settings = pods or PodSettings()
    return Registry(by_type, containers, PodRule(PodPlugin(worker, settings, storage, blobs), settings.process_images))
