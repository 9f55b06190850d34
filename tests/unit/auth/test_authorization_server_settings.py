"""Settings of the authorization server that cannot work are refused."""

from typing import Any

import pytest
from pydantic import ValidationError

from flytetemporal.config.authorization_server import AuthorizationServerSettings


@pytest.mark.parametrize(
    ("client", "text"),
    [
        ({"grant_types": ["password"]}, "grant type \\[password\\] is unknown"),
        ({"grant_types": ["client_credentials"]}, "needs a secret_hash"),
        ({"redirect_uris": ["localhost/callback"]}, "http or https URL"),
        ({"redirect_uris": ["javascript:alert(1)"]}, "http or https URL"),
        ({"redirect_uris": ["https://a/b#c"]}, "without a fragment"),
    ],
)
def test_a_client_that_cannot_work_is_refused(client: dict[str, Any], text: str) -> None:
    with pytest.raises(ValidationError, match=text):
        AuthorizationServerSettings.model_validate({"clients": {"mine": client}})


def test_the_client_of_flytekit_must_exist() -> None:
    with pytest.raises(ValidationError, match="client_config_id"):
        AuthorizationServerSettings(client_config_id="nobody")


def test_flytes_public_clients_are_known_without_settings() -> None:
    found = AuthorizationServerSettings().all_clients()

    assert {name for name, client in found.items() if client.public} == {"flytectl", "flyte-cli"}
