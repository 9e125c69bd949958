"""Pages in HTML that hold nothing active: no scripts, no addresses outside, and no text that becomes markup.

Everything told was typed by somebody. What is not seen as itself (control characters, direction marks) is written out,
so that a page shows what is there.
"""

import html
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from budwood.domain.canon import Json

_UNSEEN: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_STYLE: Final = """
body { font: 16px/1.5 system-ui, sans-serif; color: #1a1a1a; background: #fff; max-width: 60rem; margin: 2rem auto;
       padding: 0 1rem; overflow-wrap: anywhere; }
nav { border-bottom: 1px solid #ccc; padding-bottom: .5rem; margin-bottom: 1.5rem; }
nav a { margin-right: 1rem; }
h1 { font-size: 1.6rem; } h2 { font-size: 1.2rem; margin-top: 2rem; }
table { border-collapse: collapse; width: 100%; margin: .5rem 0 1rem; }
th, td { border: 1px solid #ddd; padding: .3rem .5rem; text-align: left; vertical-align: top; }
th { background: #f4f4f4; font-weight: 600; }
pre { background: #f7f7f7; padding: 1rem; white-space: pre-wrap; }
.gap { border-left: 4px solid #b00; padding: .2rem .8rem; background: #fff4f4; margin: .4rem 0; }
.note { border-left: 4px solid #888; padding: .2rem .8rem; background: #f6f6f6; }
@media print { nav { display: none; } }
"""
# A page may use its own style and load nothing at all.
_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


class Markup(str):
    """Text that is markup already."""

    __slots__ = ()


def text(typed: object) -> Markup:
    """What somebody typed, as text and nothing but text."""
    said = "yes" if typed is True else "no" if typed is False else "" if typed is None else str(typed)
    seen = "".join(_seen(character) for character in said)
    return Markup(html.escape(seen, quote=True))


def page(title: str, here: str, menu: Sequence[tuple[str, str]], body: Iterable[str]) -> str:
    """A whole page. ``menu`` are file names of ours and what they are called."""
    links = " ".join(
        f"<strong>{text(name)}</strong>" if file == here else f'<a href="{text(file)}">{text(name)}</a>'
        for file, name in menu
    )
    return (
        "<!DOCTYPE html>\n"
        '<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        '<meta name="referrer" content="no-referrer"><meta name="viewport" content="width=device-width">'
        f"<title>{text(title)}</title><style>{_STYLE}</style></head>\n"
        f"<body><nav>{links}</nav>\n<h1>{text(title)}</h1>\n" + "\n".join(body) + "\n</body></html>\n"
    )


def paragraph(said: str, kind: str = "") -> Markup:
    """``kind`` is gap, note or nothing."""
    return Markup(f'<p class="{kind}">{text(said)}</p>' if kind else f"<p>{text(said)}</p>")


def heading(said: str) -> Markup:
    return Markup(f"<h2>{text(said)}</h2>")


def verbatim(said: str) -> Markup:
    """Text whose lines stay as they are."""
    lines = (text(line) for line in said.replace("\t", "    ").split("\n"))
    return Markup(f"<pre>{chr(10).join(lines)}</pre>")


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> Markup:
    """Cells are text, but for what is markup already."""
    top = "".join(f"<th>{text(cell)}</th>" for cell in head)
    lines = ["<tr>" + "".join(f"<td>{_cell(cell)}</td>" for cell in row) + "</tr>" for row in rows]
    return Markup(f"<table><tr>{top}</tr>{''.join(lines)}</table>")


def told(value: Json) -> Markup:
    """Any value: a mapping as a table, a list as a list, all else as text."""
    if isinstance(value, Mapping):
        rows = "".join(f"<tr><th>{text(key)}</th><td>{told(each)}</td></tr>" for key, each in value.items())
        return Markup(f"<table>{rows}</table>") if rows else Markup("&mdash;")
    if isinstance(value, list | tuple):
        return _many(value)
    return text(value) if value not in ("", None) else Markup("&mdash;")


def _many(values: Sequence[Json]) -> Markup:
    if not values:
        return Markup("&mdash;")
    if all(isinstance(each, Mapping) for each in values):
        keys = list(dict.fromkeys(key for each in values if isinstance(each, Mapping) for key in each))
        rows = [[told(each.get(key, "")) for key in keys] for each in values if isinstance(each, Mapping)]
        return table(keys, rows)
    return Markup(f"<ul>{''.join(f'<li>{told(each)}</li>' for each in values)}</ul>")


def _cell(cell: object) -> Markup:
    return cell if isinstance(cell, Markup) else text(cell)


def _seen(character: str) -> str:
    if " " <= character <= "~" or unicodedata.category(character) not in _UNSEEN:
        return character
    return f"\\u{ord(character):04x}"
