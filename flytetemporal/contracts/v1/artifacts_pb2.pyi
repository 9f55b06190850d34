import datetime

from flyteidl.core import artifact_id_pb2 as _artifact_id_pb2
from flyteidl.core import identifier_pb2 as _identifier_pb2
from flyteidl.core import interface_pb2 as _interface_pb2
from flyteidl.core import types_pb2 as _types_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Artifact(_message.Message):
    __slots__ = ("id", "source", "type", "description", "outputs_uri", "output", "created_at")
    ID_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    OUTPUTS_URI_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    id: _artifact_id_pb2.ArtifactID
    source: ArtifactSource
    type: _types_pb2.LiteralType
    description: str
    outputs_uri: str
    output: str
    created_at: _timestamp_pb2.Timestamp
    def __init__(self, id: _Optional[_Union[_artifact_id_pb2.ArtifactID, _Mapping]] = ..., source: _Optional[_Union[ArtifactSource, _Mapping]] = ..., type: _Optional[_Union[_types_pb2.LiteralType, _Mapping]] = ..., description: _Optional[str] = ..., outputs_uri: _Optional[str] = ..., output: _Optional[str] = ..., created_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class ArtifactSource(_message.Message):
    __slots__ = ("execution", "entity", "node_id", "retry_attempt")
    EXECUTION_FIELD_NUMBER: _ClassVar[int]
    ENTITY_FIELD_NUMBER: _ClassVar[int]
    NODE_ID_FIELD_NUMBER: _ClassVar[int]
    RETRY_ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    execution: _identifier_pb2.WorkflowExecutionIdentifier
    entity: _identifier_pb2.Identifier
    node_id: str
    retry_attempt: int
    def __init__(self, execution: _Optional[_Union[_identifier_pb2.WorkflowExecutionIdentifier, _Mapping]] = ..., entity: _Optional[_Union[_identifier_pb2.Identifier, _Mapping]] = ..., node_id: _Optional[str] = ..., retry_attempt: _Optional[int] = ...) -> None: ...

class ArtifactTrigger(_message.Message):
    __slots__ = ("trigger", "trigger_inputs")
    TRIGGER_FIELD_NUMBER: _ClassVar[int]
    TRIGGER_INPUTS_FIELD_NUMBER: _ClassVar[int]
    trigger: _artifact_id_pb2.ArtifactID
    trigger_inputs: _interface_pb2.ParameterMap
    def __init__(self, trigger: _Optional[_Union[_artifact_id_pb2.ArtifactID, _Mapping]] = ..., trigger_inputs: _Optional[_Union[_interface_pb2.ParameterMap, _Mapping]] = ...) -> None: ...

class ListArtifactsRequest(_message.Message):
    __slots__ = ("project", "domain", "name", "version", "partitions", "time", "execution", "limit", "token")
    PROJECT_FIELD_NUMBER: _ClassVar[int]
    DOMAIN_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    PARTITIONS_FIELD_NUMBER: _ClassVar[int]
    TIME_FIELD_NUMBER: _ClassVar[int]
    EXECUTION_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    project: str
    domain: str
    name: str
    version: str
    partitions: _containers.RepeatedScalarFieldContainer[str]
    time: _timestamp_pb2.Timestamp
    execution: str
    limit: int
    token: str
    def __init__(self, project: _Optional[str] = ..., domain: _Optional[str] = ..., name: _Optional[str] = ..., version: _Optional[str] = ..., partitions: _Optional[_Iterable[str]] = ..., time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., execution: _Optional[str] = ..., limit: _Optional[int] = ..., token: _Optional[str] = ...) -> None: ...

class ListArtifactsResponse(_message.Message):
    __slots__ = ("artifacts", "token")
    ARTIFACTS_FIELD_NUMBER: _ClassVar[int]
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    artifacts: _containers.RepeatedCompositeFieldContainer[Artifact]
    token: str
    def __init__(self, artifacts: _Optional[_Iterable[_Union[Artifact, _Mapping]]] = ..., token: _Optional[str] = ...) -> None: ...
