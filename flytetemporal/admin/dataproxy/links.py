"""DataProxyService: signed links for uploads and downloads, and data by ``flyte://`` address.

Mirrors flyteadmin's dataproxy/service.go.
"""

import base64
import re
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from flyteidl.admin import node_execution_pb2, task_execution_pb2
from flyteidl.core import identifier_pb2, literals_pb2
from flyteidl.service import dataproxy_pb2
from google.protobuf import duration_pb2

from flytetemporal.admin.base.dependencies import Dependencies
from flytetemporal.admin.executions import node_executions, task_executions
from flytetemporal.auth import access
from flytetemporal.auth.roles import Permission, Scope
from flytetemporal.errors import AlreadyExists, InvalidRequest, NotFound
from flytetemporal.idl import identifiers, locations, times
from flytetemporal.storage.signing import Signer

_FLYTE_URL = re.compile(
    r"flyte://v1/(?P<project>[\w-]+)/(?P<domain>[\w-]+)/(?P<execution>[\w-]+)/(?P<node>[\w-]+)"
    r"(?:/(?P<attempt>\d+))?/(?P<part>[iod])(?:/(?P<literal>[\w-]+))?"
)
_MD5_BYTES = 16
_NAME_CHARACTERS = "bcdfghjklmnpqrstvwxz2456789"


@dataclass(frozen=True, slots=True)
class _Address:
    node_id: identifier_pb2.NodeExecutionIdentifier
    attempt: int | None
    part: str
    literal: str | None


