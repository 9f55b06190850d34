"""Lists the fixtures, which are in tests/fixtures."""

import pytest

pytest_plugins = [
    f"tests.fixtures.{name}"
    for name in ("container_engines", "engine", "installation", "postgres", "s3", "stack", "temporal")
]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--record-histories", action="store_true", help="keep Temporal histories as the replay corpus")
