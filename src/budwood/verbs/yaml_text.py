"""A document as people write it: YAML (JSON is YAML) without what makes YAML dangerous, as plain values.

Aliases could make a small text a huge value, and of two equal keys one would be lost in silence; both are refused.
What cannot be read is told with its line, the field that stands there, and how it would be written.
"""

import re
from typing import TYPE_CHECKING, Final

from budwood.errors import BadPolicy, Invalid, LimitExceeded

if TYPE_CHECKING:
    from yaml import YAMLError

_KEY: Final = re.compile(r"([A-Za-z_][\w-]*)\s*:(?=\s|$)")
_PLAIN_HINT: Final = "Mind the indentation, and quote texts that hold a colon or begin with a star."
_FIXES: Final = (
    ("'\\t'", "Indent with spaces; a tab indents nothing."),
    ("chomping", 'Quote what begins with > or |: operator: ">=".'),
    ("cannot start any token", 'Quote what begins with such a character: operator: ">=".'),
    ("tag", "Quote it, if it is a text: what begins with ! names a type, and = stands for something else."),
    ("alphabetic or numeric", 'Quote what begins with a star or an ampersand: aliases: ["*"].'),
    ("another document", "Put one document into a file: without the line ---."),
    ("',' or ']'", "Close the bracket: [production]."),
    ("',' or '}'", "Close the brace: {tolerance: 0.01}."),
)


def document_from(text: str, wrong: type[Invalid], *, most: int, limit: str) -> object:
    """Plain values. Raises ``wrong`` for what cannot be read, LimitExceeded."""
    if len(text.encode("utf-8", "surrogatepass")) > most:
        hint = "Leave out what is not needed, or write two documents."
        raise LimitExceeded(f"The document has more than {most} bytes.", hint=hint, limit=limit, field="document")
    import yaml

    from budwood.verbs.policy_yaml import Loader

    try:
        for token in yaml.scan(text):
            if isinstance(token, yaml.AliasToken | yaml.AnchorToken):
                field = _field_at(text, token.start_mark.line, token.start_mark.column)
                message = f"The document uses an anchor (&) or an alias (*) at {field}."
                raise wrong(message, hint='Write it out, or quote it if it is a pattern: "*".', field=field)
        return Loader(text).get_single_data()
    except BadPolicy as error:
        raise wrong(error.message, hint=error.hint, **error.facts) from error
    except yaml.YAMLError as error:
        raise _unread(error, text, wrong) from error
    except (ValueError, TypeError, RecursionError, OverflowError) as error:
        hint = "Quote dates and numbers that are no numbers."
        raise wrong("The document holds a value that cannot be.", hint=hint, field="document") from error


def _unread(error: "YAMLError", text: str, wrong: type[Invalid]) -> Invalid:
    problem = getattr(error, "problem", None) or "it cannot be read"
    # A bracket that is not closed is told where it was opened, not where that was noticed.
    opened = "',' or" in problem and getattr(error, "context_mark", None)
    mark = opened or getattr(error, "problem_mark", None)
    field = _field_at(text, mark.line, mark.column) if mark else "document"
    where = f" in line {mark.line + 1}, column {mark.column + 1}, at {field}" if mark else ""
    hint = next((fix for words, fix in _FIXES if words in problem), _PLAIN_HINT)
    return wrong(f"The document is no YAML{where}: {problem}.", hint=hint, field=field)


def _field_at(text: str, line: int, column: int) -> str:
    """The key whose value stands there, or that begins there; "document" when the line has none."""
    lines = text.splitlines()
    here = lines[line] if line < len(lines) else ""
    before = _KEY.findall(here[: column + 1])
    after = _KEY.findall(here[column:])
    return str((before[-1:] or after[:1] or ["document"])[0])[:200]
