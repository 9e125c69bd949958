"""References as the parts of an address: what fills the holes of a route's path."""

from budwood.domain.reference import Newest, Reference, parse_reference
from budwood.domain.routes.versions import NEWEST
from budwood.errors import BadReference


def version_holes(text: str) -> dict[str, str]:
    """Namespace, model and selector. Raises BadReference."""
    reference = parse_reference(text)
    selector = str(reference).partition("@")[2]
    return {**_room(reference), "selector": selector or NEWEST}


def model_holes(text: str) -> dict[str, str]:
    """Namespace and model. Raises BadReference when a version is named."""
    reference = parse_reference(text)
    if not isinstance(reference.selector, Newest):
        raise BadReference(f"{text!r} names a version; a model is asked for here.", hint="Leave out the @….")
    return _room(reference)


def _room(reference: Reference) -> dict[str, str]:
    return {"namespace": reference.namespace, "model": reference.model}
