"""budwood login, logout, whoami: who a server knows you as."""

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from budwood.cli.face import Json, Typed, answer
from budwood.cli.help import examples
from budwood.cli.words import minute_text
from budwood.errors import BadValue

if TYPE_CHECKING:
    from budwood.cli.screen import Screen
    from budwood.domain.people import WhoAmI

LOGIN_EPILOG = examples(
    "budwood login https://models.example.com", "budwood login http://localhost:8484 --token-stdin < token"
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
    json: Json = False,
) -> None:
    """Keep a token for a server, readable by you alone.

    The first start of a server prints a bootstrap token: whoever logs in with it becomes the first admin.
    """
    from budwood.wiring import log_in

    token = sys.stdin.readline().strip() if token_stdin else _asked("Token: ")
    who = log_in(url, token, name)
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


def _asked(prompt: str) -> str:
    """Typed by a person, and not shown. Raises BadValue where nobody can type."""
    if not sys.stdin.isatty():
        raise BadValue("There is no terminal to type a token at.", hint="Give it with --token-stdin.")
    token: str = typer.prompt(prompt, hide_input=True, prompt_suffix="")
    return token.strip()
