"""The addresses of an endpoint.

``/predict/NAME`` and ``/v2/models/NAME/infer`` are for the split to decide; ``/predict/NAME/REF`` and
``/v2/models/NAME/versions/REF/infer`` ask for one version. Endpoints of namespaces other than the default one lie below
``/ns/NAMESPACE``.

A gateway has one table of routes an endpoint, and finds it by the first steps of the path (``scope``), in one look
however many endpoints there are. What a body names is found as if it were an address (``named``).
"""

from typing import Final

from budwood.domain.names import DEFAULT_NAMESPACE
from budwood.domain.traffic.endpoint import Arm, Endpoint

STEPS: Final = 5
"""As many as it takes to tell any two endpoints apart: ``/ns/NAMESPACE/v2/models/NAME``."""


def open_paths(endpoint: Endpoint) -> tuple[str, ...]:
    """Where the split decides."""
    at = _room(endpoint)
    return (f"{at}/predict/{endpoint.name}", f"{at}/v2/models/{endpoint.name}/infer")


def pinned_paths(endpoint: Endpoint, arm: Arm) -> tuple[str, ...]:
    """Where the client says which version: each name of an arm that may answer."""
    if arm.shadow_only:
        return ()
    at = _room(endpoint)
    names = dict.fromkeys((*arm.names, f"v{arm.number}"))
    return (
        *(f"{at}/predict/{endpoint.name}/{name}" for name in names),
        *(f"{at}/v2/models/{endpoint.name}/versions/{name}/infer" for name in (*names, str(arm.number))),
    )


def scope(address: str) -> tuple[str, ...]:
    """The steps that the gateway looks at; those that an address lacks are empty."""
    return tuple((address + "/" * STEPS).split("/")[1 : STEPS + 1])


def named(name: str) -> str:
    """Where what a body names is looked for, ``NAMESPACE/NAME``: a path that no route answers by itself."""
    room, _, rest = name.partition("/")
    return f"/m/{room}/{rest.replace('/', '|')}"


def names_open(endpoint: Endpoint) -> tuple[str, ...]:
    """What a body may say for the split to decide: the endpoint, or an adapter that its arms serve."""
    return tuple(f"{endpoint.namespace}/{name}" for name in dict.fromkeys((endpoint.name, *endpoint.adapters)))


def names_pinned(endpoint: Endpoint, arm: Arm) -> tuple[str, ...]:
    """What a body may say for one version."""
    if arm.shadow_only:
        return ()
    names = dict.fromkeys((*arm.names, f"v{arm.number}"))
    return tuple(f"{endpoint.namespace}/{endpoint.name}@{name}" for name in names)


def _room(endpoint: Endpoint) -> str:
    return "" if endpoint.namespace == DEFAULT_NAMESPACE else f"/ns/{endpoint.namespace}"
