import datetime

from flyteidl.core import identifier_pb2 as _identifier_pb2
from flyteidl.datacatalog import datacatalog_pb2 as _datacatalog_pb2
from google.api import annotations_pb2 as _annotations_pb2
from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf import wrappers_pb2 as _wrappers_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class CacheScope(_message.Message):
    __slots__ = ("project", "domain", "task", "task_version", "execution")
    PROJECT_FIELD_NUMBER: _ClassVar[int]
    DOMAIN_FIELD_NUMBER: _ClassVar[int]
    TASK_FIELD_NUMBER: _ClassVar[int]
    TASK_VERSION_FIELD_NUMBER: _ClassVar[int]
    EXECUTION_FIELD_NUMBER: _ClassVar[int]
    project: str
    domain: str
    task: str
    task_version: str
    execution: str
    def __init__(self, project: _Optional[str] = ..., domain: _Optional[str] = ..., task: _Optional[str] = ..., task_version: _Optional[str] = ..., execution: _Optional[str] = ...) -> None: ...

class LookUpRequest(_message.Message):
    __slots__ = ("keys",)
    KEYS_FIELD_NUMBER: _ClassVar[int]
    keys: _containers.RepeatedCompositeFieldContainer[LookUpKey]
    def __init__(self, keys: _Optional[_Iterable[_Union[LookUpKey, _Mapping]]] = ...) -> None: ...

class LookUpKey(_message.Message):
    __slots__ = ("dataset", "tags")
    DATASET_FIELD_NUMBER: _ClassVar[int]
    TAGS_FIELD_NUMBER: _ClassVar[int]
    dataset: _datacatalog_pb2.DatasetID
    tags: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, dataset: _Optional[_Union[_datacatalog_pb2.DatasetID, _Mapping]] = ..., tags: _Optional[_Iterable[str]] = ...) -> None: ...

class LookUpResponse(_message.Message):
    __slots__ = ("found",)
    FOUND_FIELD_NUMBER: _ClassVar[int]
    found: _containers.RepeatedCompositeFieldContainer[LookedUp]
    def __init__(self, found: _Optional[_Iterable[_Union[LookedUp, _Mapping]]] = ...) -> None: ...

class LookedUp(_message.Message):
    __slots__ = ("tag", "artifact", "dataset_metadata", "left_out")
    TAG_FIELD_NUMBER: _ClassVar[int]
    ARTIFACT_FIELD_NUMBER: _ClassVar[int]
    DATASET_METADATA_FIELD_NUMBER: _ClassVar[int]
    LEFT_OUT_FIELD_NUMBER: _ClassVar[int]
    tag: str
    artifact: _datacatalog_pb2.Artifact
    dataset_metadata: _datacatalog_pb2.Metadata
    left_out: bool
    def __init__(self, tag: _Optional[str] = ..., artifact: _Optional[_Union[_datacatalog_pb2.Artifact, _Mapping]] = ..., dataset_metadata: _Optional[_Union[_datacatalog_pb2.Metadata, _Mapping]] = ..., left_out: _Optional[bool] = ...) -> None: ...

class ListEntriesRequest(_message.Message):
    __slots__ = ("scope", "limit", "token")
    SCOPE_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    scope: CacheScope
    limit: int
    token: str
    def __init__(self, scope: _Optional[_Union[CacheScope, _Mapping]] = ..., limit: _Optional[int] = ..., token: _Optional[str] = ...) -> None: ...

class ListEntriesResponse(_message.Message):
    __slots__ = ("entries", "token")
    ENTRIES_FIELD_NUMBER: _ClassVar[int]
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    entries: _containers.RepeatedCompositeFieldContainer[CacheEntry]
    token: str
    def __init__(self, entries: _Optional[_Iterable[_Union[CacheEntry, _Mapping]]] = ..., token: _Optional[str] = ...) -> None: ...

class CacheEntry(_message.Message):
    __slots__ = ("task", "cache_version", "tags", "artifact_id", "source", "stored_at", "expires_at", "element")
    TASK_FIELD_NUMBER: _ClassVar[int]
    CACHE_VERSION_FIELD_NUMBER: _ClassVar[int]
    TAGS_FIELD_NUMBER: _ClassVar[int]
    ARTIFACT_ID_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    STORED_AT_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_FIELD_NUMBER: _ClassVar[int]
    ELEMENT_FIELD_NUMBER: _ClassVar[int]
    task: _identifier_pb2.Identifier
    cache_version: str
    tags: _containers.RepeatedScalarFieldContainer[str]
    artifact_id: str
    source: _identifier_pb2.NodeExecutionIdentifier
    stored_at: _timestamp_pb2.Timestamp
    expires_at: _timestamp_pb2.Timestamp
    element: _wrappers_pb2.UInt32Value
    def __init__(self, task: _Optional[_Union[_identifier_pb2.Identifier, _Mapping]] = ..., cache_version: _Optional[str] = ..., tags: _Optional[_Iterable[str]] = ..., artifact_id: _Optional[str] = ..., source: _Optional[_Union[_identifier_pb2.NodeExecutionIdentifier, _Mapping]] = ..., stored_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., expires_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., element: _Optional[_Union[_wrappers_pb2.UInt32Value, _Mapping]] = ...) -> None: ...

class EvictRequest(_message.Message):
    __slots__ = ("scope", "dry_run")
    SCOPE_FIELD_NUMBER: _ClassVar[int]
    DRY_RUN_FIELD_NUMBER: _ClassVar[int]
    scope: CacheScope
    dry_run: bool
    def __init__(self, scope: _Optional[_Union[CacheScope, _Mapping]] = ..., dry_run: _Optional[bool] = ...) -> None: ...

class EvictResponse(_message.Message):
    __slots__ = ("evicted", "more")
    EVICTED_FIELD_NUMBER: _ClassVar[int]
    MORE_FIELD_NUMBER: _ClassVar[int]
    evicted: int
    more: bool
    def __init__(self, evicted: _Optional[int] = ..., more: _Optional[bool] = ...) -> None: ...

class CachePolicy(_message.Message):
    __slots__ = ("scope", "max_age")
    SCOPE_FIELD_NUMBER: _ClassVar[int]
    MAX_AGE_FIELD_NUMBER: _ClassVar[int]
    scope: CacheScope
    max_age: _duration_pb2.Duration
    def __init__(self, scope: _Optional[_Union[CacheScope, _Mapping]] = ..., max_age: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class SetPolicyRequest(_message.Message):
    __slots__ = ("policy",)
    POLICY_FIELD_NUMBER: _ClassVar[int]
    policy: CachePolicy
    def __init__(self, policy: _Optional[_Union[CachePolicy, _Mapping]] = ...) -> None: ...

class SetPolicyResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class DeletePolicyRequest(_message.Message):
    __slots__ = ("scope",)
    SCOPE_FIELD_NUMBER: _ClassVar[int]
    scope: CacheScope
    def __init__(self, scope: _Optional[_Union[CacheScope, _Mapping]] = ...) -> None: ...

class DeletePolicyResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListPoliciesRequest(_message.Message):
    __slots__ = ("project",)
    PROJECT_FIELD_NUMBER: _ClassVar[int]
    project: str
    def __init__(self, project: _Optional[str] = ...) -> None: ...

class ListPoliciesResponse(_message.Message):
    __slots__ = ("policies",)
    POLICIES_FIELD_NUMBER: _ClassVar[int]
    policies: _containers.RepeatedCompositeFieldContainer[CachePolicy]
    def __init__(self, policies: _Optional[_Iterable[_Union[CachePolicy, _Mapping]]] = ...) -> None: ...
