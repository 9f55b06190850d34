import pytest
from hypothesis import given
from hypothesis import strategies as st

from flytetemporal.idl import naming

NODE_IDS = st.text(alphabet=st.characters(codec="utf-8", exclude_categories=["Cs"]), min_size=1, max_size=80)


@pytest.mark.parametrize(
    ("spec", "parent", "attempt", "expected"),
    [
        ("dn0", "n0", 0, "n0-0-dn0"),
        ("dn1", "n0-0-dn0", 0, "n0-0-dn0-0-dn1"),
        ("dn12", "n0-0-dn0-0-dn1", 0, "fqdnfbpi"),
        ("start-node", "n0-0-dn0", 0, "ffuqhjya"),
        ("end-node", "n0-0-dn0", 0, "n0-0-dn0-0-end-node"),
        ("single-task-node-name-longer", "", 0, "fntzexhq"),
        ("n1-n0", "n1", 0, "n1-0-n1-n0"),
    ],
)
def test_node_ids_equal_flytes(spec: str, parent: str, attempt: int, expected: str) -> None:
    assert naming.node_id(naming.node_path(spec, parent, attempt)) == expected


@pytest.mark.parametrize(
    ("name", "attempt", "expected"),
    [
        ("a9ss8w4mnkk8zttr9p7z", 0, "f2dpaabwp31qkc"),
        ("a9ss8w4mnkk8zttr9p7z", 1, "f2do65bwp31po3"),
        ("short", 0, "short-n0-0"),
    ],
)
def test_child_execution_names_equal_flytes(name: str, attempt: int, expected: str) -> None:
    assert naming.child_execution_name(name, "n0", attempt) == expected


@pytest.mark.parametrize(("node", "expected"), [("n0", "oz"), ("n0-0-n3", "3w")])
def test_shards_equal_flytes(node: str, expected: str) -> None:
    assert naming.shard(naming.generated_name("a9ss8w4mnkk8zttr9p7z", node, 0)) == expected


@given(NODE_IDS, NODE_IDS, st.integers(0, 100))
def test_a_node_id_never_grows_over_flytes_limit(spec: str, parent: str, attempt: int) -> None:
    assert len(naming.node_id(naming.node_path(spec, parent, attempt)).encode()) <= naming.NODE_ID_LIMIT
