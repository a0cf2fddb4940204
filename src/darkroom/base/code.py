"""Digest of the code that a stage depends on. Interrupted work is resumed only if the digest is unchanged.

dvc.yaml lists a stage's files and folders below ``src``, ``pipeline`` and ``networks``. Python files are compared by
syntax tree: comments, formatting and docstrings do not count.
"""

import ast
import hashlib
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path

import darkroom
from darkroom.base.errors import InputError
from darkroom.base.yaml_files import MAXIMUM_LOCK_BYTES, read_yaml

CODE = ("src", "pipeline", "networks")
"""Project folders that contain code."""
SOURCES = Path(darkroom.__file__).resolve().parents[1]
"""The folder that this process imports Darkroom from, used for ``src``; it may be outside the project."""
WHOLE = ("src/darkroom",)
"""The dependencies of a stage that dvc.yaml does not declare."""


def code_digest(stage: str, network: str, root: Path) -> str:
    """Return the digest of the code that a stage depends on.

    Args:
        stage: its name in dvc.yaml, without the network.
        network: replaces ``${item.model}``.
        root: the folder that contains dvc.yaml.
    """
    return digest_of(declared(stage, network, root), root)


def declared(stage: str, network: str, root: Path) -> tuple[str, ...]:
    """Return the code dependencies of a stage in dvc.yaml, in alphabetical order.

    If dvc.yaml is missing, unreadable or lacks the stage, all of Darkroom is returned: too many dependencies only
    restart work unnecessarily, too few would resume it with weights from different code.
    """
    try:
        stages = read_yaml(root / "dvc.yaml", MAXIMUM_LOCK_BYTES)["stages"]
        named = [str(dep).replace("${item.model}", network) for dep in stages[stage]["deps"]]
    except (InputError, KeyError, TypeError):
        return WHOLE
    return tuple(sorted(dep for dep in named if dep.partition("/")[0] in CODE)) or WHOLE


def digest_of(paths: Iterable[str], root: Path) -> str:
    """Return the SHA-256 digest of code, ignoring comments, formatting and docstrings.

    Args:
        paths: files and folders from ``declared``.
        root: the folder that the paths are relative to, except those below ``src``, see ``SOURCES``.
    """
    digest = hashlib.sha256()
    for path in paths:
        place = SOURCES / path.removeprefix("src/") if path.startswith("src/") else root / path
        for file in _files(place):
            name = f"{path}/{file.relative_to(place).as_posix()}"
            digest.update(f"{name}\0{_relevant_content(file)}\0".encode())
    return digest.hexdigest()


def _files(place: Path) -> Iterator[Path]:
    """Yield a file, or all files below a folder except compiled ones; nothing if the path does not exist."""
    if place.is_file():
        yield place
        return
    yield from sorted(
        file for file in place.rglob("*") if file.is_file() and "__pycache__" not in file.relative_to(place).parts
    )


def _relevant_content(file: Path) -> str:
    """Return a digest of the content that can affect results: the syntax tree of Python files, all of others."""
    content = file.read_bytes()
    return _digest_of_syntax(content) if file.suffix == ".py" else hashlib.sha256(content).hexdigest()


@lru_cache(1024)
def _digest_of_syntax(content: bytes) -> str:
    """Return a digest of a program's syntax tree; cached, as a process may train often and its code rarely changes."""
    try:
        relevant = ast.dump(_WithoutDocstrings().visit(ast.parse(content))).encode()
    except (SyntaxError, ValueError):
        relevant = content
    return hashlib.sha256(relevant).hexdigest()


class _WithoutDocstrings(ast.NodeTransformer):
    """Removes docstrings of modules, classes, functions and attributes: statements that are string literals."""

    def visit_Expr(self, node: ast.Expr) -> ast.Expr | None:
        """Drop the statement if it is a string literal."""
        return None if isinstance(node.value, ast.Constant) and isinstance(node.value.value, str) else node
