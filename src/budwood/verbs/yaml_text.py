"""A document as people write it: YAML (JSON is YAML) without what makes YAML dangerous, as plain values.

Aliases could make a small text a huge value, and of two equal keys one would be lost in silence; both are refused.
"""

from budwood.errors import BadPolicy, Invalid, LimitExceeded


def document_from(text: str, wrong: type[Invalid], *, most: int, limit: str) -> object:
    """Plain values. Raises ``wrong`` for what cannot be read, LimitExceeded."""
    if len(text.encode("utf-8", "surrogatepass")) > most:
        raise LimitExceeded(f"The document has more than {most} bytes.", limit=limit)
    import yaml

    from budwood.verbs.policy_yaml import Loader

    try:
        if any(isinstance(token, yaml.AliasToken | yaml.AnchorToken) for token in yaml.scan(text)):
            raise wrong("The document uses an anchor (&) or an alias (*).", hint="Write it out.", field="document")
        return Loader(text).get_single_data()
    except BadPolicy as error:
        raise wrong(error.message, hint=error.hint, **error.facts) from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" in line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        problem = getattr(error, "problem", None) or "it cannot be read"
        hint = "Mind the indentation, and quote texts that hold a colon or begin with a star."
        raise wrong(f"The document is no YAML{where}: {problem}.", hint=hint, field="document") from error
    except (ValueError, TypeError, RecursionError, OverflowError) as error:
        hint = "Quote dates and numbers that are no numbers."
        raise wrong("The document holds a value that cannot be.", hint=hint, field="document") from error
