"""scikit-learn estimators, in skops' format: a zip of JSON and arrays that loads without running a pickle."""

import importlib.util
import sys
from pathlib import Path
from typing import Any, Final

from budwood.client.models.written import Draft, versions
from budwood.domain.facts import Field, Schema
from budwood.errors import FrameworkMissing, NotOffered

FILE_NAME: Final = "model.skops"
_NAMED_FIELDS: Final = 10_000


def write_estimator(model: Any, folder: Path) -> Draft:
    """Also estimators of other libraries that follow scikit-learn. Raises FrameworkMissing, NotOffered."""
    if "skops" not in sys.modules and importlib.util.find_spec("skops") is None:
        raise FrameworkMissing(
            "Writing a scikit-learn model needs skops; a pickle could run code when it is loaded.",
            hint="pip install skops",
            framework="skops",
        )
    import skops.io
    from skops.io.exceptions import UnsupportedTypeException

    try:
        skops.io.dump(model, folder / FILE_NAME)
    except (UnsupportedTypeException, TypeError) as error:
        (folder / FILE_NAME).unlink(missing_ok=True)
        raise NotOffered(
            f"skops cannot write this {type(model).__name__}: {error}",
            hint="Replace the part it names, or save the model yourself and push the file.",
        ) from error
    packages = {kind.__module__.partition(".")[0] for kind in type(model).__mro__} - {"builtins", "__main__"}
    return Draft(
        frameworks=versions("sklearn", "skops", *sorted(packages - {"sklearn", "skops"})),
        architecture=type(model).__name__,
        schema=_schema(model),
    )


def _schema(model: Any) -> Schema | None:
    """The input features the estimator remembers from its training; it keeps no types and no outputs."""
    names, count = getattr(model, "feature_names_in_", None), getattr(model, "n_features_in_", None)
    if names is not None and len(names) <= _NAMED_FIELDS:
        return Schema(inputs=tuple(Field(str(name), shape=(-1,)) for name in names), source=FILE_NAME)
    if isinstance(count, int):
        return Schema(inputs=(Field("X", shape=(-1, count)),), source=FILE_NAME)
    return None
