from flyteidl.core import identifier_pb2, literals_pb2, tasks_pb2
from flyteidl.event import event_pb2

from flytetemporal.config.storage import StorageSettings
from flytetemporal.config.worker import WorkerSettings
from flytetemporal.contracts.v1 import execution_pb2
from flytetemporal.plugins import environment

TASK = identifier_pb2.Identifier(project="tp", domain="td", name="tn", version="tv")
EXECUTION = identifier_pb2.WorkflowExecutionIdentifier(project="ep", domain="ed", name="en")


def attempt(**envs: str) -> execution_pb2.TaskAttempt:
    result = execution_pb2.TaskAttempt(
        attempt=2,
        node_event=event_pb2.NodeExecutionEvent(
            id=identifier_pb2.NodeExecutionIdentifier(node_id="n0", execution_id=EXECUTION)
        ),
        workflow_id=identifier_pb2.Identifier(project="wp", domain="wd", name="wn"),
    )
    for key, value in envs.items():
        result.settings.envs.values.append(literals_pb2.KeyValuePair(key=key, value=value))
    return result


def template(**config: str) -> tasks_pb2.TaskTemplate:
    own = [literals_pb2.KeyValuePair(key="OWN", value="container"), literals_pb2.KeyValuePair(key="BOTH", value="c")]
    return tasks_pb2.TaskTemplate(id=TASK, container=tasks_pb2.Container(env=own), config=config)


def test_the_attempt_learns_its_names() -> None:
    variables = environment.attempt_environment(attempt(), template())

    assert variables == {
        "OWN": "container",
        "BOTH": "c",
        "FLYTE_INTERNAL_EXECUTION_WORKFLOW": "wp:wd:wn",
        "FLYTE_INTERNAL_EXECUTION_ID": "en",
        "FLYTE_INTERNAL_EXECUTION_PROJECT": "ep",
        "FLYTE_INTERNAL_EXECUTION_DOMAIN": "ed",
        "FLYTE_ATTEMPT_NUMBER": "2",
        "FLYTE_INTERNAL_TASK_PROJECT": "tp",
        "FLYTE_INTERNAL_TASK_DOMAIN": "td",
        "FLYTE_INTERNAL_TASK_NAME": "tn",
        "FLYTE_INTERNAL_TASK_VERSION": "tv",
    }


def test_an_eager_task_learns_its_node_if_a_label_can_name_it() -> None:
    eager, odd = template(), attempt()
    eager.metadata.is_eager = True
    odd.node_event.id.node_id = "a node"

    assert environment.attempt_environment(attempt(), eager)["FLYTETEMPORAL_EAGER_NODE"] == "n0"
    assert "FLYTETEMPORAL_EAGER_NODE" not in environment.attempt_environment(odd, eager)


def test_variables_of_the_execution_win() -> None:
    variables = environment.attempt_environment(attempt(BOTH="execution", FLYTE_ATTEMPT_NUMBER="9"), template())

    assert variables["BOTH"] == "execution"
    assert variables["FLYTE_ATTEMPT_NUMBER"] == "9"


def test_the_link_is_given_to_who_asks_for_it() -> None:
    asked = environment.attempt_environment(attempt(), template(link_type="wandb"), "http://console/")
    silent = environment.attempt_environment(attempt(), template(), "http://console/")

    assert asked["FLYTE_EXECUTION_URL"] == "http://console/projects/ep/domains/ed/executions/en/nodeId/n0/nodes"
    assert "FLYTE_EXECUTION_URL" not in silent


def test_the_platform_is_named_for_flytekit_and_the_store_for_everybody() -> None:
    storage = StorageSettings(root="s3://b/p", options={"key": "k", "secret": "s", "endpoint_url": "http://minio"})

    variables = environment.platform_environment(WorkerSettings(admin_endpoint="admin:8089"), storage)

    assert variables["FLYTE_PLATFORM_URL"] == "admin:8089"
    assert variables["FLYTE_PLATFORM_INSECURE"] == "true"
    assert variables["FLYTE_AWS_ENDPOINT"] == variables["AWS_ENDPOINT_URL"] == "http://minio"
    assert variables["FLYTE_AWS_ACCESS_KEY_ID"] == variables["AWS_ACCESS_KEY_ID"] == "k"
    assert variables["FLYTE_AWS_SECRET_ACCESS_KEY"] == variables["AWS_SECRET_ACCESS_KEY"] == "s"


def test_a_local_store_needs_no_variables() -> None:
    variables = environment.platform_environment(WorkerSettings(), StorageSettings(root="file:///store"))

    assert set(variables) == {"FLYTE_PLATFORM_URL", "FLYTE_PLATFORM_INSECURE"}


def test_tasks_reach_admin_with_tls_as_their_worker_does_but_without_its_certificate() -> None:
    settings = WorkerSettings(admin_tls=True, admin_ca="/ca.pem", admin_client_certificate="/c", admin_client_key="/k")

    variables = environment.platform_environment(settings, StorageSettings(root="file:///store"))

    assert variables["FLYTE_PLATFORM_INSECURE"] == "false"
    assert variables["FLYTE_PLATFORM_CA_CERT_FILE_PATH"] == "/ca.pem"
    assert not {"/c", "/k"} & set(variables.values())


def test_settings_and_credentials_of_the_worker_stay_with_it() -> None:
    own = {
        "PATH": "/bin",
        "FLYTETEMPORAL_DATABASE__URL": "secret",
        "TEMPORAL_API_KEY": "secret",
        "NOTIFY_SOCKET": "@x",
        "FLYTE_INTERNAL_EXECUTION_ID": "outer",
        "FLYTE_SDK_LOGGING_LEVEL": "10",
    }

    assert environment.inherited(own) == {"PATH": "/bin", "FLYTE_SDK_LOGGING_LEVEL": "10"}
