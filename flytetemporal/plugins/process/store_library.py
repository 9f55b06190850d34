"""Load the library of the object store in the fork server, so that its forks need not. Used in that process only.

flytekit loads it in each task, when it reads the first input, and botocore then parses its descriptions of S3: together
that costs several times what a small task costs otherwise.
"""

import asyncio
import contextlib
import functools
import importlib
from typing import Any

_MODULES = {"s3": "s3fs", "gs": "gcsfs"}


def load(scheme: str) -> None:
    """Load what tasks need to read and write URIs with ``scheme``. What cannot be loaded fails in the tasks."""
    with contextlib.suppress(Exception):
        if scheme in _MODULES:
            importlib.import_module(_MODULES[scheme])
        if scheme == "s3":
            _describe_s3()


def _describe_s3() -> None:
    """Have botocore parse its descriptions of S3. Sessions share the loader that keeps them; none changes them."""
    loaders: Any = importlib.import_module("botocore.loaders")
    loaders.create_loader = functools.cache(loaders.create_loader)
    loop = asyncio.new_event_loop()
    try:
        loop.run_until_complete(_open_client())
    finally:
        loop.close()


async def _open_client() -> None:
    session: Any = importlib.import_module("aiobotocore.session").get_session()
    nobody = {"aws_access_key_id": "none", "aws_secret_access_key": "none"}
    async with session.create_client("s3", region_name="us-east-1", **nobody):
        pass  # It connects when it is used.
