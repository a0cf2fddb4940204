"""DVC does not follow imports: every module that a stage's script can reach must stand in that stage's deps."""

import ast
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from darkroom.networks import NETWORKS

ROOT = Path(__file__).resolve().parents[1]
STAGES = YAML(typ="safe").load((ROOT / "dvc.yaml").read_text())["stages"]
BY_NAME = "src/darkroom/models/${item.model}.py"  # darkroom.models imports the network that it is asked for

SHARED = "src/darkroom/models/layers.py"  # what any of them imports


def path_of(module):
    """The file of a module of ours, or None."""
    base = ROOT / ("src" if module.startswith("darkroom") else "") / module.replace(".", "/")
    return next((path for path in (base.with_suffix(".py"), base / "__init__.py") if path.is_file()), None)


def imports(path):
    """The modules of ours that a file imports, at its top or inside a function."""
    package = path.relative_to(ROOT / "src").parent.as_posix().replace("/", ".") if "src" in path.parts else ""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            module = ".".join(filter(None, [package if node.level else "", node.module or ""]))
            names = [module, *(f"{module}.{alias.name}" for alias in node.names)]
        else:
            continue
        yield from (name for name in names if name.split(".")[0] in {"darkroom", "pipeline"} and path_of(name))


def closure(script):
    found, todo = set(), [script]
    while todo:
        path = todo.pop()
        if path not in found:
            found.add(path)
            todo.extend(path_of(name) for name in imports(path))
    return {path.relative_to(ROOT).as_posix() for path in found}


def code_deps(stage):
    return {dep for dep in STAGES[stage]["deps"] if dep.endswith(".py")}


@pytest.mark.parametrize("stage", STAGES)
def test_deps_are_the_import_closure(stage):
    needed = closure(ROOT / "pipeline" / f"{stage}.py")
    if "src/darkroom/models/__init__.py" in needed:
        needed |= {BY_NAME, SHARED} | closure(ROOT / SHARED)
    if "src/darkroom/tracking.py" in needed and stage == "train":
        # Copied into the packaged model.
        needed |= {f"src/darkroom/{name}.py" for name in ("charts", "packaged_model", "serving")}
    # Importing a module runs its package first.
    needed.add("src/darkroom/__init__.py")
    only_words = {"src/darkroom/stages/__init__.py"}
    assert code_deps(stage) == needed - only_words


def test_networks_are_modules():
    modules = {path.stem for path in (ROOT / "src/darkroom/models").glob("*.py")} - {"__init__", "layers"}
    assert modules == set(NETWORKS)


def test_networks_import_no_other_network():
    for network in NETWORKS:
        assert closure(ROOT / f"src/darkroom/models/{network}.py") <= {
            f"src/darkroom/models/{network}.py",
            *code_deps("train"),
        }


def test_the_test_split_is_read_by_evaluation_and_promotion_alone():
    readers = {stage for stage, of in STAGES.items() if any(dep.startswith("data/prepared/test") for dep in of["deps"])}
    assert readers == {"evaluate", "promote"}
