"""budwood cache: the blocks that servers and object stores sent to this machine, kept for the next pull."""

from typing import TYPE_CHECKING, Annotated

import typer

from budwood.cli.face import Json, answer
from budwood.cli.help import Command, examples
from budwood.cli.screen import Column, Screen
from budwood.cli.words import count, minute_text, size_text

if TYPE_CHECKING:
    from budwood.domain.results import CachePruned, CacheState

app = typer.Typer(
    rich_markup_mode=None,
    help="Blocks kept on this machine's disk, so that they are sent only once, whichever registry they are from.",
    epilog=examples("budwood cache show", "budwood cache prune --to 2", "budwood cache clear"),
)


@app.command(cls=Command, epilog=examples("budwood cache show", "budwood cache show --json | jq .bytes"))
def show(json: Json = False) -> None:
    """Say what the cache holds, and which registries sent it."""
    from budwood.wiring import block_cache

    state = block_cache().state()
    answer(state, lambda screen: draw_state(screen, state), json=json)


@app.command(cls=Command, epilog=examples("budwood cache prune", "budwood cache prune --to 2"))
def prune(
    to: Annotated[
        float | None,
        typer.Option(
            "--to", min=0, metavar="GB", help="Keep at most so many gigabytes; else what the setting cache_gb says."
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Remove what was used longest ago, until no more is left than asked. Pulls under way go on."""
    from budwood.wiring import block_cache

    cache = block_cache()
    pruned = cache.prune(cache.limit_bytes if to is None else int(to * 1e9))
    answer(pruned, lambda screen: draw_pruned(screen, pruned), json=json)


@app.command(cls=Command, epilog=examples("budwood cache clear", "budwood cache clear --json"))
def clear(json: Json = False) -> None:
    """Remove everything. Pulls under way go on."""
    from budwood.wiring import block_cache

    pruned = block_cache().clear()
    answer(pruned, lambda screen: draw_pruned(screen, pruned), json=json)


def draw_state(screen: Screen, state: "CacheState") -> None:
    most = f"of at most {size_text(state.limit_bytes)}" if state.limit_bytes else "and keeps nothing (setting cache_gb)"
    screen.line(f"{state.folder} holds {size_text(state.bytes)} {most}.")
    if state.registries:
        columns = (
            Column("sent by", style="bold", elastic=True),
            Column("blocks", right=True),
            Column("bytes", right=True),
            Column("last used"),
        )
        rows = [
            (each.name, str(each.blocks), size_text(each.bytes), minute_text(each.used_ms) if each.blocks else "")
            for each in state.registries
        ]
        screen.table(columns, rows)


def draw_pruned(screen: Screen, pruned: "CachePruned") -> None:
    blocks = sum(each.blocks for each in pruned.state.registries)
    left = f"{size_text(pruned.state.bytes)} in {count(blocks, 'block')} left"
    screen.line(f"{size_text(pruned.removed_bytes)} removed, {left}.")
