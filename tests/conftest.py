"""Fixtures live in tests/fixtures; here they are only listed."""

import pytest

pytest_plugins = ["tests.fixtures.engine", "tests.fixtures.postgres", "tests.fixtures.stack", "tests.fixtures.temporal"]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--record-histories", action="store_true", help="keep Temporal histories as the replay corpus")
