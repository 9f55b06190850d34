"""Kubernetes' rules for labels and names, with the error texts of its API server and of Flyte."""

import re
from collections.abc import Mapping

from flytetemporal import errors

MAX_LABELS = 16

_NAME_LIMIT = 63
_PREFIX_LIMIT = 253
_VALUE_FORMAT = "(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?"
_NAME_FORMAT = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_DNS_LABEL_FORMAT = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_DNS_SUBDOMAIN_FORMAT = rf"{_DNS_LABEL_FORMAT}(\.{_DNS_LABEL_FORMAT})*"
_ENDS = "must start and end with an alphanumeric character"

_VALUE_RULE = (
    f"a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and {_ENDS} "
    f"(e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '{_VALUE_FORMAT}')"
)
_NAME_RULE = (
    f"must consist of alphanumeric characters, '-', '_' or '.', and {_ENDS} "
    f"(e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '{_NAME_FORMAT}')"
)
_DNS_LABEL_RULE = (
    f"a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and {_ENDS} "
    f"(e.g. 'my-name',  or '123-abc', regex used for validation is '{_DNS_LABEL_FORMAT}')"
)
_DNS_SUBDOMAIN_RULE = (
    f"a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and {_ENDS} "
    f"(e.g. 'example.com', regex used for validation is '{_DNS_SUBDOMAIN_FORMAT}')"
)


def check(labels: Mapping[str, str]) -> None:
    """Refuse too many labels, and keys and values that Kubernetes would refuse.

    Raises:
        InvalidRequest: the text names the first problem, in the order of the keys.
    """
    if len(labels) > MAX_LABELS:
        raise errors.InvalidRequest(f"labels map cannot exceed {MAX_LABELS} entries")
    for key in sorted(labels):
        _refuse(f"invalid label key [{key}]", _key_problems(key))
        _refuse(f"invalid label value [{labels[key]}]", _problems(labels[key], _VALUE_FORMAT, _VALUE_RULE))


def check_project_id(identifier: str) -> None:
    """Refuse an id that is not a DNS label: it becomes part of Kubernetes namespaces. Raises ``InvalidRequest``."""
    _refuse(f"invalid project id [{identifier}]", _problems(identifier, _DNS_LABEL_FORMAT, _DNS_LABEL_RULE))


def _refuse(subject: str, problems: list[str]) -> None:
    if problems:
        raise errors.InvalidRequest(f"{subject}: [{' '.join(problems)}]")


def _problems(text: str, allowed: str, rule: str, limit: int = _NAME_LIMIT) -> list[str]:
    problems = [] if len(text) <= limit else [f"must be no more than {limit} characters"]
    return problems if re.fullmatch(allowed, text) else [*problems, rule]


def _key_problems(key: str) -> list[str]:
    *prefixes, name = key.split("/")
    if len(prefixes) > 1:
        return [
            f"a qualified name {_NAME_RULE} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
        ]
    problems = []
    for prefix in prefixes:
        found = _problems(prefix, _DNS_SUBDOMAIN_FORMAT, _DNS_SUBDOMAIN_RULE, _PREFIX_LIMIT)
        problems += [f"prefix part {problem}" for problem in (found if prefix else ["must be non-empty"])]
    if not name:
        problems.append("name part must be non-empty")
    return problems + [f"name part {problem}" for problem in _problems(name, _NAME_FORMAT, _NAME_RULE)]
