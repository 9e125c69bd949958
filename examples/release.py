"""The tour's second half: three classifiers are kept and served, and traffic moves to them on evidence.

    python -m examples.release [FOLDER]   alone; 'python3 run.py tour' runs it after the first half

They tell benign tumours from malignant ones by thirty measurements (the Wisconsin data that scikit-learn brings). One
request in four lacks a measurement, as they do. The second version is better than the first and is promoted. The third
forgot what to do when a measurement is missing: it looks as good on paper, fails on real requests, and is sent back.
"""

import itertools
import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import budwood as registries

SEED, CLIENTS, WAIT_S = 7, 4, 120.0
LACKS_ONE_IN = 4
PLAN = """\
apiVersion: budwood.dev/v1
kind: Rollout
metadata: {name: quick}
spec:
  steps:
    - {canary: 10%, samples: 40}
    - {canary: 50%, samples: 200}
  guardrails:
    - {watch: errors}
    - {watch: sample-ratio}
  proof: false
  silence: 30s
"""


def release() -> None:
    """In the folder we are in, which has a budwood.toml. Raises CalledProcessError, TimeoutError."""
    missing = next((name for name in ("envoy", "grpc", "uvicorn") if not is_there(name)), "")
    rows = train()
    if missing:
        print(f"\nThe rest needs {missing}, which is not installed here: pip install 'budwood[gateway,server]'.")
        return
    with ExitStack() as stack:
        say("Each is served by a process of its own; the first is the baseline of an endpoint, and answers everything.")
        stack.enter_context(running("serve-model", *(f"tumours@v{n}" for n in (1, 2, 3)), "--endpoint", "tumours"))
        say("A gateway carries the traffic, and the registry tells it what to do.")
        control, listen = free_port(), free_port()
        stack.enter_context(running("serve", "--port", str(free_port()), "--control-port", str(control)))
        # The gateway's sockets lie in its folder, and a socket's path may not be long.
        place = ("--folder", stack.enter_context(TemporaryDirectory(prefix="budwood-")))
        stop = [sys.executable, "-m", "budwood", "gateway", "stop", *place]
        stack.callback(subprocess.run, stop, capture_output=True)
        budwood("gateway", "start", "--control", f"127.0.0.1:{control}", "--listen", f"127.0.0.1:{listen}", *place)
        clients = Clients(f"http://127.0.0.1:{listen}/predict/tumours", rows)
        clients.wait_until_answered()
        Path("quick.yaml").write_text(PLAN)

        say(f"Version 2 gets a tenth of the traffic, then half of it: {CLIENTS} clients ask all the while.")
        roll_out("2.0.0", clients)
        say("Version 3 looked just as good. It is sent back as soon as its errors cannot be chance.")
        roll_out("3.0.0", clients)
        say("What serves now? And which version was it that answered one of the requests that failed?")
        budwood("endpoint", "show", "tumours")
        budwood("which", clients.failed[0])


def is_there(library: str) -> bool:
    """Whether it can be imported."""
    try:
        import_module(library)
    except ImportError:
        return False
    return True


def train() -> list[list[float]]:
    """Three versions, pushed. The measurements that nobody learned from, to ask with."""
    from sklearn.datasets import load_breast_cancer
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import train_test_split
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.tree import DecisionTreeClassifier
    from skops.io import dump

    say("Three classifiers of tumours, by scikit-learn. The third was trained on complete rows only.")
    table, answers = load_breast_cancer(return_X_y=True)
    learn_x, test_x, learn_y, test_y = train_test_split(table, answers, test_size=0.3, random_state=SEED)
    made = (
        ("1.0.0", "A decision tree", make_pipeline(SimpleImputer(), DecisionTreeClassifier(random_state=SEED))),
        ("2.0.0", "A regression", make_pipeline(SimpleImputer(), StandardScaler(), LogisticRegression())),
        ("3.0.0", "The same, in fewer steps", make_pipeline(StandardScaler(), LogisticRegression())),
    )
    for label, message, model in made:
        accuracy = model.fit(learn_x, learn_y).score(test_x, test_y)
        folder = Path(f"tumours-{label}")
        folder.mkdir()
        dump(model, folder / "model.skops")
        budwood("push", str(folder), "tumours", "--label", label, "--metric", f"accuracy={accuracy:.3f}",
                "--message", message)  # fmt: skip
    budwood("alias", "tumours@1.0.0", "champion")
    rows: list[list[float]] = test_x.tolist()
    return rows


