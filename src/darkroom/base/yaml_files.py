"""Read YAML files of people: limited in size, depth and in what aliases repeat."""

import io
import warnings
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.composer import Composer, MaxDepthExceededError
from ruamel.yaml.error import MarkedYAMLError, ReusedAnchorWarning, YAMLError
from ruamel.yaml.nodes import CollectionNode, Node

from darkroom.base.errors import InputError
from darkroom.base.failures import first_line
from darkroom.base.files import read_limited

MAXIMUM_BYTES = 2**16  # of params.yaml
MAXIMUM_LOCK_BYTES = 2**24  # of dvc.lock and dvc.yaml, which DVC writes or many networks fill
MAXIMUM_DEPTH = 50  # nested mappings and lists
MAXIMUM_VALUES = 100_000  # with aliases written out
MAXIMUM_DIGITS = 19  # of a whole number, as of 64 bits
INTEGER = "tag:yaml.org,2002:int"


def read_yaml(path: str | Path, most: int = MAXIMUM_BYTES) -> Any:
    """Read a YAML file; see ``parse_yaml``.

    Args:
        path: the file.
        most: maximum size in bytes.

    Raises:
        InputError: it cannot be read, or see ``parse_yaml``.
    """
    try:
        content = read_limited(path, most)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); restore the file from git") from None
    return parse_yaml(content, str(path))


def parse_yaml(content: str | bytes, name: str, advice: str = "correct the file") -> Any:
    """Parse one document of YAML 1.2.

    DVC does so too, and both see the same values: ``1e-3`` is a number, ``no`` a string.

    Args:
        content: the text, in UTF-8.
        name: the file that it comes from, for the error message.
        advice: the end of the error message.

    Raises:
        InputError: the text is not valid YAML, or exceeds ``MAXIMUM_DEPTH`` or ``MAXIMUM_VALUES``; with its line.
    """
    yaml = YAML(typ="safe", pure=True)
    yaml.max_depth = MAXIMUM_DEPTH
    yaml.Composer = _BoundedComposer
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ReusedAnchorWarning)
            return yaml.load(io.StringIO(content.decode() if isinstance(content, bytes) else content))
    except (YAMLError, ValueError, TypeError, AttributeError, LookupError, AssertionError, RecursionError) as error:
        # The constructors of dates and numbers raise ValueError; damaged tags and directives the others.
        marked = error if isinstance(error, MarkedYAMLError) else None
        where = f", line {marked.problem_mark.line + 1}" if marked and marked.problem_mark else ""
        what = marked.problem if marked and marked.problem else first_line(error)
        if isinstance(error, MaxDepthExceededError):
            what = f"more than {MAXIMUM_DEPTH} nested levels"
        raise InputError(f"{name}{where}: invalid YAML ({what}); {advice}") from None


def require_readable_by_dvc(path: str | Path) -> None:
    """Check that DVC reads a file that ``read_yaml`` reads.

    DVC's parser in C refuses, for example, a colon in an unquoted value within braces or brackets.

    Raises:
        InputError: DVC cannot read it; with the line.
    """
    try:
        YAML(typ="safe").load(Path(path).read_bytes())
    except MarkedYAMLError as error:
        where = f", line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise InputError(f"{path}{where}: DVC cannot read this ({error.problem}); quote the value") from None


class _BoundedComposer(Composer):
    """Reject documents that grow when their aliases are written out, and numbers that no library can hold."""

    def compose_document(self) -> Any:
        """Compose the document and count its values."""
        root = super().compose_document()
        count = _written_out(root, {})
        if count > MAXIMUM_VALUES:
            raise _refused(root, f"{count:,} values with its aliases written out; at most {MAXIMUM_VALUES:,} are read")
        return root


def _written_out(node: Node, counted: dict[int, int | None]) -> int:
    """Count the values of a node, those of an alias each time that it occurs.

    Args:
        node: root of the document or part of it.
        counted: the result for each node by its id; None for those that are being counted. Updated.
    """
    if id(node) in counted:
        known = counted[id(node)]
        if known is None:
            raise _refused(node, "a value that contains itself")
        return known
    counted[id(node)] = None
    count = 1
    if node.tag == INTEGER and len(node.value) > MAXIMUM_DIGITS:
        raise _refused(
            node, f"a whole number of {len(node.value):,} signs; at most {MAXIMUM_DIGITS} are read, quote it as a text"
        )
    if isinstance(node, CollectionNode):
        for value in node.value:
            count += sum(_written_out(each, counted) for each in (value if isinstance(value, tuple) else (value,)))
    counted[id(node)] = count
    return count


def _refused(node: Node, problem: str) -> MarkedYAMLError:
    return MarkedYAMLError(problem=problem, problem_mark=node.start_mark)
