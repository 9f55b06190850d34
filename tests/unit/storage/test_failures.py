"""Which outputs of tasks say that the store did not serve flytekit."""

import pytest

from flytetemporal.storage.failures import tells_of_outage

# As pyflyte-execute prints them, without most of their frames.
UPLOAD = """\
ClientConnectorError: Cannot connect to host 127.0.0.1:9 ssl:default [Connect call failed ('127.0.0.1', 9)]

EndpointConnectionError: Could not connect to the endpoint URL:
"http://127.0.0.1:9/flyte"

The above exception was the direct cause of the following exception:

FlyteUploadDataException: SYSTEM:UploadDataError: error=Failed to put data from
/tmp/flyteij4sxxzr/local_flytekit/engine_dir to s3://flyte/x/0 (recursive=True).

Original exception: Could not connect to the endpoint URL:
"http://127.0.0.1:9/flyte", cause=Could not connect to the endpoint URL:
"""
DOWNLOAD = """\
        botocore.exceptions.ClientError: An error occurred (InternalError) when calling the GetObject operation
    During handling of the above exception, another exception occurred:
        flytekit.exceptions.system.FlyteDownloadDataExcepti
    on: SYSTEM:DownloadDataError: error=Failed to get data
"""
DENIED = """\
        botocore.exceptions.ClientError: An error occurred (AccessDenied) when calling the PutObject operation
    FlyteUploadDataException: SYSTEM:UploadDataError: error=Failed to put data from a to b
"""
OWN = "botocore.exceptions.EndpointConnectionError: Could not connect to the endpoint URL: http://127.0.0.1:9/mine"
GOOGLE = """\
gcsfs.retry.HttpError: Service Unavailable, 503
FlyteUploadDataException: SYSTEM:UploadDataError: error=Failed to put data from a to b
"""


@pytest.mark.parametrize("output", [UPLOAD, DOWNLOAD, GOOGLE, UPLOAD + "handlers failed at exit\n" * 100])
def test_flytekit_was_not_served(output: str) -> None:
    assert tells_of_outage(output)


@pytest.mark.parametrize("output", ["", DENIED, OWN, "ValueError: mine", UPLOAD + "much later output\n" * 10_000])
def test_the_failure_is_the_tasks_own(output: str) -> None:
    assert not tells_of_outage(output)
