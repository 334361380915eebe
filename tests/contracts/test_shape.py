"""The shape of the code: functions of one screen, shallow, and words for everything that others use."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY

PACKAGE = REPOSITORY / "gan_lab"
FILES = sorted(PACKAGE.rglob("*.py"))

MOST_LINES = 40  # of a function, its docstring included
MOST_LINES_OF_A_FILE = 400
DEEPEST = 3

Function = ast.FunctionDef | ast.AsyncFunctionDef
BLOCKS = (
    ast.If,
    ast.For,
    ast.AsyncFor,
    ast.While,
    ast.With,
    ast.AsyncWith,
    ast.Try,
    ast.TryStar,
    ast.Match,
)


def functions(node: ast.AST) -> Iterator[Function]:
    for each in ast.walk(node):
        if isinstance(each, Function):
            yield each


def lines_of(function: Function) -> int:
    """From `def` to the end."""
    assert function.end_lineno is not None
    return function.end_lineno - function.lineno + 1


def depth_of(node: ast.AST) -> int:
    """How many blocks lie inside each other; `elif` is as deep as its `if`, a function in a function begins anew."""
    deepest = 0
    for child in ast.iter_child_nodes(node):
        if isinstance(child, Function | ast.Lambda | ast.ClassDef):
            continue
        step = isinstance(child, BLOCKS) and not is_elif(node, child)
        deepest = max(deepest, step + depth_of(child))
    return deepest


def is_elif(parent: ast.AST, child: ast.AST) -> bool:
    return isinstance(parent, ast.If) and isinstance(child, ast.If) and parent.orelse == [child]


def public(node: ast.AST, prefix: str = "") -> Iterator[tuple[str, ast.AST]]:
    """Public classes, functions and methods of a module, with their names."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.ClassDef | Function) and not child.name.startswith("_"):
            yield f"{prefix}{child.name}", child
            if isinstance(child, ast.ClassDef):
                yield from public(child, f"{child.name}.")


def is_described_elsewhere(node: ast.AST) -> bool:
    """A setter, or what a base class has described."""
    marks = {ast.unparse(mark).rpartition(".")[2] for mark in getattr(node, "decorator_list", [])}
    return bool(marks & {"setter", "override"})


def place(file: Path) -> str:
    return file.relative_to(REPOSITORY).as_posix()


@pytest.mark.parametrize("what", [lines_of, depth_of])
def test_functions_are_short_and_shallow(what):
    most = MOST_LINES if what is lines_of else DEEPEST
    found = {
        f"{place(file)}:{function.name}": count
        for file in FILES
        for function in functions(ast.parse(file.read_text()))
        if (count := what(function)) > most
    }
    assert not found, f"{what.__name__} of at most {most}"


def test_files_are_short():
    long = {
        place(f): n for f in FILES if (n := len(f.read_text().splitlines())) > MOST_LINES_OF_A_FILE
    }
    assert not long


def test_public_objects_say_what_they_are():
    silent = [
        f"{place(file)}:{name}"
        for file in FILES
        for name, node in public(ast.parse(file.read_text()))
        if not ast.get_docstring(node) and not is_described_elsewhere(node)
    ]
    assert not silent


def test_the_counts_count():
    """Each count on a function that has too much of it."""
    source = "def f():\n" + "    x = 1\n" * 40
    assert lines_of(next(functions(ast.parse(source)))) == 41
    deep = "def f():\n if a:\n  b\n elif c:\n  for d in e:\n   with g:\n    while h:\n     pass\n"
    assert depth_of(next(functions(ast.parse(deep)))) == 4
    assert [
        name
        for name, _ in public(ast.parse("class A:\n    def b(self): pass\n    def _c(self): pass"))
    ] == ["A", "A.b"]
