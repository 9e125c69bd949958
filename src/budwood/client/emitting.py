"""Manifests for other systems: ``registry.emit``. The same over HTTP and in a folder."""

from budwood.client.holes import version_holes
from budwood.client.place import Place
from budwood.domain.asks_emit import AskEmit, Emitted
from budwood.domain.names import DEFAULT_NAMESPACE
from budwood.domain.routes import emit as routes
from budwood.errors import BadValue


def emit(
    place: Place, target: str, reference: str, *, endpoint: str, namespace: str = DEFAULT_NAMESPACE, serving: str
) -> Emitted:
    """Raises BadValue when neither or both are named, and whatever the route gives."""
    if bool(reference) == bool(endpoint):
        hint = "For example fraud-detector@v2, or the endpoint 'fraud'."
        raise BadValue("Name a version or an endpoint, and not both.", hint=hint)
    asked = AskEmit(target, serving)
    if endpoint:
        answer = place.ask(routes.ENDPOINT, {"namespace": namespace, "endpoint": endpoint}, body=asked)
    else:
        answer = place.ask(routes.VERSION, version_holes(reference), body=asked)
    made: Emitted = answer
    return made
