"""A rollout's plan as people write it: YAML without what makes YAML dangerous, then ``domain/rollout/reading.py``."""

from functools import lru_cache

from budwood.domain.limits import PLAN_BYTES
from budwood.domain.rollout.plan import Plan
from budwood.domain.rollout.reading import read_plan
from budwood.errors import BadPlan
from budwood.verbs.yaml_text import document_from


@lru_cache(maxsize=256)
def plan_from(text: str) -> Plan:
    """Raises BadPlan, LimitExceeded."""
    return read_plan(document_from(text, BadPlan, most=PLAN_BYTES, limit="PLAN_BYTES"))
