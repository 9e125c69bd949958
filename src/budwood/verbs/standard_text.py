"""A metadata standard as people write it. Reading takes milliseconds, and every push asks: a text is read once."""

from functools import lru_cache

from budwood.domain.limits import STANDARD_BYTES
from budwood.domain.standard import Standard, read_standard
from budwood.errors import BadStandard
from budwood.verbs.yaml_text import document_from


@lru_cache(maxsize=256)
def standard_from(text: str) -> Standard:
    """Raises BadStandard, LimitExceeded."""
    return read_standard(document_from(text, BadStandard, most=STANDARD_BYTES, limit="STANDARD_BYTES"))