def roll_out(label: str, clients: "Clients") -> None:
    """Start it, ask until it has ended, and show it."""
    budwood("rollout", "start", "tumours", f"tumours@{label}", "--plan", "quick.yaml", "--alias", "champion")
    with registries.connect(create=False) as registry:

        def ended() -> bool:
            return registry.rollouts.show("tumours").rollout.ended_ms > 0

        asked, failed, seconds = clients.ask_until(ended)
    print(f"\n{asked:,} requests in {seconds:.1f} s; {failed:,} of them failed.")
    budwood("rollout", "show", "tumours")


@dataclass
class Clients:
    """They ask one row after the other. ``failed`` are the ids of requests that a version failed on."""

    url: str
    rows: list[list[float]]
    failed: list[str] = field(default_factory=list)

    def wait_until_answered(self) -> None:
        """Raises TimeoutError."""
        until = time.monotonic() + WAIT_S
        while self._ask(1) != 200:
            if time.monotonic() > until:
                raise TimeoutError(f"{self.url} does not answer.")
            time.sleep(0.05)
        self.failed.clear()

    def ask_until(self, ended: Any) -> tuple[int, int, float]:
        """How many asked, how many failed, seconds. Raises TimeoutError."""
        began, counter, before = time.monotonic(), itertools.count(), len(self.failed)
        stop = threading.Event()

        def work() -> None:
            while not stop.is_set():
                self._ask(next(counter))

        threads = [threading.Thread(target=work) for _ in range(CLIENTS)]
        for thread in threads:
            thread.start()
        try:
            while not ended():
                if time.monotonic() - began > WAIT_S:
                    raise TimeoutError("The rollout did not end.")
                time.sleep(0.1)
        finally:
            stop.set()
            for thread in threads:
                thread.join()
        return next(counter), len(self.failed) - before, time.monotonic() - began

    def _ask(self, number: int) -> int:
        row: list[float | None] = list(self.rows[number % len(self.rows)])
        if number % LACKS_ONE_IN == 0:
            row[number % len(row)] = None
        tensor = {"name": "measurements", "shape": [1, len(row)], "datatype": "FP64", "data": row}
        body = json.dumps({"inputs": [tensor]}).encode()
        request = urllib.request.Request(self.url, body, {"content-type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                answer.read()
                return int(answer.status)
        except urllib.error.HTTPError as error:
            if "x-budwood-version" in error.headers:
                self.failed.append(error.headers["x-request-id"])
            error.close()
            return error.code
        except OSError:
            return 0


@contextmanager
def running(*words: str) -> Iterator[None]:
    """A command that goes on in the background; it has begun when it has said its first line."""
    print(f"\n$ budwood {shlex.join(words)} &", flush=True)
    with (
        Path(f"{words[0]}.log").open("ab") as log,
        subprocess.Popen([sys.executable, "-m", "budwood", *words], stdout=subprocess.PIPE, stderr=log) as program,
    ):
        try:
            assert program.stdout is not None
            line = program.stdout.readline().decode()
            if not line:
                print(Path(log.name).read_text(), file=sys.stderr)
                raise subprocess.CalledProcessError(program.wait() or 1, words[0])
            print(line, end="", flush=True)
            yield
        finally:
            program.send_signal(signal.SIGTERM)
            program.wait(WAIT_S)


def free_port() -> int:
    """One that nobody listens at now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def say(text: str) -> None:
    """What comes next."""
    print(f"\n--- {text}", flush=True)


def budwood(*words: str) -> None:
    """Print a command and run it. Raises CalledProcessError."""
    print(f"\n$ budwood {shlex.join(words)}", flush=True)
    subprocess.run([sys.executable, "-m", "budwood", *words], check=True)


if __name__ == "__main__":
    home = Path(sys.argv[1] if len(sys.argv) > 1 else "release")
    home.mkdir(parents=True)
    (home / "budwood.toml").write_text('registry = "registry"\n')
    os.chdir(home)
    release()
