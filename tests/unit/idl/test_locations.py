"""Two executions never share a folder."""

from flyteidl.core import identifier_pb2

from flytetemporal.idl import locations


def folder(project: str, domain: str, name: str) -> str:
    execution_id = identifier_pb2.WorkflowExecutionIdentifier(project=project, domain=domain, name=name)
    return locations.metadata_dir("s3://store", execution_id)


def test_the_folder_of_an_execution_has_flytes_name() -> None:
    assert folder("flytesnacks", "development", "a-b") == "s3://store/metadata/propeller/flytesnacks-development-a-b"


def test_no_two_executions_have_one_folder() -> None:
    parts = ("a", "b", "a-b", "b-a", "a-b-a", "a-a")
    executions = [(project, domain, name) for project in parts for domain in parts for name in parts]
    executions += [("dp", "development", "development-y"), ("dp-development", "development", "y")]

    assert len({folder(*execution) for execution in executions}) == len(executions)


def test_logs_lie_in_folders_of_their_own_too() -> None:
    ids = [
        identifier_pb2.WorkflowExecutionIdentifier(project=project, domain="development", name=name)
        for project, name in (("dp", "development-y"), ("dp-development", "y"))
    ]

    assert len({locations.log_uri("s3://store", one, "n0", 0) for one in ids}) == 2
    assert len({locations.old_log_uri("s3://store", one, "n0", 0) for one in ids}) == 1


def test_the_file_of_an_offloaded_value_has_flytes_name() -> None:
    assert locations.offloaded_uri("s3://store/n0", "o0") == "s3://store/n0/o0_offloaded_metadata.pb"


def test_variables_whose_names_no_file_can_have_get_files_of_their_own() -> None:
    variables = ["x" * 199, "x" * 300, "x" * 301, "é" * 100, "../" * 100, "a/b", "a_b"]

    files = {locations.offloaded_uri("s3://store/n0", variable) for variable in variables}

    assert len(files) == len(variables)
    assert all(len(uri) < 255 and uri.count("/") == 4 for uri in files)
