"""Several requests in one prediction: what gathers while a prediction runs is predicted together, and nobody waits
for others to come.

Whoever's turn it is takes along those who wait with tensors of the same names, types and rows, up to a number of rows.
Where the answers cannot be told apart, or the prediction fails, each is predicted alone: a request never answers for
another.
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, TypeAlias

Tensors: TypeAlias = Mapping[str, Any]


@dataclass(eq=False)
class _Waiting:
    """A request, and then its answer or what went wrong."""

    tensors: Tensors
    kind: object
    rows: int
    is_done: bool = False
    answer: Any = None
    error: Exception | None = None


class Batcher:
    """``predict`` takes the place of the model's own. ``turns`` are how many predictions may run at once; ``most`` is
    the rows of one."""

    def __init__(self, predict: Callable[[Tensors], Any], turns: AbstractContextManager[Any], most: int) -> None:
        self._predict, self._turns, self._most = predict, turns, most
        self._waiting: list[_Waiting] = []
        self._lock = threading.Lock()

    def predict(self, tensors: Tensors) -> Any:
        """Raises what the model raises for these tensors alone."""
        mine = _waiting(tensors)
        with self._lock:
            self._waiting.append(mine)
        with self._turns:
            together = self._taken(mine)
            if together:
                self._answer(together)
            elif not mine.is_done:
                self._answer([mine])
        if mine.error is not None:
            raise mine.error
        return mine.answer

    def _taken(self, mine: _Waiting) -> list[_Waiting]:
        """Mine and those that go with it, oldest first; none when somebody took mine along."""
        with self._lock:
            if mine not in self._waiting:
                return []
            taken, rows = [mine], mine.rows
            for each in self._waiting if mine.kind is not None else []:
                if each is not mine and each.kind == mine.kind and rows + each.rows <= self._most:
                    taken.append(each)
                    rows += each.rows
            self._waiting = [each for each in self._waiting if each not in taken]
            return taken

    def _answer(self, taken: Sequence[_Waiting]) -> None:
        if len(taken) > 1:
            try:
                answers = _split(self._predict(_together(taken)), [each.rows for each in taken])
            except Exception:
                answers = None  # Whose fault it is shows when each is alone.
            if answers is not None:
                for each, answer in zip(taken, answers, strict=True):
                    each.answer, each.is_done = answer, True
                return
        for each in taken:
            try:
                each.answer = self._predict(each.tensors)
            except Exception as error:
                each.error = error
            each.is_done = True


def _waiting(tensors: Tensors) -> _Waiting:
    """``kind`` is None for what cannot go with others."""
    shapes = {name: getattr(each, "shape", ()) for name, each in tensors.items()}
    rows = {shape[0] for shape in shapes.values() if shape}
    if len(rows) != 1 or not all(shapes.values()):
        return _Waiting(tensors, None, 0)
    kind = tuple((name, str(tensors[name].dtype), shape[1:]) for name, shape in sorted(shapes.items()))
    return _Waiting(tensors, kind, rows.pop())


def _together(taken: Sequence[_Waiting]) -> Tensors:
    import numpy as np

    return {name: np.concatenate([each.tensors[name] for each in taken]) for name in taken[0].tensors}


def _split(answer: Any, rows: Sequence[int]) -> list[Any] | None:
    """None where an output does not have a row for each that went in."""
    named = dict(answer) if isinstance(answer, Mapping) else {"predict": answer}
    total = sum(rows)
    for each in named.values():
        length = each.shape[0] if getattr(each, "shape", ()) else len(each) if isinstance(each, list) else -1
        if length != total:
            return None
    begins = [sum(rows[:at]) for at in range(len(rows))]
    return [
        {name: each[begin : begin + size] for name, each in named.items()}
        for begin, size in zip(begins, rows, strict=True)
    ]
