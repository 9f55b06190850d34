"""The conversion of values to Temporal payloads: protobuf messages are binary, so that literals never become JSON."""

from temporalio.converter import (
    BinaryNullPayloadConverter,
    BinaryPlainPayloadConverter,
    BinaryProtoPayloadConverter,
    CompositePayloadConverter,
    DataConverter,
    JSONPlainPayloadConverter,
    JSONProtoPayloadConverter,
)

from flytetemporal.contracts.compression import ZlibCodec


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
