"""What ``budwood --help`` lists: every command in a line, by what somebody is about to do."""

from collections.abc import Mapping
from typing import Any, Final

from typer.core import TyperGroup

SECTIONS: Final[Mapping[str, Mapping[str, str]]] = {
    "Versions": {
        "push": "keep files as a new version",
        "pull": "get a version, a file or a tensor back, verified",
        "tag": "put tags beside a version",
        "retire": "say that a version must not be used any more",
        "delete": "remove a version for ever",
        "import": "take in a bundle, or all that an MLflow server holds",
        "export": "write a bundle, manifests for a cluster, or into MLflow",
    },
    "Looking": {
        "list": "models, their newest versions, aliases and stages",
        "search": "versions of all models, by what is known of them",
        "show": "one version: what it is and where it came from",
        "log": "a model's versions as a family tree",
        "diff": "what changed between two versions",
        "trace": "where a version came from",
        "impact": "what was made from it, and serves somebody now",
        "ledger": "every change of state, oldest first",
        "stats": "what the registry holds and what it takes",
        "usage": "what namespaces hold, beside their quotas",
    },
    "Releasing": {
        "alias": "point a name at a version",
        "stage": "put a version in a stage, such as production",
        "roll-back": "return an alias or stage to where it pointed before",
        "promotion": "ask for a guarded stage or alias; approve, reject",
        "policy": "what must hold before a version gets there",
        "standard": "the facts that versions must bring",
        "evaluate": "run your evaluation and keep what it measured",
        "evidence": "results about a version, by somebody",
    },
    "Serving": {
        "serve-model": "serve versions over HTTP (Open Inference Protocol)",
        "endpoint": "where traffic for a model arrives, and how it is split",
        "rollout": "canary, shadow, A/B and switch, back by itself",
        "gateway": "this machine's gateway, which answers clients",
        "which": "which version answered a request, and what it was",
        "serving": "what an endpoint served at a moment",
    },
    "Proving": {
        "scan": "look for code that loading would run",
        "sign": "sign a version's files",
        "verify-signature": "check a signature with a public key",
        "key": "whose signatures a namespace trusts",
        "audit": "prove that nobody rewrote the ledger",
        "card": "a model card from what is recorded",
        "bom": "a bill of materials",
        "dossier": "all that is known of a version, signed",
        "dataset": "data, as versions that models point at",
        "lineage": "lineage that other programs tell (OpenLineage)",
        "reproduce": "all it takes to make a version again, checked",
    },
    "Keeping": {
        "cache": "blocks that pulls left on this machine",
        "verify": "check that everything is what it claims to be; mend",
        "sweep": "free what no version needs",
        "tier": "hot, warm and cold storage, and what it costs",
        "retention": "how long the bytes of versions are kept",
        "hold": "legal holds: nothing under one is removed",
        "backup": "a copy of catalog and packs, while all goes on",
        "restore": "a registry from a backup",
        "rebuild-index": "the block index anew, from the packs",
        "db": "the database's schema, and bringing it up to date",
    },
    "A team's server": {
        "serve": "serve the registry over HTTP",
        "login": "keep a token for a server",
        "logout": "forget it",
        "whoami": "who the server knows you as, and what you may do",
        "namespace": "rooms for teams, each with a quota",
        "person": "people and service accounts",
        "group": "groups of people",
        "grant": "who has which role where",
        "token": "make, list and revoke tokens",
        "trust": "CI jobs and pods that may come without a token",
        "webhook": "who is told of what happens",
    },
}


class Overview(TyperGroup):
    """The program itself; its commands say more with ``--help`` behind them."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        width = max(map(len, self.commands))
        for title, commands in SECTIONS.items():
            with formatter.section(title):
                formatter.write_dl([(name.ljust(width), text) for name, text in commands.items()])
