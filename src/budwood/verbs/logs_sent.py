"""What a gateway says of the logs it sends, and what it is believed about: the namespaces that it serves."""

from dataclasses import dataclass, replace
from typing import Final

from budwood.domain.traffic.records import GatewayRecord


@dataclass(frozen=True, slots=True)
class Sent:
    """``namespaces`` are those whose requests it may speak of, None for all there are. ``kept`` are the logs that it
    still has, None where it does not say; of others nothing more will come. ``lost``: bytes dropped before anybody
    took them, since its folder was made."""

    namespaces: frozenset[str] | None = None
    kept: frozenset[str] | None = None
    lost: int = 0

    def is_about(self, endpoint: str) -> bool:
        """Whether it may speak of an endpoint, by its key: what follows the last dot is its name."""
        return self.namespaces is None or endpoint.rpartition(".")[0] in self.namespaces


ANY: Final = Sent()


def moved_on(record: GatewayRecord, log: str, end: int, sent: Sent, now_ms: int) -> GatewayRecord:
    """The gateway, with one of its logs taken in up to ``end``."""
    had = {each: read for each, read in record.positions.items() if sent.kept is None or each in sent.kept}
    lost = max(record.lost, sent.lost)
    return replace(record, positions={**had, log: end}, lost=lost, seen_ms=now_ms)
