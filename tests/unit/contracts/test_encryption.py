"""Payloads are encrypted and decrypted, and what cannot be decrypted is refused by name."""

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from temporalio.api.common.v1 import Payload
from temporalio.api.failure.v1 import Failure
from temporalio.api.history.v1 import History

from flytetemporal.contracts import compression, encryption
from flytetemporal.contracts.encryption import Cipher, EncryptingCodec
from flytetemporal.errors import InvalidRequest

OLD, NEW = (base64.b64encode(bytes([number]) * 32).decode() for number in (1, 2))
PLAIN = Payload(metadata={"encoding": b"binary/plain"}, data=b"a secret value")


async def test_large_and_small_payloads_come_back() -> None:
    codec = EncryptingCodec(Cipher({"new": NEW}, "new"))
    large = Payload(metadata={"encoding": b"binary/plain"}, data=b"secret " * compression.MIN_BYTES)

    encoded = await codec.encode([PLAIN, large])

    assert all(b"secret" not in payload.SerializeToString() for payload in encoded)
    assert len(encoded[1].data) < len(large.data) / 10
    assert await codec.decode(encoded) == [PLAIN, large]


async def test_the_same_payload_is_never_encrypted_alike() -> None:
    codec = EncryptingCodec(Cipher({"new": NEW}, "new"))

    first, second = await codec.encode([PLAIN, PLAIN])

    assert first.data != second.data


async def test_an_older_key_decrypts_and_the_current_one_encrypts() -> None:
    encoded = await EncryptingCodec(Cipher({"old": OLD}, "old")).encode([PLAIN])
    rotated = EncryptingCodec(Cipher({"old": OLD, "new": NEW}, "new"))

    assert await rotated.decode(encoded) == [PLAIN]
    assert (await rotated.encode([PLAIN]))[0].metadata[encryption.KEY_ID] == b"new"


async def test_what_was_stored_before_encryption_is_still_read() -> None:
    large = Payload(metadata={"encoding": b"binary/plain"}, data=b"x" * compression.MIN_BYTES)

    found = await EncryptingCodec(Cipher({"new": NEW}, "new")).decode([PLAIN, compression.compressed(large)])

    assert found == [PLAIN, large]


async def test_a_payload_of_an_unknown_key_is_refused_by_its_name() -> None:
    encoded = await EncryptingCodec(Cipher({"old": OLD}, "old")).encode([PLAIN])

    with pytest.raises(InvalidRequest, match=r"key \[old\]"):
        await EncryptingCodec(Cipher({"new": NEW}, "new")).decode(encoded)


@given(st.binary(max_size=100), st.sampled_from(["new", "old"]))
def test_a_forged_payload_is_refused(data: bytes, key: str) -> None:
    cipher = Cipher({"new": NEW, "old": OLD}, "new")

    with pytest.raises(InvalidRequest, match="damaged"):
        cipher.decrypted(
            Payload(metadata={"encoding": encryption.ENCODING, encryption.KEY_ID: key.encode()}, data=data)
        )


def test_a_payload_under_the_name_of_another_key_is_refused() -> None:
    encrypted = Cipher({"old": OLD}, "old").encrypted(PLAIN)
    encrypted.metadata[encryption.KEY_ID] = b"copy"

    with pytest.raises(InvalidRequest, match="damaged"):
        Cipher({"copy": OLD}, "copy").decrypted(encrypted)


@pytest.mark.parametrize(
    ("keys", "current", "text"),
    [
        ({}, "new", r"no encryption key \[new\]"),
        ({"new": "no base64!"}, "new", "base64"),
        ({"new": base64.b64encode(b"short").decode()}, "new", "16, 24 or 32 bytes"),
        ({"": NEW}, "", "have a name"),
        ({"new": NEW}, "", r"no encryption key \[\]; known keys: new"),
    ],
)
def test_keys_that_cannot_work_are_refused(keys: dict[str, str], current: str, text: str) -> None:
    with pytest.raises(InvalidRequest, match=text):
        Cipher(keys, current)


def test_a_history_is_decrypted_with_the_texts_of_its_failures() -> None:
    cipher = Cipher({"new": NEW}, "new")
    texts = Payload(
        metadata={"encoding": b"json/plain"}, data=json.dumps({"message": "no disk", "stack_trace": "at x"}).encode()
    )
    failure = Failure(message="Encoded failure", encoded_attributes=cipher.encrypted(texts))
    history = History()
    failed = history.events.add().activity_task_failed_event_attributes
    failed.failure.cause.CopyFrom(failure)
    history.events.add().activity_task_completed_event_attributes.result.payloads.append(cipher.encrypted(PLAIN))

    EncryptingCodec(cipher).decrypt(history)

    assert failed.failure.cause == Failure(message="no disk", stack_trace="at x")
    assert history.events[1].activity_task_completed_event_attributes.result.payloads[0] == PLAIN
