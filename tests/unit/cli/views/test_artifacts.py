from flytetemporal.cli.views import artifacts
from flytetemporal.contracts.v1 import artifacts_pb2


def test_an_artifact_is_a_line_with_its_partitions_and_its_source() -> None:
    artifact = artifacts_pb2.Artifact(output="o0")
    artifact.id.artifact_key.name, artifact.id.version = "model", "e1.n0.0.o0"
    artifact.id.partitions.value["region"].static_value = "SEA"
    artifact.id.time_partition.value.time_value.FromJsonString("2026-03-04T00:00:00Z")
    artifact.source.execution.name, artifact.source.node_id = "e1", "n0"
    artifact.created_at.FromJsonString("2026-03-05T06:07:08Z")

    title, line = artifacts.lines(artifacts_pb2.ListArtifactsResponse(artifacts=[artifact]))

    assert title.split() == ["NAME", "VERSION", "PARTITIONS", "EXECUTION", "NODE", "CREATED"]
    assert line.split() == [
        "model", "e1.n0.0.o0", "region=SEA,time=2026-03-04", "00:00:00", "e1", "n0", "2026-03-05", "06:07:08",
    ]  # fmt: skip


def test_no_artifacts_are_a_table_without_lines() -> None:
    assert len(artifacts.lines(artifacts_pb2.ListArtifactsResponse())) == 1
