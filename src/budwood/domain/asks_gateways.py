"""What is told about the gateways of a registry."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class GatewayShown:
    """``account`` is whose token it shows, empty where it shows none. ``endpoints`` are how many it has taken,
    ``behind`` those of which it has not taken the newest generation; ``refused`` its words, by the type it refused.
    ``lost_bytes`` of its logs were dropped before anybody took them."""

    name: str
    account: str
    address: str
    connected: bool
    seen_ms: int
    endpoints: int
    behind: tuple[str, ...] = ()
    refused: Mapping[str, str] = field(default_factory=dict)
    lost_bytes: int = 0


@dataclass(frozen=True, slots=True)
class GatewayList:
    """By name."""

    gateways: tuple[GatewayShown, ...]
