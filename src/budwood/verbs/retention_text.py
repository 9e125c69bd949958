"""A namespace's retention rules as people write them: YAML without what makes YAML dangerous, as policies are."""

from functools import lru_cache

from budwood.domain.limits import RETENTION_BYTES
from budwood.domain.retention import Rules
from budwood.domain.retention_rules import read_rules
from budwood.errors import BadPolicy, LimitExceeded


def rules_from(text: str) -> Rules:
    """Raises BadPolicy, LimitExceeded."""
    if len(text.encode("utf-8", "surrogatepass")) > RETENTION_BYTES:
        raise LimitExceeded(f"Retention rules have at most {RETENTION_BYTES} bytes.", limit="RETENTION_BYTES")
    return _read(text)


@lru_cache(maxsize=256)
def _read(text: str) -> Rules:
    import yaml

    from budwood.verbs.policy_yaml import Loader

    try:
        if any(isinstance(token, yaml.AliasToken | yaml.AnchorToken) for token in yaml.scan(text)):
            raise BadPolicy("The document uses an anchor (&) or an alias (*).", hint="Write it out.", field="document")
        document = Loader(text).get_single_data()
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" in line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise BadPolicy(f"The document is no YAML{where}.", hint="Mind the indentation.", field="document") from error
    except (ValueError, RecursionError, OverflowError) as error:
        hint = "Quote dates and numbers that are no numbers."
        raise BadPolicy("The document holds a value that cannot be.", hint=hint, field="document") from error
    return read_rules(document)
