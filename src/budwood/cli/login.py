"""budwood login, logout, whoami: who a server knows you as."""

import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from budwood.cli.face import Json, Typed, answer, note
from budwood.cli.help import examples
from budwood.cli.words import minute_text
from budwood.errors import BadValue

if TYPE_CHECKING:
    from budwood.cli.screen import Screen
    from budwood.domain.people import WhoAmI

LOGIN_EPILOG = examples(
    "budwood login https://models.example.com",
    "budwood login http://localhost:8484 --token-stdin < token",
    "budwood login https://models.example.com --workload",
)
LOGOUT_EPILOG = examples("budwood logout https://models.example.com")
WHOAMI_EPILOG = examples("budwood whoami", "budwood --registry https://models.example.com whoami")

Url = Annotated[str, typer.Argument(metavar="URL", help="The server's address.")]


def login(
    url: Url,
    token_stdin: Annotated[
        bool, typer.Option("--token-stdin", help="Read the token from standard input, not from the terminal.")
    ] = False,
    name: Annotated[
        str, typer.Option("--name", metavar="NAME", help="With a bootstrap token: the first admin's name.")
    ] = "",
    no_browser: Annotated[
        bool, typer.Option("--no-browser", help="Print the address to log in at, and take the code it ends with.")
    ] = False,
    workload: Annotated[
        bool, typer.Option("--workload", help="In a job: show the token that its own issuer gives it.")
    ] = False,
    proof_file: Annotated[
        Path | None, typer.Option("--proof-file", metavar="PATH", help="With --workload: the file that token is in.")
    ] = None,
    audience: Annotated[
        str, typer.Option("--audience", metavar="TEXT", help="With --workload: else the server's address.")
    ] = "",
    json: Json = False,
) -> None:
    """Keep a token for a server, readable by you alone.

    Where the server has an identity provider, you log in with your browser. Else a token is asked for. The first
    start of a server prints a bootstrap token: whoever logs in with it becomes the first admin (--token-stdin, or
    --name NAME).
    """
    who = (
        _as_job(url, proof_file, audience) if workload or proof_file else _as_person(url, token_stdin, name, no_browser)
    )
    answer(who, lambda screen: draw_who(screen, who), json=json)


def logout(url: Url, json: Json = False) -> None:
    """Forget the token for a server, here; it stays valid until it is revoked."""
    from budwood.wiring import log_out

    address = log_out(url)
    answer({"registry": address}, lambda screen: screen.line(f"No token is kept for {address}."), json=json)


def whoami(ctx: typer.Context, json: Json = False) -> None:
    """Say who the server knows you as, and what you may do where."""
    from budwood.wiring import who_am_i

    who = who_am_i((ctx.find_object(Typed) or Typed()).registry or None)
    answer(who, lambda screen: draw_who(screen, who), json=json)


def draw_who(screen: "Screen", who: "WhoAmI") -> None:
    screen.line(f"{who.name} ({'admin' if who.is_admin else who.kind})")
    for namespace, permissions in who.permissions.items():
        screen.line(f"  {namespace}: {', '.join(permissions)}")
    if who.token and who.token.expires_ms:
        screen.line(f"  this token ends at {minute_text(who.token.expires_ms)}")


def _as_job(url: str, proof_file: Path | None, audience: str) -> "WhoAmI":
    from budwood.wiring import log_in_as_job

    return log_in_as_job(url, proof_file, audience)


def _as_person(url: str, token_stdin: bool, name: str, no_browser: bool) -> "WhoAmI":
    from budwood.wiring import log_in, log_in_with_browser, login_offer

    if token_stdin:
        return log_in(url, sys.stdin.readline().strip(), name)
    # Whoever gives a name has a bootstrap token in hand.
    offer = None if name else login_offer(url)
    if offer is None:
        return log_in(url, _asked("Token: "), name)
    if no_browser:
        return log_in_with_browser(url, offer, partial(_say, "Log in here:"), _pasted)
    return log_in_with_browser(url, offer, _open)


def _open(address: str) -> None:
    import webbrowser

    _say("Log in with your browser. If none opens, go here on this machine:", address)
    webbrowser.open(address)


def _say(what: str, address: str) -> None:
    """The address alone on its line, and whole: it is copied."""
    from budwood.cli.screen import Screen

    note(what)
    Screen(sys.stderr).lines(address)


def _pasted() -> str:
    note("Then paste the code that is shown:")
    return sys.stdin.readline()


def _asked(prompt: str) -> str:
    """Typed by a person, and not shown. Raises BadValue where nobody can type."""
    if not sys.stdin.isatty():
        raise BadValue("There is no terminal to type a token at.", hint="Give it with --token-stdin.")
    token: str = typer.prompt(prompt, hide_input=True, prompt_suffix="")
    return token.strip()
