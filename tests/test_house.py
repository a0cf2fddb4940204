"""Limits of size: files of at most 300 lines, functions with bodies of at most 50 lines and at most 7 parameters."""

import ast
import subprocess
import sys

import pytest

from support.projects import ROOT

PACKAGES = sorted(path.parent for path in (ROOT / "src/darkroom").rglob("__init__.py"))
FILES = sorted(
    path for folder in ("src", "pipeline", "networks", "benchmarks") for path in (ROOT / folder).rglob("*.py")
)


def functions(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def body_lines(function):
    body = function.body[1:] if ast.get_docstring(function) and len(function.body) > 1 else function.body
    return body[-1].end_lineno - body[0].lineno + 1


def parameters(function):
    arguments = function.args
    named = [each.arg for each in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)]
    return len([name for name in named if name not in {"self", "cls"}])


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_files_and_functions_are_small(path):
    assert len(path.read_text().splitlines()) <= 300
    assert [each.name for each in functions(path) if body_lines(each) > 50 or parameters(each) > 7] == []


def test_half_of_the_files_have_at_most_120_lines():
    lengths = sorted(len(path.read_text().splitlines()) for path in FILES)
    assert lengths[len(lengths) // 2] <= 120


@pytest.mark.parametrize(
    "package", sorted({path.parent for path in FILES if ROOT / "src" in path.parents}), ids=lambda path: path.name
)
def test_every_package_says_what_it_offers(package):
    assert ast.get_docstring(ast.parse((package / "__init__.py").read_text()))


def test_every_folder_of_code_is_a_package():
    assert {path.parent for path in FILES if ROOT / "src/darkroom" in path.parents} == set(PACKAGES)


@pytest.mark.slow
def test_tests_that_seldom_run_have_their_fixtures():
    command = [sys.executable, "-m", "pytest", "--setup-plan", "-q", "-n", "0", "-p", "no:cacheprovider"]
    seldom = ["-m", "servers or thorough or large"]
    done = subprocess.run([*command, *seldom, "tests"], check=False, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-2000:]
