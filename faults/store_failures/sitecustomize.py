"""Make writes to the object store fail at random in every Python process that has this folder first on PYTHONPATH.

FAULTS_STORE_RATE is the probability; each failure appends a line to the file FAULTS_STORE_LOG. The import hook patches
the store when a process imports it, so that the product has no code for this.
"""

import importlib.abc
import importlib.machinery
import os
import random
import sys

MODULE = "flytetemporal.storage.blobs"


class _Loader(importlib.abc.Loader):
    def __init__(self, loader):
        self._loader = loader

    def create_module(self, spec):
        return self._loader.create_module(spec)

    def exec_module(self, module):
        self._loader.exec_module(module)
        rate, log, dice = float(os.environ["FAULTS_STORE_RATE"]), os.environ["FAULTS_STORE_LOG"], random.Random()
        write = module.BlobStore.write_sync

        def sometimes(self, uri, data):
            if dice.random() < rate:
                with open(log, "a") as file:
                    file.write(uri + "\n")
                raise module.Unavailable(f"the store did not take {uri}")
            return write(self, uri, data)

        module.BlobStore.write_sync = sometimes


class _Finder(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name != MODULE:
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        if spec is not None:
            spec.loader = _Loader(spec.loader)
        return spec


if os.environ.get("FAULTS_STORE_RATE"):
    sys.meta_path.insert(0, _Finder())
