"""The conversion of values to Temporal payloads: protobuf messages are binary, so that literals never become JSON."""

from temporalio.converter import (
    BinaryNullPayloadConverter,
    BinaryPlainPayloadConverter,
    BinaryProtoPayloadConverter,
    CompositePayloadConverter,
    DataConverter,
    DefaultFailureConverterWithEncodedAttributes,
    JSONPlainPayloadConverter,
    JSONProtoPayloadConverter,
)

from flytetemporal.contracts.compression import ZlibCodec
from flytetemporal.contracts.encryption import Cipher, EncryptingCodec


class FlytePayloadConverter(CompositePayloadConverter):
    """The SDK's default converters, except that binary protobuf comes before JSON protobuf."""

    def __init__(self) -> None:
        super().__init__(
            BinaryNullPayloadConverter(),
            BinaryPlainPayloadConverter(),
            BinaryProtoPayloadConverter(),
            JSONProtoPayloadConverter(),
            JSONPlainPayloadConverter(),
        )


DATA_CONVERTER = DataConverter(payload_converter_class=FlytePayloadConverter, payload_codec=ZlibCodec())


def encrypting(cipher: Cipher) -> DataConverter:
    """Return a converter that encrypts all payloads, and the texts of failures."""
    return DataConverter(
        payload_converter_class=FlytePayloadConverter,
        failure_converter_class=DefaultFailureConverterWithEncodedAttributes,
        payload_codec=EncryptingCodec(cipher),
    )
