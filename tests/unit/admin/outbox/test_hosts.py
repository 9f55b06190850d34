"""Webhooks call the hosts that the settings allow, and no others."""

import pytest

from flytetemporal.admin.outbox import hosts
from flytetemporal.errors import InvalidRequest


@pytest.mark.parametrize(
    ("allowed", "url"),
    [
        ("hooks.example.com", "https://hooks.example.com/a?b=c"),
        ("Hooks.Example.com", "https://HOOKS.example.com:443"),
        ("hooks.example.com:8443", "https://hooks.example.com:8443/a"),
        ("http://10.0.0.7:9000", "http://10.0.0.7:9000/a"),
        ("[::1]:9000", "https://[::1]:9000/"),
        ("hooks.example.com", "https://hooks.example.com./a"),
    ],
)
def test_a_host_that_the_settings_name_may_have_any_address(allowed: str, url: str) -> None:
    assert not hosts.check(url, ["other.example.com", allowed]).must_be_public


@pytest.mark.parametrize(
    ("allowed", "url"),
    [
        ("*", "https://anything.example.org/x"),
        ("*.example.com", "https://a.b.example.com/"),
        ("*", "https://10.0.0.7/"),
    ],
)
def test_a_host_that_only_a_pattern_allows_must_have_a_public_address(allowed: str, url: str) -> None:
    assert hosts.check(url, [allowed]).must_be_public


@pytest.mark.parametrize(
    ("allowed", "url"),
    [
        ("hooks.example.com", "https://hooks.example.com.evil.org/"),
        ("hooks.example.com", "https://evil.org/hooks.example.com"),
        ("hooks.example.com", "https://evil.org#hooks.example.com"),
        ("hooks.example.com", "http://hooks.example.com/"),
        ("hooks.example.com", "https://hooks.example.com:8443/"),
        ("http://hooks.example.com", "https://hooks.example.com/"),
        ("*.example.com", "https://example.com/"),
        ("*.example.com", "https://notexample.com/"),
        ("*", "http://example.com/"),
        ("*", "https://example.com:22/"),
    ],
)
def test_a_host_that_no_entry_allows_is_refused(allowed: str, url: str) -> None:
    with pytest.raises(
        InvalidRequest, match=r"ask your operator to add it to FLYTETEMPORAL_NOTIFICATIONS__WEBHOOK_HOSTS"
    ):
        hosts.check(url, [allowed])


def test_without_entries_no_host_is_allowed() -> None:
    with pytest.raises(InvalidRequest, match=r"^webhooks may not call hooks\.example\.com:8443; ask"):
        hosts.check("https://hooks.example.com:8443/", ())


@pytest.mark.parametrize(
    "url",
    [
        "",
        "hooks.example.com",
        "ftp://hooks.example.com",
        "file:///etc/passwd",
        "https://",
        "https://hooks.example.com:0/",
        "https://hooks.example.com:99999/",
        "https://user:password@hooks.example.com/",
        "https://user@hooks.example.com/",
        "https://[::1/",
        "https://hooks.example.com/\r\nHost: evil.org",
        "https://hooks.example.com/ö",
        "https://hooks.example.com/" + "a" * 2048,
    ],
)
def test_what_is_not_the_url_of_a_webhook_is_refused(url: str) -> None:
    with pytest.raises(InvalidRequest, match=r"URL of (a|the) webhook"):
        hosts.check(url, ["*", "hooks.example.com"])
