"""House rules that need only the source text: lengths, documentation, where numbers and files live."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "bitcell_sim"
MODULES = sorted(PACKAGE.rglob("*.py"))
MODULE_LINES_LIMIT = 400
FUNCTION_LINES_LIMIT = 70

Function = ast.FunctionDef | ast.AsyncFunctionDef
Documented = Function | ast.ClassDef


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def functions(tree: ast.AST) -> Iterator[Function]:
    return (node for node in ast.walk(tree) if isinstance(node, Function))


def public_definitions(body: list[ast.stmt], prefix: str = "") -> Iterator[tuple[str, Documented]]:
    """Functions and classes of a module, and the methods of its classes, whose names say that others may use them."""
    for node in body:
        if isinstance(node, Documented) and not node.name.startswith("_"):
            yield prefix + node.name, node
            if isinstance(node, ast.ClassDef):
                yield from public_definitions(node.body, f"{prefix}{node.name}.")


def exported(tree: ast.Module) -> set[str]:
    """Names in the module's ``__all__``; empty where it has none."""
    for node in tree.body:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        if any(isinstance(target, ast.Name) and target.id == "__all__" for target in targets):
            return set(ast.literal_eval(node.value))  # type: ignore[attr-defined]
    return set()


def argument_names(function: Function) -> list[str]:
    spec = function.args
    names = [argument.arg for argument in [*spec.posonlyargs, *spec.args, *spec.kwonlyargs]]
    return [name for name in names if name not in {"self", "cls"} and not name.startswith("_")]


def documented_parameters(docstring: str) -> set[str]:
    """Names described in a numpydoc ``Parameters`` section."""
    match = re.search(r"^Parameters\n-{10}\n(.*?)(?=^\S[^\n]*\n-{3,}$|\Z)", docstring, re.MULTILINE | re.DOTALL)
    if match is None:
        return set()
    heads = re.findall(r"^(\*{0,2}\w[^\n:]*?)(?: :[^\n]*)?$", match[1], re.MULTILINE)
    return {name.strip().lstrip("*") for head in heads for name in head.split(",")}


@pytest.fixture(scope="module")
def trees() -> dict[str, ast.Module]:
    return {name_of(path): ast.parse(path.read_text(encoding="utf-8"), filename=str(path)) for path in MODULES}


def test_there_are_modules() -> None:
    assert "bitcell_sim/__init__.py" in map(name_of, MODULES)


def test_modules_are_short() -> None:
    lengths = {name_of(path): len(path.read_text(encoding="utf-8").splitlines()) for path in MODULES}
    long = {name: length for name, length in lengths.items() if length >= MODULE_LINES_LIMIT}
    assert not long, f"split before {MODULE_LINES_LIMIT} lines: {long}"


def test_functions_are_short(trees: dict[str, ast.Module]) -> None:
    long = {
        f"{name}:{node.lineno} {node.name}": length
        for name, tree in trees.items()
        for node in functions(tree)
        if (length := (node.end_lineno or node.lineno) - node.lineno + 1) >= FUNCTION_LINES_LIMIT
    }
    assert not long, f"split before {FUNCTION_LINES_LIMIT} lines: {long}"


def test_public_things_say_what_they_are(trees: dict[str, ast.Module]) -> None:
    silent = [name for name, tree in trees.items() if tree.body and not ast.get_docstring(tree)]
    for name, tree in trees.items():
        for qualified, node in public_definitions(tree.body):
            first_line = (ast.get_docstring(node) or "").partition("\n")[0].strip()
            if not re.search(r"\w+ \w+", first_line):
                silent.append(f"{name}:{node.lineno} {qualified}: {first_line!r}")
    assert not silent, "\n".join(["a docstring's first line is missing or says nothing:", *silent])


def test_docstrings_do_not_repeat_the_name(trees: dict[str, ast.Module]) -> None:
    echoes = []
    for name, tree in trees.items():
        for qualified, node in public_definitions(tree.body):
            first_line = (ast.get_docstring(node) or "").partition("\n")[0]
            words = re.findall(r"[a-z]+", first_line.lower())
            if words and "".join(words).removeprefix("the") == re.sub(r"[^a-z]", "", node.name.lower()):
                echoes.append(f"{name}:{node.lineno} {qualified}: {first_line!r}")
    assert not echoes, "\n".join(["the docstring only repeats the name:", *echoes])


def test_exported_functions_document_their_parameters(trees: dict[str, ast.Module]) -> None:
    faults = []
    for name, tree in trees.items():
        names = exported(tree)
        for node in tree.body:
            if isinstance(node, Function) and node.name in names:
                missing = set(argument_names(node)) - documented_parameters(ast.get_docstring(node) or "")
                if missing:
                    faults.append(f"{name}:{node.lineno} {node.name}: {', '.join(sorted(missing))}")
    assert not faults, "\n".join(["not described under Parameters:", *faults])


def test_documented_parameters_reads_numpydoc() -> None:
    docstring = """Do it.

Parameters
----------
a, b : int
    Two.
**rest : str
    More: words.
plain
    One.

Returns
-------
int
    c : d
"""
    assert documented_parameters(docstring) == {"a", "b", "rest", "plain"}
    assert documented_parameters("Do it.") == set()


def test_exported_reads_both_forms() -> None:
    assert exported(ast.parse('__all__ = ["a", "b"]')) == {"a", "b"}
    assert exported(ast.parse('__all__: list[str] = ["a"]')) == {"a"}
    assert exported(ast.parse("x = 1")) == set()


def test_models_hold_no_python() -> None:
    """Numbers only; an editable install could not map Python files inside ``models/`` either."""
    assert not list((ROOT / "models").rglob("*.py"))
