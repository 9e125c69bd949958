"""MCP servers' rules: the order of versions, which one is the newest, what a server shows, and what may be kept."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from budwood.domain.label import Label
from budwood.domain.mcp.checks import check_icon_address, check_move, check_name
from budwood.domain.mcp.records import McpRelease, McpServer, McpStatus, Newest, newest_of
from budwood.domain.mcp.releases import release_key
from budwood.errors import BadLabel, BadValue

_number = st.integers(0, 120).map(str)
_word = st.from_regex(r"[0-9]{0,3}[A-Za-z-][0-9A-Za-z-]{0,5}", fullmatch=True)
_before = st.lists(_number | _word, max_size=4).map(".".join)
_version = st.builds(
    lambda core, before: f"{core}-{before}" if before else core, st.sampled_from(("0.0.1", "1.0.0", "1.2.10")), _before
)
ICON = {"src": "https://8.8.8.8/a.png"}


@given(one=_version, other=_version)
def test_keys_are_ordered_as_versions_are(one: str, other: str) -> None:
    ours = release_key(one, "version"), release_key(other, "version")
    assert (ours[0] < ours[1]) == (Label.parse(one) < Label.parse(other))
    assert (ours[0] == ours[1]) == (Label.parse(one) == Label.parse(other))


def test_build_metadata_does_not_order() -> None:
    assert release_key("1.0.0+a", "version") == release_key("1.0.0+b", "version")


@given(st.text())
def test_what_is_no_version_is_refused(text: str) -> None:
    try:
        Label.parse(text)
    except BadLabel:
        with pytest.raises(BadValue, match="Invalid semantic version for version"):
            release_key(text, "version")


def release(id_: int, version: str, status: McpStatus, created_ms: int = 1) -> McpRelease:
    return McpRelease(id_, version, status, created_ms, release_key(version, "version"))


@pytest.mark.parametrize(
    ("releases", "newest"),
    [
        ((), None),
        ((release(1, "1.0.0", McpStatus.DELETED),), None),
        ((release(1, "1.0.0", McpStatus.DRAFT), release(2, "0.9.0", McpStatus.DRAFT)), 1),
        ((release(1, "2.0.0", McpStatus.DRAFT), release(2, "1.0.0", McpStatus.ACTIVE)), 2),
        ((release(1, "1.0.0-rc.1", McpStatus.ACTIVE), release(2, "1.0.0", McpStatus.ACTIVE)), 2),
        ((release(1, "1.0.0+b", McpStatus.DRAFT, 1), release(2, "1.0.0+a", McpStatus.DRAFT, 2)), 2),
        ((release(1, "1.0.0+b", McpStatus.DRAFT), release(2, "1.0.0+a", McpStatus.DRAFT)), 1),
    ],
)
def test_the_newest_is_active_then_highest_then_youngest(releases: tuple[McpRelease, ...], newest: int | None) -> None:
    found = newest_of(releases)
    assert (found.id if found else None) == newest


def server(icons: str | None, description: str | None, newest: Newest | None) -> McpServer:
    return McpServer(1, "default", "a.b/cc", None, description, icons, "mara", "mara", 1, 1, newest)


def test_a_server_shows_its_own_words_before_its_newest_version_s() -> None:
    theirs = json.dumps([{**ICON, "theme": "dark"}, {**ICON, "theme": "light"}])
    newest = Newest(1, "1.0.0", McpStatus.DRAFT, "theirs", theirs)
    assert (server(None, None, None).shown_description, server(None, None, None).shown_icons) == (None, None)
    assert server(None, None, newest).shown_description == "theirs"
    assert server(None, "", newest).shown_description == ""
    assert [each["source"] for each in server(None, None, newest).shown_icons or ()] == ["version", "version"]
    own = json.dumps([{**ICON, "theme": "dark"}])
    assert [(each["theme"], each["source"]) for each in server(own, None, newest).shown_icons or ()] == [
        *(("dark", "server"), ("light", "version")),
    ]
    assert server("[]", None, newest).shown_icons == []


@pytest.mark.parametrize("name", ["com.example/weather", "aa/bb", "A.b-C/x_y.z-1", "io.github.user/my-server"])
def test_names_are_a_domain_and_a_slug(name: str) -> None:
    check_name(name)


@pytest.mark.parametrize(
    "name", ["", "a", "a/b", "aa/", "/bb", "aa/bb/cc", "aa/tags", "aa/endpoints", "aa/-b", "a_a/bb", "aa/b b", "aa/b\n"]
)
def test_other_names_are_refused(name: str) -> None:
    with pytest.raises(BadValue):
        check_name(name)


def test_a_status_moves_only_where_it_may() -> None:
    moves = {(before, after) for before in McpStatus for after in McpStatus if _moves(before, after)}
    assert moves == {
        (McpStatus.DRAFT, McpStatus.ACTIVE),
        (McpStatus.DRAFT, McpStatus.DELETED),
        (McpStatus.ACTIVE, McpStatus.DRAFT),
        (McpStatus.ACTIVE, McpStatus.DEPRECATED),
        (McpStatus.DEPRECATED, McpStatus.ACTIVE),
        (McpStatus.DEPRECATED, McpStatus.DELETED),
    }


def _moves(before: McpStatus, after: McpStatus) -> bool:
    try:
        check_move(before, after)
    except BadValue:
        return False
    return True


@given(st.text() | st.text().map("https://".__add__))
def test_an_icon_s_address_is_let_in_or_refused_as_a_value(text: str) -> None:
    try:
        check_icon_address(text)
    except BadValue:
        return
    assert "https:" in text.lower()
