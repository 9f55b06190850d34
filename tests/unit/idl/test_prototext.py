from flyteidl.core import literals_pb2, types_pb2

from flytetemporal.idl import prototext
from tests.fixtures import templates


def test_fields_come_in_declared_order_and_map_entries_sorted() -> None:
    structure = types_pb2.TypeStructure(tag="T", dataclass_type={"b": templates.INT, "a": templates.INT})
    literal_type = types_pb2.LiteralType(
        structure=structure, union_type=types_pb2.UnionType(variants=[templates.INT, templates.INT])
    )

    text = prototext.one_line(literal_type)

    assert text == (
        "union_type:{variants:{simple:INTEGER} variants:{simple:INTEGER}} "
        'structure:{tag:"T" dataclass_type:{key:"a" value:{simple:INTEGER}} '
        'dataclass_type:{key:"b" value:{simple:INTEGER}}}'
    )


def test_texts_and_bytes_are_escaped() -> None:
    binary = literals_pb2.Binary(value=b"\x00a", tag='a"b\n')

    assert prototext.one_line(binary) == r'value:"\x00a" tag:"a\"b\n"'


def test_booleans_and_numbers_are_plain() -> None:
    assert prototext.one_line(literals_pb2.Primitive(boolean=True)) == "boolean:true"
    assert prototext.one_line(literals_pb2.Primitive(integer=-3)) == "integer:-3"
