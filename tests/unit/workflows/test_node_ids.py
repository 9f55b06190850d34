from flytetemporal.idl import naming
from flytetemporal.workflows.node_ids import NodeIds

# Flyte has one id for each pair.
FIRST, SECOND, HASH = "the-forecast-of-shop-98896", "the-forecast-of-shop-970000", "flem5qwq"


def test_ids_are_flytes() -> None:
    ids = NodeIds(distinct=True)

    assert [ids.take(name) for name in ("n0", "n0-0-dn0", FIRST)] == ["n0", "n0-0-dn0", HASH]


def test_names_with_one_hash_get_two_ids() -> None:
    ids = NodeIds(distinct=True)

    assert ids.take(FIRST) == HASH
    assert ids.take(SECOND) == naming.node_id(SECOND, naming.UNIQUE_HASH_BITS) != HASH
    assert [ids.of(FIRST), ids.of(SECOND)] == [ids.take(FIRST), ids.take(SECOND)]
    assert ids.of(FIRST) == HASH


def test_asking_for_an_id_takes_none() -> None:
    ids = NodeIds(distinct=True)

    assert ids.of(FIRST) == ids.of(SECOND) == HASH
    assert ids.take(SECOND) == HASH
    assert ids.of(FIRST) != HASH
    assert ids.hashed() == [SECOND]


def test_only_so_many_names_are_kept() -> None:
    ids = NodeIds(distinct=True, most=1)
    ids.take(FIRST)
    late = "the-forecast-of-another-shop"

    assert ids.take(late) == naming.node_id(late, naming.UNIQUE_HASH_BITS)
    assert ids.hashed() == [FIRST]
    assert ids.take(FIRST) == HASH


def test_the_next_run_gives_the_same_ids() -> None:
    before, after = NodeIds(distinct=True), NodeIds(distinct=True)
    given = [before.take(name) for name in (FIRST, SECOND)]
    after.restore(before.hashed())

    assert [after.of(name) for name in (SECOND, FIRST)] == given[::-1]
    assert [after.take(name) for name in (SECOND, FIRST)] == given[::-1]


def test_an_execution_of_before_keeps_its_ids() -> None:
    ids = NodeIds(distinct=False)

    assert ids.take(FIRST) == ids.take(SECOND) == HASH
    assert ids.hashed() == []
