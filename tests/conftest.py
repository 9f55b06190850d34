"""Lists the fixtures, which are in tests/fixtures."""

import pytest
from hypothesis import HealthCheck, settings

# Time fails no test: neither that of one example, nor that of making them on a busy machine.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")

pytest_plugins = [
    f"tests.fixtures.{name}"
    for name in (
        "container_engines",
        "engine",
        "installation",
        "keycloak.server",
        "kubernetes",
        "postgres",
        "s3",
        "stack",
        "temporal",
    )
]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--record-histories", action="store_true", help="keep Temporal histories as the replay corpus")
    parser.addoption("--with-node", action="store_true", help="run the tests whose pods really run: make e2e-k8s")
    parser.addoption("--with-keycloak", action="store_true", help="run the tests with a real Keycloak: make e2e-oidc")