class DataProxy:
    """The functions of the service. They only link objects below the store's root and the prefix of raw data."""

    def __init__(self, deps: Dependencies, signer: Signer) -> None:
        self._deps = deps
        self._signer = signer

    async def create_upload_location(
        self, request: dataproxy_pb2.CreateUploadLocationRequest
    ) -> dataproxy_pb2.CreateUploadLocationResponse:
        """Return a signed link to upload a file, and the URI that the file will have.

        Raises:
            InvalidRequest: a field is missing or wrong.
            AlreadyExists: a file of this name has other content.
        """
        if not request.project or not request.domain:
            raise InvalidRequest("project and domain are required parameters")
        if not request.content_md5 and not request.filename_root:
            raise InvalidRequest("content_md5 or filename_root is a required parameter")
        if request.content_md5 and len(request.content_md5) != _MD5_BYTES:
            raise InvalidRequest(f"invalid content_md5: it has {len(request.content_md5)} bytes, an MD5 {_MD5_BYTES}")
        lifetime = self._lifetime(request.expires_in)
        root = request.filename_root or base64.b32encode(request.content_md5).decode()
        filename = request.filename or "".join(secrets.choice(_NAME_CHARACTERS) for _ in range(20))
        uri = self._upload_uri(request, root, filename)
        only_new = bool(request.filename and request.filename_root) and await self._is_new(uri, request.content_md5)
        return dataproxy_pb2.CreateUploadLocationResponse(
            signed_url=await self._signer.link("PUT", uri, lifetime, request.content_md5, only_new=only_new),
            native_url=uri,
            expires_at=times.timestamp(datetime.now(UTC) + lifetime),
            headers=self._signer.headers(uri, request.content_md5, only_new=only_new),
        )

    async def create_download_location(
        self, request: dataproxy_pb2.CreateDownloadLocationRequest
    ) -> dataproxy_pb2.CreateDownloadLocationResponse:
        """Return a signed link to an object."""
        lifetime = self._lifetime(request.expires_in)
        uri = request.native_url
        raw_prefix = self._deps.raw_output_prefix
        if not self._deps.blobs.owns(uri) and not (uri.startswith(raw_prefix + "/") and ".." not in uri.split("/")):
            raise InvalidRequest(f"invalid native_url [{uri}]: only objects of this installation's store can be linked")
        place = locations.place(uri, self._deps.blobs.root, raw_prefix)
        access.require(Permission.READ, Scope(*place) if place else Scope())
        return dataproxy_pb2.CreateDownloadLocationResponse(
            signed_url=await self._signer.link("GET", uri, lifetime),
            expires_at=times.timestamp(datetime.now(UTC) + lifetime),
        )

    async def create_download_link(
        self, request: dataproxy_pb2.CreateDownloadLinkRequest
    ) -> dataproxy_pb2.CreateDownloadLinkResponse:
        """Return a signed link to a node's deck."""
        if request.artifact_type != dataproxy_pb2.ARTIFACT_TYPE_DECK:
            raise InvalidRequest("invalid value for artifact_type: only ARTIFACT_TYPE_DECK can be linked")
        if request.WhichOneof("source") != "node_execution_id":
            raise InvalidRequest("missing source")
        lifetime = self._lifetime(request.expires_in)
        urls = await self._deck(request.node_execution_id, lifetime)
        return dataproxy_pb2.CreateDownloadLinkResponse(
            signed_url=urls.signed_url, expires_at=urls.expires_at, pre_signed_urls=urls
        )

    async def get_data(self, request: dataproxy_pb2.GetDataRequest) -> dataproxy_pb2.GetDataResponse:
        """Return the inputs, outputs, single value or deck that a ``flyte://`` address names."""
        address = _parse(request.flyte_url)
        if address.part == "d":
            urls = await self._deck_of_known_node(address.node_id, self._deps.storage.max_link_age)
            return dataproxy_pb2.GetDataResponse(pre_signed_urls=urls)
        data = await (self._node_data(address) if address.attempt is None else self._task_data(address))
        values = data.full_inputs if address.part == "i" else data.full_outputs
        if address.literal is None:
            return dataproxy_pb2.GetDataResponse(literal_map=values)
        if address.literal not in values.literals:
            raise InvalidRequest(f"there is no value [{address.literal}] under [{request.flyte_url}]")
        literal: literals_pb2.Literal = values.literals[address.literal]
        return dataproxy_pb2.GetDataResponse(literal=literal)

    async def _node_data(self, address: _Address) -> node_execution_pb2.NodeExecutionGetDataResponse:
        request = node_execution_pb2.NodeExecutionGetDataRequest(id=address.node_id)
        return await node_executions.get_data(self._deps, request)

    async def _task_data(self, address: _Address) -> task_execution_pb2.TaskExecutionGetDataResponse:
        listed = await task_executions.list_task_executions(
            self._deps,
            task_execution_pb2.TaskExecutionListRequest(
                node_execution_id=address.node_id, limit=1, filters=f"eq(retry_attempt,{address.attempt})"
            ),
        )
        if not listed.task_executions:
            raise InvalidRequest(f"node [{address.node_id.node_id}] has no attempt {address.attempt}")
        request = task_execution_pb2.TaskExecutionGetDataRequest(id=listed.task_executions[0].id)
        return await task_executions.get_data(self._deps, request)

    async def _deck(
        self, node_id: identifier_pb2.NodeExecutionIdentifier, lifetime: timedelta
    ) -> dataproxy_pb2.PreSignedURLs:
        try:
            return await self._deck_of_known_node(node_id, lifetime)
        except _UnknownNode as e:
            text = identifiers.node_text(node_id)
            raise InvalidRequest(f"failed to find node execution [{text}]. Error: {e.message}") from e

    async def _deck_of_known_node(
        self, node_id: identifier_pb2.NodeExecutionIdentifier, lifetime: timedelta
    ) -> dataproxy_pb2.PreSignedURLs:
        try:
            node = await node_executions.get(self._deps, node_execution_pb2.NodeExecutionGetRequest(id=node_id))
        except NotFound as e:
            raise _UnknownNode(e.message) from e
        uri = node.closure.deck_uri
        if not uri:
            raise NotFound(f"node [{node_id.node_id}] has no deck")
        if not await self._deps.blobs.exists(uri):
            raise NotFound("object not found")
        return dataproxy_pb2.PreSignedURLs(
            signed_url=[await self._signer.link("GET", uri, lifetime)],
            expires_at=times.timestamp(datetime.now(UTC) + lifetime),
        )

    def _upload_uri(self, request: dataproxy_pb2.CreateUploadLocationRequest, root: str, filename: str) -> str:
        """Return the URI of an uploaded file. Raises ``InvalidRequest`` if it is not in a folder for uploads."""
        blobs = self._deps.blobs
        uri = locations.join(blobs.root, request.org, request.project, request.domain, root, filename)
        if not blobs.owns(uri) or not locations.is_plain(uri, blobs.root):
            name = locations.join(request.project, request.domain, root, filename)
            raise InvalidRequest(f"invalid filename [{name}]: it names a file outside of the upload's folder")
        if locations.is_engines(uri, blobs.root, self._deps.raw_output_prefix):
            raise InvalidRequest(f"invalid upload location [{uri}]: the engine keeps its own files there")
        return uri

    async def _is_new(self, uri: str, md5: bytes) -> bool:
        """Whether the file does not exist. Raises ``AlreadyExists`` if it has other content."""
        if not await self._deps.blobs.exists(uri):
            return True
        if not md5 or await self._deps.blobs.md5(uri) != md5:
            raise AlreadyExists(f"file [{uri}] already exists with other content; choose another filename or root")
        return False

    def _lifetime(self, requested: duration_pb2.Duration) -> timedelta:
        longest = self._deps.storage.max_link_age
        lifetime = requested.ToTimedelta()
        if lifetime < timedelta():
            raise InvalidRequest(f"expiresIn [{times.go_text(lifetime)}] cannot be negative")
        if lifetime > longest:
            raise InvalidRequest(
                f"expiresIn [{times.go_text(lifetime)}] cannot exceed max allowed expiration [{times.go_text(longest)}]"
            )
        return lifetime or longest


class _UnknownNode(NotFound):
    """The node of a deck does not exist: as in Flyte, NOT_FOUND for GetData, INVALID_ARGUMENT for a download link."""


def _parse(url: str) -> _Address:
    found = _FLYTE_URL.fullmatch(url)
    if found is None or (found["part"] == "d" and (found["attempt"] or found["literal"])):
        raise InvalidRequest(f"failed to parse artifact url Error: failed to parse [{url}]")
    execution_id = identifiers.execution_identifier((found["project"], found["domain"], found["execution"]))
    node_id = identifier_pb2.NodeExecutionIdentifier(node_id=found["node"], execution_id=execution_id)
    attempt = int(found["attempt"]) if found["attempt"] else None
    return _Address(node_id, attempt, found["part"], found["literal"])
