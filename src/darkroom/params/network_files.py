"""Find, import and check network files: ``networks/NAME.py`` in the project's root defines the network NAME."""

import ast
import difflib
import inspect
import json
import re
import traceback
from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any

from pydantic import AfterValidator, ValidationError

from darkroom.base.errors import InputError
from darkroom.base.failures import of_machine
from darkroom.params.network import NetworkParams

PACKAGE = "darkroom.networks"
FOLDER = Path(__file__).resolve().parents[3] / "networks"
"""The folder in the checkout that contains this module."""
PACKAGE_MODULES = frozenset(path.stem for path in (Path(__file__).parents[1] / "networks").glob("*.py"))
SECTION_KEYS = frozenset(
    {
        *("seed", "strategy"),
        *("budget", "epochs", "sampler", "pruner", "executor", "workers", "ray", "storage"),
    }
)
"""Keys of ``train`` and ``search`` that are not networks."""
REPORT_FOLDERS = frozenset({"comparison", "data_docs", "drift"})
"""Folders in ``reports/`` that are not networks."""
PUBLISHED = re.compile(r"^PUBLISHED_PARAMETERS\b", re.MULTILINE)
NAME = re.compile(r"[a-z][a-z0-9_]*", re.IGNORECASE)
MAXIMUM_MESSAGE = 300
"""Longest text of another library's error that is shown, in characters."""
Recipes = Mapping[str, Mapping[str, Any]]
Space = Mapping[str, Mapping[str, Mapping[str, Any]]]
"""A search space as in params.yaml: group, parameter, then ``low`` and ``high``, or ``choices``."""


def names() -> tuple[str, ...]:
    """Return the names of all networks in alphabetical order."""
    return tuple(sorted(path.stem for path in FOLDER.glob("*.py") if _rejection(path.stem) is None))


def is_documented(name: str) -> bool:
    """Whether a network's file states its published size, which tests compare with the built network."""
    return file_of(name).is_file() and PUBLISHED.search(file_of(name).read_text(encoding="utf-8")) is not None


def file_of(name: str) -> Path:
    """Return the path of a network's file."""
    return FOLDER / f"{name}.py"


def _rejection(name: str) -> str | None:
    """Return why a file of this name is not a network; None if it is one."""
    if not NAME.fullmatch(name):
        return "use letters, digits and _, starting with a letter"
    # A module of the same name would hide a name that the package exports.
    offered = import_module(PACKAGE).__all__
    if name in PACKAGE_MODULES | SECTION_KEYS | REPORT_FOLDERS or name in offered:
        return f"{name} is reserved by Darkroom"
    return None


def explain_unknown(name: str) -> str:
    """Return the rest of a message about a name that is not a network's: what it should be."""
    if file_of(name).is_file() and (why := _rejection(name)):
        return f"should be a valid network name ({why}); rename networks/{name}.py"
    known = names()
    if close := difflib.get_close_matches(name, known, n=1):
        return f"should name a file in networks/; did you mean '{close[0]}'?"
    return f"should name a file in networks/, which has {', '.join(known) or 'none'}"


def _known(name: str) -> str:
    if name not in names():
        raise ValueError(explain_unknown(name))
    return name


Network = Annotated[str, AfterValidator(_known)]
"""A network's name; validation fails unless ``networks/`` has its file."""


def load(name: str) -> ModuleType:
    """Import and check a network's file.

    Raises:
        InputError: the file does not exist, cannot be imported, or is incomplete; with the line if known.
    """
    if name not in names():
        raise InputError(f"{name} {explain_unknown(name)}")
    try:
        module = import_module(f"{PACKAGE}.{name}")
    except Exception as error:  # importing runs the user's file, so any error of it is the user's
        if of_machine(error):
            raise
        raise InputError(f"{error_location(name, error)}: {describe_error(error)}; correct the file") from error
    for line, fault in _problems(name, module):
        raise InputError(f"{location(name, line)}: {fault}")
    return module


def location(name: str, line: int | None = None) -> str:
    """Format a location in a network's file for messages."""
    return f"networks/{name}.py, line {line}" if line else f"networks/{name}.py"


def error_location(name: str, error: BaseException) -> str:
    """Return the innermost location in a network's file from an error's traceback."""
    own = file_of(name)
    if isinstance(error, SyntaxError) and error.filename and Path(error.filename) == own:
        return location(name, error.lineno)
    frames = traceback.walk_tb(error.__traceback__)
    lines = [line for frame, line in frames if Path(frame.f_code.co_filename) == own]
    return location(name, lines[-1] if lines else None)


