"""Numbers as people read them: sizes, durations, ages, shares, counts. Pure; the time now is passed in."""

from typing import Final

from budwood.domain.moment import moment_text

_STEPS: Final = ("bytes", "kB", "MB", "GB", "TB", "PB")
_MINUTE_MS: Final = 60_000
_HOUR_MS: Final = 60 * _MINUTE_MS
_DAY_MS: Final = 24 * _HOUR_MS


def size_text(size_bytes: int) -> str:
    """45_400_000 is 45.4 MB: steps of a thousand, as disks and networks count."""
    size, step = float(size_bytes), 0
    while size >= 999.95 and step < len(_STEPS) - 1:
        size, step = size / 1000, step + 1
    if step == 0:
        return count(size_bytes, "byte")
    return f"{size:.1f} {_STEPS[step]}"


def duration_text(seconds: float) -> str:
    """0.4 s, 12.3 s, 3 min 12 s, 1 h 5 min."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest_s = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest_s} s"
    return f"{minutes // 60} h {minutes % 60} min"


def ago_text(at_ms: int, now_ms: int) -> str:
    """3 min ago; the date for what is a month old or lies ahead."""
    age_ms = now_ms - at_ms
    if not -_MINUTE_MS < age_ms < 30 * _DAY_MS:
        return moment_text(at_ms)[:10]
    if age_ms < 10_000:
        return "just now"
    if age_ms < _MINUTE_MS:
        return f"{age_ms // 1000} s ago"
    if age_ms < _HOUR_MS:
        return f"{age_ms // _MINUTE_MS} min ago"
    if age_ms < _DAY_MS:
        return f"{age_ms // _HOUR_MS} h ago"
    return f"{count(age_ms // _DAY_MS, 'day')} ago"


def minute_text(at_ms: int) -> str:
    """2026-11-05T14:30Z: a moment to the minute."""
    return moment_text(at_ms - at_ms % _MINUTE_MS)


def share_text(part: int, whole: int) -> str:
    """8 %: small shares with a decimal, so that little is not shown as nothing."""
    if whole == 0 or part == 0:
        return "0 %"
    share = part / whole * 100
    if share < 0.1:
        return "under 0.1 %"
    return f"{share:.1f} %" if share < 1 else f"{share:.0f} %"


def count(number: int, noun: str) -> str:
    """1 file, 1,204 files."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def shape_text(shape: tuple[int, ...] | None) -> str:
    """[384, ?]: a dimension of -1 is free."""
    return "" if shape is None else f"[{', '.join('?' if n == -1 else str(n) for n in shape)}]"


def listed(parts: list[str]) -> str:
    """a, b and c."""
    return " and ".join(part for part in (", ".join(parts[:-1]), parts[-1]) if part) if parts else ""
