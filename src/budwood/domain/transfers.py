"""What a client and a server say to each other about bytes: the requests and answers of a push and a pull.

The bytes themselves go by addresses that are given here, straight to the object store where that signs. A path such
as ``/v1/blobs/…`` is one of the server's own; anything else is a whole URL. What is answered about blocks depends
only on what the asking namespace has sent.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from budwood.domain.manifest import BlockId
from budwood.domain.records import VersionRecord


@dataclass(frozen=True, slots=True)
class Before:
    """What the registry held when a push began: the model's newest version, and the declared parents."""

    newest: VersionRecord | None
    parents: tuple[VersionRecord, ...]


@dataclass(frozen=True, slots=True)
class LookFor:
    """``model`` is its name in the namespace that is asked; ``parents`` are references."""

    model: str
    parents: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CandidatesFor:
    """Which versions may serve as bases, or be what tensors are functions of. ``parents`` are references;
    ``structure`` is the sketch's; ``probes`` are what its prints would have foretold."""

    model: str
    structure: str
    parents: tuple[str, ...] = ()
    probes: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Candidates:
    """Nearest first."""

    versions: tuple[VersionRecord, ...]


@dataclass(frozen=True, slots=True)
class OpenPush:
    """To which model of the namespace."""

    model: str


@dataclass(frozen=True, slots=True)
class OpenedPush:
    """A push under way. It is forgotten when nothing is heard of it until ``expires_ms``."""

    id: str
    expires_ms: int


@dataclass(frozen=True, slots=True)
class FindBlocks:
    """Which of these blocks are there. At most ``limits.FIND_BLOCKS``.

    With a ``file`` they are its blocks in order, from the ``first``-th on: so its SHA-256 can be made as they come.
    """

    ids: tuple[BlockId, ...]
    file: str = ""
    first: int = 0


@dataclass(frozen=True, slots=True)
class FoundBlock:
    """Where a block's bytes can be had, and how they are written there; see ``BlockRow``. ``check`` is -1 when
    nobody knows it."""

    id: BlockId
    pack: str
    offset: int
    length: int
    raw_length: int
    encoding: int
    check: int
    base: BlockId = b""
    depth: int = 0


@dataclass(frozen=True, slots=True)
class PackAddress:
    """Where ranges of a pack can be read until ``expires_ms``."""

    pack: str
    address: str
    expires_ms: int


@dataclass(frozen=True, slots=True)
class FoundBlocks:
    """Those of the blocks that are there, and the packs they lie in."""

    blocks: tuple[FoundBlock, ...]
    packs: tuple[PackAddress, ...]


@dataclass(frozen=True, slots=True)
class BeginPack:
    """A pack about to be sent: its name begins with the push's id."""

    name: str
    size: int


@dataclass(frozen=True, slots=True)
class SendTo:
    """Where exactly the bytes of one pack are to be PUT, until ``expires_ms``."""

    address: str
    expires_ms: int


@dataclass(frozen=True, slots=True)
class CompletePack:
    """A pack that was sent whole."""

    size: int


@dataclass(frozen=True, slots=True)
class TakenPack:
    """A pack whose blocks are now there."""

    blocks: int


@dataclass(frozen=True, slots=True)
class PublishPush:
    """The version a push has written. ``digest`` and ``manifest_size`` are of its manifest, which lies in
    ``manifest_blocks``; ``level`` is what ``bump`` came to; ``sources`` are references of versions that its blocks may
    be functions of, which the server counts itself."""

    digest: str
    manifest_size: int
    manifest_blocks: tuple[BlockId, ...]
    structure: str = ""
    sketch: BlockId = b""
    label: str = ""
    bump: str = ""
    level: str = ""
    aliases: tuple[str, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)
    sources: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PushAtOnce(PublishPush):
    """A whole push in one request. ``pack`` holds what is not there yet, written like any pack; empty when nothing
    is missing. At most ``limits.AT_ONCE_PACK_BYTES`` of it, for files of ``limits.AT_ONCE_BYTES`` together."""

    model: str
    pack: bytes = b""


@dataclass(frozen=True, slots=True)
class ReuseVersion:
    """Aliases and tags for a version that holds these files already. ``push`` is the one that found out, if any."""

    model: str
    number: int
    digest: str
    push: str = ""
    aliases: tuple[str, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)
