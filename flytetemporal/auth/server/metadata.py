"""AuthMetadataService: where clients sign in, and as which client."""

from dataclasses import dataclass

from flyteidl.service import auth_pb2

from flytetemporal.auth.server.engine import OAuthServer
from flytetemporal.rpc.callers import FLYTE_AUTHORIZATION


@dataclass(frozen=True, slots=True)
class OwnServer:
    """What clients are told about our own authorization server."""

    server: OAuthServer


async def get_metadata(own: OwnServer, _: auth_pb2.OAuth2MetadataRequest) -> auth_pb2.OAuth2MetadataResponse:
    """Return the metadata of the server."""
    return auth_pb2.OAuth2MetadataResponse(**own.server.metadata())


async def get_client_config(
    own: OwnServer, _: auth_pb2.PublicClientAuthConfigRequest
) -> auth_pb2.PublicClientAuthConfigResponse:
    """Return the client that flytekit and flytectl are, unless users configure another one."""
    settings = own.server.settings
    client = settings.all_clients()[settings.client_config_id]
    return auth_pb2.PublicClientAuthConfigResponse(
        client_id=settings.client_config_id,
        redirect_uri=next(iter(client.redirect_uris), ""),
        scopes=client.scopes,
        authorization_metadata_key=FLYTE_AUTHORIZATION,
        service_http_endpoint=own.server.issuer,
    )
