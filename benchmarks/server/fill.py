"""A million versions, written through the catalog's own door; kept and used again as long as the size is the same."""

import random
import time
from functools import partial

from benchmarks.catalog import PER_MODEL, fill_models
from benchmarks.server.homes import Home, settle
from budwood.catalog.api import Catalog

MODELS_AT_ONCE = 10


def filled(home: Home, versions: int) -> float:
    """Seconds it took; 0 when they were there."""
    catalog = home.catalog()
    try:
        settle(catalog)
        began = time.perf_counter()
        if not missing(catalog, versions):
            return 0.0
        chance = random.Random(7)
        for first in range(0, versions // PER_MODEL, MODELS_AT_ONCE):
            models = range(first, min(first + MODELS_AT_ONCE, versions // PER_MODEL))
            catalog.write(partial(fill_models, models, chance))
        return time.perf_counter() - began
    finally:
        catalog.close()


def missing(catalog: Catalog, versions: int) -> bool:
    """Whether the last model is not there. A filling that was cut short is no filling: begin with an empty room."""
    last = versions // PER_MODEL - 1
    with catalog.read() as view:
        return view.model(f"team-{last % 20}", f"model-{last:06d}") is None
