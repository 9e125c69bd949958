"""Evaluates the expressions of policies, in CEL, each within EXPRESSION_MS and in a process of its own.

    with Expressions() as expressions:
        said = expressions.evaluate(["facts.metrics.accuracy >= 0.9"], variables)

The library holds the interpreter's lock while it works, so it may not work here. A process is started when it is
first needed and kept; one that takes too long is ended, and the next takes its place. Whatever goes wrong, the answer
is no truth value and a problem, which lets nothing through.
"""

import threading
import time
import weakref
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Final, Self

from budwood.domain.canon import Json
from budwood.domain.limits import EXPRESSION_MS, EXPRESSION_START_S, EXPRESSION_WORKERS, EXPRESSIONS_MS
from budwood.domain.policy.case import Said
from budwood.domain.policy.variables import VARIABLES
from budwood.govern.sight import Unfit, kinds, near, seen, unknown
from budwood.govern.source import BadSource, Source, read_source
from budwood.govern.worker import COMMAND, Answer, Stopped, Worker

MISSING: Final = "Expressions need another package: pip install 'budwood[policies]'."


class Expressions:
    """For many threads at once: as many as EXPRESSION_WORKERS are served, the others wait. Waiting blocks, so on an
    event loop this is called from a thread."""

    def __init__(self, command: Sequence[str] = COMMAND) -> None:
        self._pool = _Pool(command)
        self._end = weakref.finalize(self, self._pool.close)

    def evaluate(self, expressions: Sequence[str], variables: Mapping[str, Json]) -> dict[str, Said]:
        """What each comes to, by its text. Never raises for what an expression or a variable holds."""
        said: dict[str, Said] = {}
        turn = _Turn(self._pool)
        try:
            for expression in dict.fromkeys(expressions):
                said[expression] = _said(turn, expression, variables)
        finally:
            turn.over()
        return said

    def check(self, expression: str) -> str:
        """What is wrong with an expression before it is ever evaluated; "" when nothing is, or the library is not
        there to say."""
        turn = _Turn(self._pool)
        try:
            source = read_source(expression)
            strangers = sorted({path[0] for path in source.reached} - set(VARIABLES))
            answer = turn.ask(source, None)
        except (BadSource, Stopped) as error:
            return str(error)
        finally:
            turn.over()
        if answer is None:
            return ""
        if answer.value is None:
            return _told(answer, source, {})
        return _stranger(strangers[0]) if strangers else ""

    def close(self) -> None:
        """Ends the processes. What is asked afterwards starts new ones."""
        self._pool.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _said(turn: "_Turn", expression: str, variables: Mapping[str, Json]) -> Said:
    try:
        source = read_source(expression)
        answer = turn.ask(source, seen(variables, source.reached))
    except (BadSource, Unfit, Stopped) as error:
        return Said(None, str(error))
    if answer is None:
        return Said(None, MISSING)
    return Said(answer.value, "" if answer.value is not None else _told(answer, source, variables))


def _told(answer: Answer, source: Source, variables: Mapping[str, Json]) -> str:
    """A problem, as a sentence for the person who wrote the expression."""
    what = answer.what
    match answer.problem:
        case "parse":
            return f"It cannot be read: {what}."
        case "unknown" if any(what == path[0] for path in source.reached):
            return unknown(variables, source.reached, what)
        case "unknown":
            return f"There is no function {what}."
        case "field":
            return unknown(variables, source.reached, what)
        case "number":
            return f"It comes to no finite number on the way: {what.rstrip('.')}."
        case "items":
            return f"It makes a list of {what} entries, which is too long (EXPRESSION_ITEMS)."
        case "boolean":
            return f"It comes to {_A_KIND.get(what, 'something else')}, not to true or false."
        case "memory":
            return "It takes more memory than is allowed (EXPRESSION_MEMORY_BYTES)."
        case "types":
            return f"The types do not fit{kinds(variables, source.reached)}."
        case _:
            return f"It cannot be evaluated: {what}"


_A_KIND: Final = {
    "NoneType": "nothing",
    "int": "a whole number",
    "float": "a number",
    "str": "text",
    "list": "a list",
    "dict": "a mapping",
}


def _stranger(name: str) -> str:
    return f"There is no variable {name}.{near(name, VARIABLES) or ' There are ' + ', '.join(VARIABLES) + '.'}"


class _Pool:
    """The processes that wait for work. It knows nothing of who asks, so that it can be ended after them."""

    def __init__(self, command: Sequence[str]) -> None:
        self._command = command
        self._places = threading.BoundedSemaphore(EXPRESSION_WORKERS)
        self._lock = threading.Lock()
        self._idle: list[Worker] = []
        self.without_library = False

    def take(self) -> Worker:
        """A process for one thread. Raises Stopped."""
        if not self._places.acquire(timeout=EXPRESSION_START_S):
            raise Stopped("Too many expressions are being evaluated; try again.")
        try:
            return self._kept() or self.fresh()
        except BaseException:
            self._places.release()
            raise

    def fresh(self) -> Worker:
        """Raises Stopped."""
        try:
            return Worker(self._command)
        except OSError as error:
            raise Stopped(f"No process can be started to evaluate in: {error.strerror}.") from error

    def give_back(self, worker: Worker | None) -> None:
        """None: it was ended. The next one starts now, so that nobody waits for it later."""
        try:
            worker = worker or self.fresh()
            with self._lock:
                self._idle.append(worker)
        except Stopped:
            pass  # Whoever asks next is told.
        finally:
            self._places.release()

    def close(self) -> None:
        with self._lock:
            workers, self._idle = self._idle, []
        for worker in workers:
            worker.close()

    def _kept(self) -> Worker | None:
        """The last one used, if nobody ended it meanwhile."""
        while True:
            with self._lock:
                worker = self._idle.pop() if self._idle else None
            if worker is None or worker.alive():
                return worker
            worker.close()


class _Turn:
    """One caller's use of a process: taken at the first question, replaced when it was ended, given back."""

    def __init__(self, pool: _Pool) -> None:
        self._pool = pool
        self._worker: Worker | None = None
        self._taken = False
        self._left_s = EXPRESSIONS_MS / 1_000

    def ask(self, source: Source, variables: Mapping[str, Json] | None) -> Answer | None:
        """None: the library is not there. Raises Stopped."""
        if self._pool.without_library:
            return None
        if self._left_s <= 0:
            raise Stopped(f"The expressions took longer than {EXPRESSIONS_MS} ms together (EXPRESSIONS_MS).")
        worker = self._ready()
        try:
            if not worker.has_library():
                # It is looked for once; whoever installs it starts the program again.
                self._pool.without_library = True
                return None
            began = time.monotonic()
            try:
                return worker.ask(source, variables, self._left_s)
            finally:
                self._left_s -= min(time.monotonic() - began, EXPRESSION_MS / 1_000)
        except BaseException:
            # Whatever it was at, its next answer could be to this question.
            self._worker = None
            worker.close()
            raise

    def over(self) -> None:
        if self._taken:
            worker, self._worker, self._taken = self._worker, None, False
            self._pool.give_back(worker)

    def _ready(self) -> Worker:
        if not self._taken:
            self._worker = self._pool.take()
            self._taken = True
        elif self._worker is None:
            self._worker = self._pool.fresh()
        assert self._worker is not None
        return self._worker
