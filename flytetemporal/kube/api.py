"""Calls of a Kubernetes API server, by the official client. Objects are plain JSON, as users write them.

The models of the client would refuse objects themselves, with other words than the API server, and drop fields that are
newer than the client.
"""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import Any

import aiohttp
from kubernetes.aio import client, config
from kubernetes.aio.config.config_exception import ConfigException

from flytetemporal.config.pods import PodSettings
from flytetemporal.errors import Unavailable

Json = dict[str, Any]
ANSWER_SECONDS = 30.0
WATCH_SECONDS = 240
"""How long one watch request lasts; the server ends it."""
SILENCE_SECONDS = 90.0
"""A watch without any event for so long is broken: the server sends bookmarks once a minute."""
CALLS_AT_ONCE = 50
_CHUNK = 256 * 1024
_METADATA = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"
_MERGE = {"Content-Type": "application/merge-patch+json"}


class KubeProblem(Exception):
    """An answer of the API server that is an error; ``reason`` is one of Kubernetes, such as AlreadyExists."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason
        self.message = message


class KubeApi:
    """The API server of one cluster. Every method raises ``KubeProblem`` or, if it does not answer, ``Unavailable``."""

    def __init__(self, api: client.ApiClient) -> None:
        self._client = api
        self._calls = asyncio.Semaphore(CALLS_AT_ONCE)

    @classmethod
    async def connect(cls, settings: PodSettings) -> "KubeApi":
        """Return the cluster that the settings name; nothing is sent yet.

        Raises:
            Unavailable: there is no usable configuration.
        """
        configuration = client.Configuration()
        # No limit: each watch has its connection, and those of many namespaces must not starve the calls.
        configuration.connection_pool_maxsize = 0
        try:
            if settings.in_cluster:
                config.load_incluster_config(client_configuration=configuration)
            else:
                await config.load_kube_config(
                    config_file=settings.kubeconfig or None,
                    context=settings.context or None,
                    client_configuration=configuration,
                    persist_config=False,
                )
        except (ConfigException, OSError) as e:
            where = "of the worker's pod" if settings.in_cluster else settings.kubeconfig or "KUBECONFIG"
            raise Unavailable(f"the configuration of the cluster ({where}) cannot be used: {e}") from e
        return cls(client.ApiClient(configuration=configuration))

    @property
    def host(self) -> str:
        """The address of the API server."""
        return str(self._client.configuration.host)

    async def close(self) -> None:
        """Close all connections."""
        await self._client.close()

    async def get(self, path: str, query: Mapping[str, str] | None = None) -> Json:
        """Return an object or a list."""
        return await self._call("GET", path, query=query)

    async def get_metadata(self, path: str, query: Mapping[str, str] | None = None) -> Json:
        """Return a list of objects of which only the metadata is set."""
        return await self._call("GET", path, query=query, headers={"Accept": _METADATA})

    async def create(self, path: str, body: Json) -> Json:
        """Create an object in a collection and return it."""
        return await self._call("POST", path, body=body)

    async def replace(self, path: str, body: Json) -> Json:
        """Replace an object; the version in ``body`` must be the current one."""
        return await self._call("PUT", path, body=body)

    async def patch(self, path: str, body: Json) -> Json:
        """Merge ``body`` into an object and return it."""
        return await self._call("PATCH", path, body=body, headers=_MERGE)

    async def delete(self, path: str, body: Json | None = None) -> Json:
        """Delete an object; ``body`` are its DeleteOptions."""
        return await self._call("DELETE", path, body=body)

    async def download(self, path: str, query: Mapping[str, str], file: Path) -> None:
        """Write the answer to a file; the caller limits how long it takes."""
        limit = aiohttp.ClientTimeout(total=None, sock_connect=ANSWER_SECONDS, sock_read=ANSWER_SECONDS)
        with _reached(self.host):
            response = await self._send("GET", path, query=query, limit=limit, accept="*/*")
            try:
                await _check(response)
                with file.open("wb") as output:
                    async for chunk in response.content.iter_chunked(_CHUNK):
                        await asyncio.to_thread(output.write, chunk)
            finally:
                response.close()

    async def watch(self, path: str, query: Mapping[str, str]) -> AsyncIterator[Json]:
        """Yield the events of a collection until the server ends the watch.

        Raises:
            KubeProblem: status 410: the version in ``query`` is too old.
        """
        wanted = {**query, "watch": "true", "allowWatchBookmarks": "true", "timeoutSeconds": str(WATCH_SECONDS)}
        limit = aiohttp.ClientTimeout(total=None, sock_connect=ANSWER_SECONDS, sock_read=SILENCE_SECONDS)
        with _reached(self.host):
            response = await self._send("GET", path, query=wanted, limit=limit)
            try:
                await _check(response)
                while line := await response.content.readline():
                    event = json.loads(line)
                    if event.get("type") == "ERROR":
                        raise _problem(event.get("object") or {})
                    yield event
            finally:
                response.close()

    async def _call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Json | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Json:
        limit = aiohttp.ClientTimeout(total=ANSWER_SECONDS)
        async with self._calls:
            return await self._answer(method, path, limit, query=query, body=body, headers=headers)

    async def _answer(
        self,
        method: str,
        path: str,
        limit: aiohttp.ClientTimeout,
        *,
        query: Mapping[str, str] | None,
        body: Json | None,
        headers: Mapping[str, str] | None,
    ) -> Json:
        with _reached(self.host):
            response = await self._send(method, path, query=query, body=body, headers=headers, limit=limit)
            try:
                await _check(response)
                answer: Json = json.loads(await response.read())
            finally:
                response.release()
        return answer

    async def _send(
        self,
        method: str,
        path: str,
        *,
        limit: aiohttp.ClientTimeout,
        query: Mapping[str, str] | None = None,
        body: Json | None = None,
        headers: Mapping[str, str] | None = None,
        accept: str = "application/json",
    ) -> aiohttp.ClientResponse:
        request = await self._client.param_serialize(
            method,
            path,
            query_params=list((query or {}).items()),
            header_params={"Accept": accept, **(headers or {})},
            body=body,
            auth_settings=["BearerToken"],
        )
        sent = await self._client.call_api(*request, _request_timeout=limit)
        response: aiohttp.ClientResponse = sent.response
        return response


@contextlib.contextmanager
def _reached(host: str) -> Iterator[None]:
    """Raise ``Unavailable`` in place of errors of the network."""
    try:
        yield
    except (TimeoutError, aiohttp.ClientError, OSError, json.JSONDecodeError) as e:
        raise Unavailable(f"the API server {host} does not answer: {str(e) or type(e).__name__}") from e


async def _check(response: aiohttp.ClientResponse) -> None:
    if response.status < 400:
        return
    text = await response.text()
    try:
        status = json.loads(text)
    except ValueError:
        status = {}
    raise _problem({"code": response.status, "message": text.strip(), **(status if isinstance(status, dict) else {})})


def _problem(status: Json) -> KubeProblem:
    return KubeProblem(int(status.get("code") or 0), str(status.get("reason") or ""), str(status.get("message") or ""))
