"""A policy as people write it: YAML without what makes YAML dangerous, then ``domain/policy/reading.py``.

Aliases could make a small text a huge value, and of two equal keys one would be lost in silence; both are refused.
"""

from functools import lru_cache

from budwood.domain.limits import POLICY_BYTES
from budwood.domain.policy.policy import Policy
from budwood.domain.policy.reading import read_policy
from budwood.errors import BadPolicy, LimitExceeded


def policy_from(text: str) -> Policy:
    """Raises BadPolicy, LimitExceeded."""
    if len(text.encode("utf-8", "surrogatepass")) > POLICY_BYTES:
        raise LimitExceeded(f"A policy has at most {POLICY_BYTES} bytes.", limit="POLICY_BYTES")
    return _read(text)


@lru_cache(maxsize=256)
def _read(text: str) -> Policy:
    import yaml

    from budwood.verbs.policy_yaml import Loader

    try:
        if any(isinstance(token, yaml.AliasToken | yaml.AnchorToken) for token in yaml.scan(text)):
            raise BadPolicy("The document uses an anchor (&) or an alias (*).", hint="Write it out.", field="document")
        document = Loader(text).get_single_data()
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" in line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        problem = getattr(error, "problem", None) or "it cannot be read"
        hint = "Mind the indentation, and quote texts with a colon in them."
        raise BadPolicy(f"The document is no YAML{where}: {problem}.", hint=hint, field="document") from error
    except (ValueError, RecursionError, OverflowError) as error:
        hint = "Quote dates and numbers that are no numbers."
        raise BadPolicy("The document holds a value that cannot be.", hint=hint, field="document") from error
    return read_policy(document)
