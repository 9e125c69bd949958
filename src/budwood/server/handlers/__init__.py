"""What each route does, by its name: one file a noun, each handler a call of one verb."""

from typing import Final

from budwood.server.ask import Call, RawCall
from budwood.server.handlers import about, blobs, bundles, logins, models, people, pushes, registry, versions

HANDLERS: Final[dict[str, Call | RawCall]] = {
    **about.HANDLERS,
    **models.HANDLERS,
    **versions.HANDLERS,
    **registry.HANDLERS,
    **bundles.HANDLERS,
    **pushes.HANDLERS,
    **blobs.HANDLERS,
    **people.HANDLERS,
    **logins.HANDLERS,
}
