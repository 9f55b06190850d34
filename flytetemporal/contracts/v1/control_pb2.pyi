from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class SweepState(_message.Message):
    __slots__ = ("compared_row", "rounds")
    COMPARED_ROW_FIELD_NUMBER: _ClassVar[int]
    ROUNDS_FIELD_NUMBER: _ClassVar[int]
    compared_row: int
    rounds: int
    def __init__(self, compared_row: _Optional[int] = ..., rounds: _Optional[int] = ...) -> None: ...

class SweepResult(_message.Message):
    __slots__ = ("state", "findings")
    class FindingsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    STATE_FIELD_NUMBER: _ClassVar[int]
    FINDINGS_FIELD_NUMBER: _ClassVar[int]
    state: SweepState
    findings: _containers.ScalarMap[str, int]
    def __init__(self, state: _Optional[_Union[SweepState, _Mapping]] = ..., findings: _Optional[_Mapping[str, int]] = ...) -> None: ...
