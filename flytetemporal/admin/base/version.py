"""The installed version, for GetVersion."""

from importlib import metadata

from flyteidl.admin import version_pb2

from flytetemporal.admin.base.dependencies import Dependencies


async def get(_: Dependencies, request: version_pb2.GetVersionRequest) -> version_pb2.GetVersionResponse:
    """Return the installed version; clients expect it to start with ``v``."""
    del request
    installed = version_pb2.Version(
        Build="unknown", Version=f"v{metadata.version('flytetemporal')}", BuildTime="unknown"
    )
    return version_pb2.GetVersionResponse(control_plane_version=installed)
