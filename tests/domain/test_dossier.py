"""A dossier's signed list and its pages: what is not what was signed is found, and no text becomes markup."""

import base64
import contextlib
import html.parser
import json
import unicodedata

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from budwood.domain.canon import Json
from budwood.domain.dossier import markup
from budwood.domain.dossier.requirements import ITEMS, SOURCES
from budwood.domain.dossier.sections import SECTIONS, safe_name
from budwood.domain.dossier.signed import check_list, read_list, signed_list
from budwood.domain.tree.note import NoteKey
from budwood.errors import BadValue
from budwood.govern.log_key import check

PRIVATE = Ed25519PrivateKey.from_private_bytes(bytes(32))
KEY = NoteKey("budwood/test", PRIVATE.public_key().public_bytes_raw())
FILES = {"index.html": "ab" * 32, "facts.json": "cd" * 32}
SAID: dict[str, Json] = {"reference": "default/encoder@v1", "digest": "ef" * 32, "made_ms": 5, "ledger_size": 9}
WRITTEN = signed_list(SAID, FILES, KEY, PRIVATE.sign)


class Read(html.parser.HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        self.text += data


def read(page: str) -> Read:
    reader = Read()
    reader.feed(page)
    reader.close()
    return reader


def test_a_list_reads_back_and_holds() -> None:
    checked = check_list(read_list(WRITTEN), FILES, [KEY.text], check)
    assert (checked.good, checked.trusted, checked.reference) == (True, True, "default/encoder@v1")


@given(st.integers(0, len(WRITTEN) * 8 - 2))
def test_a_flipped_bit_of_the_list_never_holds(bit: int) -> None:
    changed = bytearray(WRITTEN)
    changed[bit // 8] ^= 1 << bit % 8
    with contextlib.suppress(BadValue):
        checked = check_list(read_list(bytes(changed)), FILES, [KEY.text], check)
        # Spaces between values may change without a word being another.
        assert not checked.good or read_list(bytes(changed)) == read_list(WRITTEN)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=12), inner, max_size=3),
    max_leaves=10,
)


@given(st.binary(max_size=200) | json_values.map(lambda value: json.dumps(value).encode()))
def test_what_is_no_list_is_refused(written: bytes) -> None:
    with pytest.raises(BadValue):
        read_list(written)


@given(json_values)
def test_a_statement_of_any_shape_is_read_or_refused(value: object) -> None:
    envelope = json.loads(WRITTEN)
    envelope["payload"] = base64.b64encode(json.dumps(value).encode()).decode()
    with pytest.raises(BadValue):
        read_list(json.dumps(envelope).encode())


@given(st.text(max_size=60))
def test_any_text_is_read_back_as_text(typed: str) -> None:
    found = read(f"<p>{markup.text(typed)}</p>")
    assert found.tags == ["p"]
    assert all(unicodedata.category(character)[0] != "C" for character in found.text)
    if typed.isprintable():
        assert found.text == typed


@given(json_values)
def test_any_value_is_shown_without_markup_of_its_own(value: object) -> None:
    found = read(markup.told(value))  # type: ignore[arg-type]
    assert set(found.tags) <= {"table", "tr", "th", "td", "ul", "li"}


def test_every_item_leads_to_a_section_that_there_is() -> None:
    pages = {section.name for section in SECTIONS} | {"index", "card", "bom"}
    assert {name for item in ITEMS for name in item.sections} <= pages
    assert {item.source for item in ITEMS} == set(SOURCES)
    assert len({(item.source, item.number) for item in ITEMS}) == len(ITEMS)


@pytest.mark.parametrize(
    ("name", "kept"),
    [("a.json", ".json"), ("a.HTML", ".dat"), ("a.svg", ".dat"), ("a", ".dat"), ("a.json.exe", ".dat")],
)
def test_what_could_be_active_is_kept_under_a_harmless_name(name: str, kept: str) -> None:
    assert safe_name(name) == kept
