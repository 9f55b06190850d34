"""The cache is bounded and forgets what was not asked for the longest."""

from flytetemporal.admin.executions.lru import Lru


def test_what_is_asked_for_stays() -> None:
    cache: Lru[str, int] = Lru(2)
    cache.put("a", 1)
    cache.put("b", 2)
    cache.get("a")

    cache.put("c", 3)

    assert (cache.get("a"), cache.get("b"), cache.get("c")) == (1, None, 3)