def describe_error(error: BaseException) -> str:
    """Return an error's type and message on one line, without colour codes, truncated to ``MAXIMUM_MESSAGE``."""
    if isinstance(error, InputError):
        return str(error)
    text = " ".join(re.sub(r"\x1b\[[0-9;]*m", "", str(error)).split())
    return f"{type(error).__name__}: {text[:MAXIMUM_MESSAGE]}{'…' if len(text) > MAXIMUM_MESSAGE else ''}".removesuffix(
        ": "
    )


def _problems(name: str, module: ModuleType) -> Iterator[tuple[int | None, str]]:
    """Yield what is wrong with a network's file: line and message."""
    yield from _imports(name)
    kind = getattr(module, "Params", None)
    if kind is None:
        yield 1, "class Params(NetworkParams) is missing; add it with the network's parameters, or with pass"
    elif not (isinstance(kind, type) and issubclass(kind, NetworkParams)):
        yield line_of(kind), "Params is not a subclass of NetworkParams; write class Params(NetworkParams)"
    elif fault := _defaults(kind):
        yield line_of(kind), f"class Params: {fault}"
    recipes = getattr(module, "RECIPES", {})
    if not (isinstance(recipes, Mapping) and all(isinstance(each, Mapping) for each in recipes.values())):
        yield 1, 'RECIPES should map recipe names to parameter values, as in {"mine": {"epochs": 5}}'
    build = getattr(module, "build", None)
    if build is None:
        yield 1, "build is missing; add def build(inputs, classes, params) that returns the last layer's output"
        return
    try:
        inspect.signature(build).bind(None, 2, None)
    except (TypeError, ValueError):
        yield line_of(build), "build should accept inputs, classes, params; write def build(inputs, classes, params)"


def line_of(thing: Any) -> int:
    """Return the line on which a function or class begins; 1 if unknown."""
    try:
        return inspect.getsourcelines(thing)[1]
    except (OSError, TypeError):
        return 1


def _imports(name: str) -> Iterator[tuple[int, str]]:
    """Yield imports of other network files: DVC tracks a network's own file only."""
    for node in ast.walk(ast.parse(file_of(name).read_bytes())):
        if isinstance(node, ast.ImportFrom):
            whole = ".".join(filter(None, [PACKAGE if node.level else "", node.module]))
            imported = [whole, *(f"{whole}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Import):
            imported = [alias.name for alias in node.names]
        else:
            continue
        for module in imported:
            other = module.removeprefix(f"{PACKAGE}.").removeprefix("networks.").partition(".")[0]
            if other != module and other not in PACKAGE_MODULES and file_of(other).is_file():
                yield (
                    node.lineno,
                    f"imports networks/{other}.py, a dependency that DVC does not track; copy what is needed from it",
                )


def _defaults(kind: type[NetworkParams]) -> str | None:
    """Return what is wrong with the defaults of a network's own parameters, which pydantic does not validate."""
    own = {field: of for field, of in kind.model_fields.items() if field not in NetworkParams.model_fields}
    for field, of in own.items():
        if of.is_required():
            return f"{field} has no default; add one, as in {field}: Units = 64"
    try:
        made = kind()
        # Through JSON, as for params.yaml.
        kind.model_validate_json(json.dumps(made.model_dump(mode="json", include=set(own))))
    except ValidationError as error:
        finding = error.errors(include_url=False)[0]
        field = ".".join(map(str, finding["loc"]))
        message = finding["msg"].removeprefix("Value error, ")
        return f"{field}: invalid default {finding['input']!r}; {message}" if field else message
    return None


class _ParamsClasses(Mapping[str, type[NetworkParams]]):
    """Maps network names to parameter classes; a network's file is imported on access."""

    def __getitem__(self, name: str) -> type[NetworkParams]:
        if name not in names():
            raise KeyError(name)
        kind: type[NetworkParams] = load(name).Params
        return kind

    def __iter__(self) -> Iterator[str]:
        return iter(names())

    def __len__(self) -> int:
        return len(names())


PARAMS: Mapping[str, type[NetworkParams]] = _ParamsClasses()
"""The parameter class of each network, which validates ``train.<network>``."""


def default_space(name: str) -> Space:
    """Return a network's default search space, used unless params.yaml has one."""
    space: Space = getattr(load(name), "SPACE", {})
    return space
