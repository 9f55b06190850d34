"""Merge pods with the pod template that they are based on. Pure.

Values of the pod win unless they are empty, lists are concatenated, maps are merged: the rules of flyteplugins'
pluginmachinery/flytek8s/pod_helper.go, MergePodSpecs.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from flytetemporal.plugins.pod_targets import Json

_CONTAINERS = ("containers", "initContainers")


def merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> Json:
    """Return ``base`` with the values of ``over`` that are not empty."""
    result = dict(base)
    for key, value in over.items():
        below = result.get(key)
        if isinstance(below, dict) and isinstance(value, dict):
            result[key] = merged(below, value)
        elif isinstance(below, list) and isinstance(value, list):
            result[key] = [*below, *value]
        elif value not in (None, "", 0, False) and value != [] and value != {}:
            result[key] = value
        else:
            result.setdefault(key, value)
    return result


def based_on(template: Json, spec: Json, primary: Iterable[str]) -> Json:
    """Return a pod spec that is based on that of a pod template.

    Args:
        template: The spec of the pod template. Its containers named ``default`` and ``primary`` (of init containers
            ``default-init`` and ``primary-init``) or like one of the pod are the bases of those of the pod.
        spec: The spec of the pod. Its containers are those of the result.
        primary: The names of its primary container and primary init container.
    """
    names = frozenset(primary)
    rest = merged(_without_containers(template), _without_containers(spec))
    for group, suffix in (("containers", ""), ("initContainers", "-init")):
        bases = {one.get("name"): one for one in template.get(group) or ()}
        found = [_container(bases, one, suffix, is_primary=one["name"] in names) for one in spec.get(group) or ()]
        if found:
            rest[group] = found
    return rest


def base_of(template: Json, name: str, *, is_primary: bool, is_init: bool) -> Json:
    """Return the part of a pod template that is the base of a container."""
    group, suffix = ("initContainers", "-init") if is_init else ("containers", "")
    bases = {one.get("name"): one for one in template.get(group) or ()}
    return _base(bases, name, suffix, is_primary=is_primary)


def _container(bases: Mapping[Any, Json], container: Json, suffix: str, *, is_primary: bool) -> Json:
    base = _base(bases, container["name"], suffix, is_primary=is_primary)
    # Resources have their own precedence and are complete by now.
    base.pop("resources", None)
    return merged(base, container)


def _base(bases: Mapping[Any, Json], name: str, suffix: str, *, is_primary: bool) -> Json:
    nearest = f"primary{suffix}" if is_primary else name
    base = merged(bases.get(f"default{suffix}") or {}, bases.get(nearest) or {})
    base.pop("name", None)
    return base


def _without_containers(spec: Json) -> Json:
    return {key: value for key, value in spec.items() if key not in _CONTAINERS}
