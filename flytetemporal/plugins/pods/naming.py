"""Names of pods and containers, and values of labels. Pure.

The rules mirror flyteplugins' pluginmachinery/utils/dns.go and flytepropeller's task execution metadata.
"""

import hashlib
import re

_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_POD_CHARACTERS = 253
_LABEL_VALUE_CHARACTERS = 63
_HASH_CHARACTERS = 10
CONTAINER = "task"


def pod_name(generated: str) -> str:
    """Return the name of an attempt's pod: the generated name if Kubernetes accepts it.

    A name that has to be changed gets a hash. Flyte adds none, so that the nodes ``n_0`` and ``n0`` share a pod.
    """
    if len(generated) <= _POD_CHARACTERS and _SUBDOMAIN.fullmatch(generated):
        return generated
    kebab = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", generated).lower()
    readable = re.sub(r"\.(?=[-.])|(?<=-)\.", "", re.sub(r"[^-.a-z0-9]", "", kebab)).strip("-.")
    digest = hashlib.sha256(generated.encode()).hexdigest()[:_HASH_CHARACTERS]
    readable = readable[: _POD_CHARACTERS - _HASH_CHARACTERS - 1].strip("-.")
    return f"{readable}-{digest}" if readable else f"a-{digest}"


def container_name(generated: str) -> str:
    """Return the name of the container of a task that describes no pod."""
    return generated if _LABEL.fullmatch(generated) else CONTAINER


def label_value(text: str) -> str:
    """Return a text as the value of a label: letters, digits, dashes, underscores and dots."""
    return re.sub(r"[^-A-Za-z0-9_.]", "-", text)[:_LABEL_VALUE_CHARACTERS].strip("-_.")
