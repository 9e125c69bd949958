"""The shape of the source: sizes, docstrings, annotations, and acts that are kept to one place."""

import ast
from collections.abc import Iterator
from typing import Any

import pytest

FILE_LINES = 600
FUNCTION_LINES = 60

# What may be longer, and why. A name here that is no longer too long fails the test, so the list only shrinks.
LONG_FILES: dict[str, str] = {}
LONG_FUNCTIONS: dict[str, str] = {}

Function = ast.FunctionDef | ast.AsyncFunctionDef


def functions(tree: ast.AST, prefix: str = "") -> Iterator[tuple[str, Function]]:
    """Every function with its dotted name, those inside classes and functions too."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, Function):
            yield prefix + node.name, node
            yield from functions(node, f"{prefix}{node.name}.")
        elif isinstance(node, ast.ClassDef):
            yield from functions(node, f"{prefix}{node.name}.")
        else:
            yield from functions(node, prefix)


def calls(tree: ast.AST) -> Iterator[str]:
    """The dotted name of everything that is called."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func) if isinstance(node.func, ast.Name | ast.Attribute) else ""


def test_no_file_is_longer_than_a_sitting(modules: list[Any]) -> None:
    long = {module.name for module in modules if module.text.count("\n") > FILE_LINES}
    assert long == set(LONG_FILES)


def test_no_function_is_longer_than_a_screen(modules: list[Any]) -> None:
    long = {
        f"{module.name}:{name}"
        for module in modules
        for name, node in functions(module.tree)
        if (node.end_lineno or node.lineno) - node.lineno + 1 > FUNCTION_LINES
    }
    assert long == set(LONG_FUNCTIONS)


def test_every_module_says_what_it_is_for(modules: list[Any]) -> None:
    silent = [m.name for m in modules if m.text.strip() and not (ast.get_docstring(m.tree) or "").strip()]
    assert silent == []


def test_every_function_is_annotated(modules: list[Any]) -> None:
    bare = [
        f"{module.name}:{name}"
        for module in modules
        for name, node in functions(module.tree)
        if node.returns is None or any(argument.annotation is None for argument in arguments(node))
    ]
    assert bare == []


def arguments(node: Function) -> Iterator[ast.arg]:
    """Those that need an annotation: all but self and cls."""
    listed = [*node.args.posonlyargs, *node.args.args]
    first = [argument for argument in listed[:1] if argument.arg not in ("self", "cls")]
    rest = [argument for argument in (node.args.vararg, node.args.kwarg) if argument is not None]
    yield from [*first, *listed[1:], *node.args.kwonlyargs, *rest]


# Besides the command line, this may print, and why:
MAY_PRINT = {
    "store/formats/_hdf5_child.py": "its output is the reply to the process that started it",
    "verifier/budwood_verify.py": "it is a program of its own, for auditors who have nothing else",
}


def test_only_the_command_line_prints(modules: list[Any]) -> None:
    talkers = {
        module.name
        for module in modules
        if module.room != "cli"
        and any(name == "print" or name.startswith(("sys.stdout", "sys.stderr")) for name in calls(module.tree))
    }
    assert talkers == set(MAY_PRINT)


def test_only_config_reads_the_environment(modules: list[Any]) -> None:
    readers = {
        module.name
        for module in modules
        for node in ast.walk(module.tree)
        if (isinstance(node, ast.Attribute) and node.attr in {"environ", "environb", "getenv"})
        or (isinstance(node, ast.ImportFrom) and node.module == "os" and {a.name for a in node.names} & {"environ"})
    }
    assert readers == {"config.py"}


RUNS_WHAT_IT_READS = {
    "eval", "exec", "compile", "__import__", "pickle.load", "pickle.loads", "pickle.Unpickler", "torch.load",
    "joblib.load", "marshal.load", "marshal.loads", "yaml.load", "yaml.unsafe_load", "yaml.full_load",
    "shelve.open", "numpy.load", "np.load", "os.system", "os.popen",
}  # fmt: skip


# What looks like one of them and is not, or is one where it may be, and why:
HARMLESS = {
    "store/formats/yamls.py calls yaml.load": "with a SafeLoader that also counts aliases",
    "delivery/serving/inside/runtimes.py calls pickle.load": "to serve it, in its own process, scanned or trusted",
    "delivery/serving/inside/runtimes.py calls joblib.load": "the same",
}


def test_nothing_that_is_read_is_ever_run(modules: list[Any]) -> None:
    dangerous = {
        f"{module.name} calls {name}"
        for module in modules
        for name in calls(module.tree)
        if name in RUNS_WHAT_IT_READS or name.endswith((".Unpickler", ".allow_pickle"))
    }
    assert dangerous == set(HARMLESS)


CLOCKS_AND_CHANCE = {
    "time.time", "time.time_ns", "datetime.now", "datetime.utcnow", "datetime.datetime.now", "date.today",
    "uuid.uuid4", "uuid.uuid1", "uuid4", "os.urandom", "random.random", "random.Random", "Random", "secrets.token_hex",
    "secrets.token_bytes", "secrets.randbits",
}  # fmt: skip
# Rooms below wiring are given the time and their ids. These ask themselves, and why:
MAY_ASK = {
    "store/testing.py": "a conformance suite draws its sizes from a fixed seed",
    "catalog/testing_index.py": "the same, for rows and queries",
}


def test_time_and_chance_are_passed_in(modules: list[Any]) -> None:
    askers = {
        module.name
        for module in modules
        if module.room not in ("cli", "wiring") and CLOCKS_AND_CHANCE & set(calls(module.tree))
    }
    assert askers == set(MAY_ASK)


@pytest.mark.parametrize("ending", ["Manager", "Helper", "Util", "Utils", "Handler", "Processor", "Data", "Info"])
def test_no_class_hides_behind_an_empty_word(modules: list[Any], ending: str) -> None:
    empty = [
        f"{module.name}:{node.name}"
        for module in modules
        for node in ast.walk(module.tree)
        if isinstance(node, ast.ClassDef) and node.name.endswith(ending) and node.name not in NAMED_BY_OTHERS
    ]
    assert empty == []


NAMED_BY_OTHERS = {"StoredObject"}  # the word every object store uses
