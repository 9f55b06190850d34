"""Checks of requests. Texts mirror Flyte's datacatalog/pkg/manager/impl/validators/."""

from collections import Counter
from collections.abc import Iterator, Sequence

from flyteidl.datacatalog import datacatalog_pb2 as datacatalog

from flytetemporal import errors

# Keys of an index have at most 2,704 bytes, after compression.
NAME_CHARACTERS = 1000
URI_CHARACTERS = 4095
DATASET_FIELDS = ("project", "domain", "name", "version")


def check_given(value: str, field: str, limit: int = NAME_CHARACTERS) -> None:
    """Refuse a value that is empty, too long, or has a NUL character. Raises ``InvalidRequest``."""
    if not value:
        raise errors.InvalidRequest(f"missing {field}")
    if len(value) > limit:
        raise errors.InvalidRequest(f"invalid value for {field}: it has more than {limit} characters")
    # Postgres cannot store NUL in a text column.
    if "\0" in value:
        raise errors.InvalidRequest(f"invalid value for {field}: it contains a NUL character")


def check_dataset_id(dataset: datacatalog.DatasetID, *, given: bool) -> None:
    """Refuse an incomplete id; ``given``: the request has the field at all. Raises ``InvalidRequest``."""
    if not given:
        raise errors.InvalidRequest("missing dataset")
    for field in DATASET_FIELDS:
        check_given(getattr(dataset, field), field)


def check_partition_keys(keys: Sequence[str]) -> None:
    """Refuse keys of a dataset that are empty or not unique. Raises ``InvalidRequest``."""
    for position, key in enumerate(keys):
        check_given(key, f"partitionKey[{position}]")
    if repeated := sorted(key for key, count in Counter(keys).items() if count > 1):
        raise errors.InvalidRequest(f"invalid value for partitionKey, value:[Keys are not unique: {repeated}]")


def check_data(data: Sequence[datacatalog.ArtifactData]) -> None:
    """Refuse an artifact without data, and two values of one name. Raises ``InvalidRequest``."""
    if not data:
        raise errors.InvalidRequest("missing artifactData")
    if repeated := sorted(name for name, count in Counter(one.name for one in data).items() if count > 1):
        raise errors.InvalidRequest(f"invalid value for artifactData, value:[Names are not unique: {repeated}]")


def check_partitions(keys: Sequence[str], partitions: Sequence[datacatalog.Partition]) -> None:
    """Refuse partitions of an artifact that are not those which its dataset declares.

    Raises:
        InvalidRequest: names all problems.
    """
    given = [partition.key for partition in partitions]
    if len(keys) != len(given):
        raise errors.InvalidRequest(f"Partition key mismatch, dataset keys: {list(keys)}, artifact Partitions: {given}")
    if problems := list(_partition_problems(keys, partitions)):
        raise errors.InvalidRequest(", ".join(problems))


def _partition_problems(keys: Sequence[str], partitions: Sequence[datacatalog.Partition]) -> Iterator[str]:
    for position, partition in enumerate(partitions):
        # Flyte means to refuse these, too, but checks the names of the fields in place of their values.
        if not partition.key:
            yield f"missing partitionKey[{position}]"
        elif not partition.value:
            yield f"missing partitionValue[{position}]"
        elif len(partition.value) > NAME_CHARACTERS:
            yield f"partitionValue[{position}] has more than {NAME_CHARACTERS} characters"
    given = {partition.key for partition in partitions}
    if unassigned := [key for key in keys if key not in given]:
        unknown = sorted(given - {"", *keys})
        yield (
            f"Artifact partition assignment does not match dataset partition keys: {unassigned} have no value, "
            f"{unknown} are not keys of the dataset"
        )
