"""HTTP routes of the file store: signed uploads and downloads, and the logs of process tasks."""

import mimetypes

from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from flytetemporal.errors import FlyteError, InvalidRequest, NotFound
from flytetemporal.idl import identifiers, locations
from flytetemporal.rpc import status
from flytetemporal.storage.blobs import BlobStore
from flytetemporal.storage.signing import FILES_PATH, Signer


def routes(blobs: BlobStore, signer: Signer) -> list[BaseRoute]:
    """Return the routes, to be served beside the methods."""
    files = Files(blobs, signer)
    return [
        Route(FILES_PATH + "/{path:path}", files.put, methods=["PUT"]),
        Route(FILES_PATH + "/{path:path}", files.get, methods=["GET", "HEAD"]),
        Route("/logs/{project}/{domain}/{name}/{node_id}/{attempt:int}", files.log, methods=["GET"]),
    ]


class Files:
    """The endpoints. A link says by its signature what may be done with which object."""

    def __init__(self, blobs: BlobStore, signer: Signer) -> None:
        self._blobs = blobs
        self._signer = signer

    async def put(self, request: Request) -> Response:
        """Take an upload; it becomes visible whole, and only when its MD5 is the one that was signed."""
        try:
            uri, md5 = self._verified(request, "PUT")
            await self._blobs.write_stream(uri, request.stream(), md5)
        except FlyteError as e:
            return _refusal(e)
        return Response()

    async def get(self, request: Request) -> Response:
        """Send an object; parts of it when asked."""
        try:
            uri, _ = self._verified(request, "GET")
            path = self._blobs.local_path(uri)
            if path is None or not path.is_file():
                raise NotFound("object not found")
        except FlyteError as e:
            return _refusal(e)
        kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
        return FileResponse(path, media_type=kind, content_disposition_type="inline", filename=path.name)

    async def log(self, request: Request) -> Response:
        """Send the captured output of a task attempt, so far as it has been written."""
        parts = request.path_params
        execution_id = identifiers.execution_identifier((parts["project"], parts["domain"], parts["name"]))
        uri = locations.log_uri(self._blobs.root, execution_id, parts["node_id"], parts["attempt"])
        try:
            if self._blobs.owns(uri):
                return PlainTextResponse(await self._blobs.read(uri))
        except NotFound:
            pass
        except FlyteError as e:
            return _refusal(e)
        attempt = f"attempt {parts['attempt']} of node {parts['node_id']} of execution {parts['name']}"
        return PlainTextResponse(f"there is no log of {attempt}\n", 404)

    def _verified(self, request: Request, verb: str) -> tuple[str, bytes]:
        path = request.path_params["path"]
        md5 = self._signer.verify(verb, path, request.query_params)
        uri = f"{self._blobs.root}/{path}"
        if not self._blobs.owns(uri):
            raise InvalidRequest(f"[{path}] leads out of the store")
        return uri, md5


def _refusal(error: FlyteError) -> Response:
    answer = status.status(error)
    return PlainTextResponse(answer.message + "\n", status.HTTP_STATUS.get(answer.code, 500))
