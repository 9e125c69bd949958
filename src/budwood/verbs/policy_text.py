"""A policy as people write it: a document (yaml_text.py) that ``domain/policy/reading.py`` understands."""

from functools import lru_cache

from budwood.domain.limits import POLICY_BYTES
from budwood.domain.policy.policy import Policy
from budwood.domain.policy.reading import read_policy
from budwood.errors import BadPolicy
from budwood.verbs.yaml_text import document_from


def policy_from(text: str) -> Policy:
    """Raises BadPolicy, LimitExceeded."""
    return _read(text)


@lru_cache(maxsize=256)
def _read(text: str) -> Policy:
    return read_policy(document_from(text, BadPolicy, most=POLICY_BYTES, limit="POLICY_BYTES"))
