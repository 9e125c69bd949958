"""Paths: what may lie in a version, and what may lie there together."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from budwood.domain.limits import FILES_PER_VERSION, PATH_BYTES, PATH_DEPTH
from budwood.domain.paths import check_paths, safe_path
from budwood.errors import BadPath, LimitExceeded


@pytest.mark.parametrize(
    "path",
    [
        "model.safetensors",
        "a/b/c.bin",
        ".gitattributes",
        "..hidden",
        "a..b",
        "aux/head.pt",
        "con.txt",
        "end.",
        "a b/c d",
        "模型/权重.bin",
        "épée.json",
        "e\u0301.json",
        "step=100/x,y@z+~",
        "2026-11-05T14:30.ckpt",
        "%2e%2e",
        "😀.txt",
    ],
)
def test_ordinary_names_pass_unchanged(path: str) -> None:
    assert safe_path(path) is path


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("", "empty"),
        ("/etc/passwd", "absolute"),
        ("C:/x", "absolute"),
        ("../x", r"'\.\.'"),
        ("a/../../x", r"'\.\.'"),
        ("./x", r"'\.'"),
        ("a/.", r"'\.'"),
        ("a//b", "empty part"),
        ("a/", "empty part"),
        ("a\\b", "backslash"),
        ("a\x00b", r"U\+0000"),
        ("a\nb", r"U\+000A"),
        ("a\x1b[31m", r"U\+001B"),
        ("a\x7f", r"U\+007F"),
        ("exe\u202egpj.txt", r"U\+202E"),
        ("a\u200bb", r"U\+200B"),
        ("a\u200fb", r"U\+200F"),
        ("a\u2066b", r"U\+2066"),
        ("\ufeffa", r"U\+FEFF"),
        ("a\u2028b", r"U\+2028"),
        ("a\u3164", r"U\+3164"),
        ("a\udcffb", "surrogate"),
        (" a", "space"),
        ("a /b", "space"),
        ("a\u00a0", "space"),
    ],
)
def test_names_that_escape_hide_or_mislead_are_refused(path: str, why: str) -> None:
    with pytest.raises(BadPath, match=why) as caught:
        safe_path(path)
    assert caught.value.message.isprintable(), "the message itself must not carry the trick"


def test_length_and_depth_are_bounded() -> None:
    assert safe_path("a" * PATH_BYTES)
    with pytest.raises(BadPath, match="bytes"):
        safe_path("a" * (PATH_BYTES + 1))
    with pytest.raises(BadPath, match="bytes"):
        safe_path("模" * (PATH_BYTES // 3 + 1))
    assert safe_path("/".join("a" * PATH_DEPTH))
    with pytest.raises(BadPath, match="deep"):
        safe_path("/".join("a" * (PATH_DEPTH + 1)))


@pytest.mark.parametrize(
    ("paths", "why"),
    [
        (["a", "b", "a"], "twice"),
        (["Model.bin", "model.bin"], "differ only in case"),
        (["x/A/b", "x/a/B"], "differ only in case"),
        (["STRASSE", "straße"], "differ only in case"),
        (["\u00e9.txt", "e\u0301.txt"], "differ only in case or encoding"),
        (["a", "a/b"], "is a file and the folder of"),
        (["a/b/c", "A/B"], "is a file and the folder of"),
        (["ok", "../x"], "contains"),
    ],
)
def test_paths_that_cannot_lie_together_are_refused(paths: list[str], why: str) -> None:
    with pytest.raises(BadPath, match=why):
        check_paths(paths)


def test_like_but_different_paths_may_lie_together() -> None:
    check_paths(["a/b", "a/c", "a.b", "ab", "a-b/c", "A2/x"])
    check_paths([])


def test_the_number_of_files_is_bounded() -> None:
    with pytest.raises(LimitExceeded) as caught:
        check_paths([f"f{n}" for n in range(FILES_PER_VERSION + 1)])
    assert caught.value.facts["limit"] == "FILES_PER_VERSION"


@given(st.text() | st.text("ab./\\ :\x00\u202e", max_size=12))
def test_a_safe_path_stays_below_the_folder_it_is_joined_to(text: str) -> None:
    try:
        path = safe_path(text)
    except BadPath:
        return
    assert path == text
    assert all(part not in ("", ".", "..") and part == part.strip() for part in path.split("/"))
    assert path.isprintable() or all(ord(c) >= 0xA0 for c in path if not c.isprintable())
    path.encode()


@given(st.lists(st.text("aAbB/", min_size=1, max_size=5), max_size=6))
def test_paths_that_pass_together_are_distinct_on_any_file_system(paths: list[str]) -> None:
    try:
        check_paths(paths)
    except BadPath:
        return
    lowered = {path.lower() for path in paths}
    assert len(lowered) == len(paths)
    assert not any(other.startswith(path + "/") for path in lowered for other in lowered)
