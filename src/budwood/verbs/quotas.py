"""What a namespace may hold: asked inside the transaction that would make it hold more, by push and import alike."""

from budwood.catalog.api import View
from budwood.errors import QuotaExceeded


def check_bytes(view: View, namespace: str, more: int, *, now_ms: int) -> None:
    """Raises QuotaExceeded when so many more encoded bytes do not fit."""
    room = view.namespace(namespace)
    usage = view.usage(namespace, now_ms=now_ms) if more and room and room.quota.bytes else None
    if usage and usage.bytes + more > usage.quota.bytes:
        raise QuotaExceeded(
            f"{namespace} holds {usage.bytes} bytes and may hold {usage.quota.bytes}; {more} more do not fit.",
            quota="bytes",
            held=usage.bytes,
            allowed=usage.quota.bytes,
        )


def check_versions(view: View, namespace: str, *, now_ms: int) -> None:
    """Raises QuotaExceeded when one more version does not fit."""
    room = view.namespace(namespace)
    usage = view.usage(namespace, now_ms=now_ms) if room and room.quota.versions else None
    if usage and usage.versions >= usage.quota.versions:
        raise QuotaExceeded(f"{namespace} has {usage.versions} versions; it may have no more.", quota="versions")
