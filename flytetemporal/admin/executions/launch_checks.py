"""Check a launch request by itself, before any lookup; and choose a name if it has none.

Order and texts mirror flyteadmin's pkg/manager/impl/validation/execution_validator.go.
"""

import re
import secrets

from flyteidl.admin import execution_pb2
from flyteidl.core import identifier_pb2

from flytetemporal import errors
from flytetemporal.admin.settings import setting_checks
from flytetemporal.idl import identifiers

_NAME_LIMIT = 63
_NAME = re.compile(r"[a-z][a-z\-0-9]*")
_NAME_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"
_RANDOM_LENGTH = 19


def new_name() -> str:
    """Return a random execution name."""
    return "a" + "".join(secrets.choice(_NAME_ALPHABET) for _ in range(_RANDOM_LENGTH))


def check_name(name: str) -> None:
    """Refuse a name that cannot be part of paths and labels. An empty name is valid: the server chooses one."""
    if len(name) > _NAME_LIMIT:
        raise errors.InvalidRequest(f"size of name exceeded length {_NAME_LIMIT} : {name}")
    if name and not _NAME.fullmatch(name.lower()):
        raise errors.InvalidRequest(rf"invalid name format: {name}, does not match regex '^[a-z][a-z\-0-9]*$'")


def check_spec(request: execution_pb2.ExecutionCreateRequest) -> None:
    """Refuse a spec that names no launch plan or task, and settings that cannot work. Raises ``InvalidRequest``."""
    if not request.HasField("spec"):
        raise errors.InvalidRequest("missing spec")
    _check_launch_entity(request.spec.launch_plan)
    setting_checks.check_parallelism(request.spec.max_parallelism)
    setting_checks.check_raw_output_prefix(request.spec.raw_output_data_config.output_location_prefix)
    setting_checks.check_environment(request.spec.envs.values)


def _check_launch_entity(identifier: identifier_pb2.Identifier) -> None:
    if identifier.resource_type not in (identifier_pb2.LAUNCH_PLAN, identifier_pb2.TASK):
        kind = identifiers.resource_type_name(identifier.resource_type)
        raise errors.InvalidRequest(
            f"Invalid reference entity resource type [{kind}], only [map[TASK:<nil> LAUNCH_PLAN:<nil>]] allowed"
        )
    for field in ("project", "domain", "name", "version"):
        if not getattr(identifier, field):
            raise errors.InvalidRequest(f"missing {field}")
