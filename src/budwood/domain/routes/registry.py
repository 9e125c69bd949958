"""The registry as a whole: its ledger, its figures, its upkeep, bundles."""

from typing import Final

from budwood.domain.access import Permission
from budwood.domain.asks import Export, LedgerPage, ReadLedger, RebuiltIndex, Sweep, Verify
from budwood.domain.limits import BUNDLE_BYTES
from budwood.domain.results import Imported, Swept, Usage, Verified
from budwood.domain.routes.route import Body, Route
from budwood.errors import (
    BadBundle,
    BundleDamaged,
    EdgeRefused,
    Forbidden,
    LabelTaken,
    NotFound,
    RegistryBusy,
    StandardUnmet,
    StorageFull,
)

LEDGER: Final = Route(
    name="ledger",
    method="GET",
    path="/v1/ledger",
    permission=Permission.KNOWN,
    summary="Every change in the namespaces you may read, oldest first.",
    query=ReadLedger,
    response=LedgerPage,
)
STATS: Final = Route(
    name="registry.stats",
    method="GET",
    path="/v1/stats",
    permission=Permission.ADMINISTER,
    summary="Logical and stored bytes, by model and encoding, and what is shared with what.",
    response=Usage,
)
VERIFY: Final = Route(
    name="registry.verify",
    method="POST",
    path="/v1/registry/verify",
    permission=Permission.ADMINISTER,
    summary="Check catalog, manifests, packs and, if asked, every byte.",
    request=Verify,
    response=Verified,
    reads=True,
)
SWEEP: Final = Route(
    name="registry.sweep",
    method="POST",
    path="/v1/registry/sweep",
    permission=Permission.ADMINISTER,
    summary="Free what no version needs.",
    request=Sweep,
    response=Swept,
    errors=(RegistryBusy,),
)
REBUILD: Final = Route(
    name="registry.rebuild_index",
    method="POST",
    path="/v1/registry/rebuild-index",
    permission=Permission.ADMINISTER,
    summary="Make the block index anew from the packs alone.",
    response=RebuiltIndex,
    errors=(RegistryBusy,),
)
EXPORT: Final = Route(
    name="registry.export",
    method="GET",
    path="/v1/export",
    permission=Permission.KNOWN,
    summary="Versions, and all they need, as one verifiable file.",
    query=Export,
    gives=Body.BYTES,
    errors=(NotFound,),
)
IMPORT: Final = Route(
    name="registry.import",
    method="POST",
    path="/v1/import",
    permission=Permission.KNOWN,
    summary="Take in an exported bundle, into namespaces where you may push.",
    takes=Body.BYTES,
    body_bytes=BUNDLE_BYTES,
    response=Imported,
    errors=(BadBundle, BundleDamaged, EdgeRefused, Forbidden, LabelTaken, NotFound, StandardUnmet, StorageFull),
)

ROUTES: Final = (LEDGER, STATS, VERIFY, SWEEP, REBUILD, EXPORT, IMPORT)
