from flyteidl.core import identifier_pb2

from flytetemporal.admin.executions.scheduled_launching import execution_name
from flytetemporal.idl import naming


def test_scheduled_executions_have_the_names_of_flytes_scheduler() -> None:
    plan = identifier_pb2.Identifier(project="flytesnacks", domain="development", name="my_lp", version="v1")

    assert naming.fnv1(b"flytesnacks:development:my_lp:v1") == 9962263012907644827
    assert execution_name(plan, 1_700_000_000) == "fe78f98ee34240c83000"
