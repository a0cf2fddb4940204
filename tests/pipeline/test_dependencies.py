"""DVC does not follow imports: the code dependencies of each stage are compared with what it imports."""

import ast
from functools import cache
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from darkroom.maintenance import restore

ROOT = Path(__file__).resolve().parents[2]
STAGES = YAML(typ="safe").load((ROOT / "dvc.yaml").read_text())["stages"]
OWN = {"darkroom": ROOT / "src", "pipeline": ROOT}
LAUNCHER = "pipeline/__main__.py"
NETWORK = "networks/${item.model}.py"
NETWORKS = {path.stem for path in (ROOT / "networks").glob("*.py")}


def path_of(module):
    """The file of one of our modules, or None."""
    top = module.split(".")[0]
    if top not in OWN:
        return None
    base = OWN[top] / module.replace(".", "/")
    return next((path for path in (base.with_suffix(".py"), base / "__init__.py") if path.is_file()), None)


def package_of(path):
    inside = path.relative_to(ROOT / "src") if (ROOT / "src") in path.parents else path.relative_to(ROOT)
    return inside.parent.as_posix().replace("/", ".")


@cache
def imports(path):
    """The files of ours that a file imports, at its top or inside a function, with the packages they lie in."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            package = package_of(path).split(".")
            base = ".".join(package[: len(package) - node.level + 1]) if node.level else ""
            module = ".".join(filter(None, [base, node.module or ""]))
            names = [module, *(f"{module}.{alias.name}" for alias in node.names)]
        else:
            continue
        for name in names:
            parts = name.split(".")
            found |= {path_of(".".join(parts[:number])) for number in range(1, len(parts) + 1)}
    return frozenset(found - {None})


def closure(*files):
    found, todo = set(), list(files)
    while todo:
        path = todo.pop()
        if path not in found:
            found.add(path)
            todo.extend(imports(path))
    return found


def code_deps(stage):
    roots = ("pipeline/", "src/", "networks")
    return {dep for dep in STAGES[stage]["deps"] if isinstance(dep, str) and dep.startswith(roots)}


def is_empty(path):
    """A package's ``__init__`` that holds nothing but its docstring."""
    return all(isinstance(node, ast.Expr) for node in ast.parse(path.read_text()).body)


def covered(path, deps):
    relative = path.relative_to(ROOT).as_posix()
    return any(relative == dep or relative.startswith(f"{dep}/") for dep in deps)


@pytest.mark.parametrize("stage", STAGES)
def test_code_dependencies_are_what_a_stage_imports(stage):
    deps = code_deps(stage)
    assert {LAUNCHER, f"pipeline/{stage}.py"} <= deps
    needed = {path for path in closure(ROOT / LAUNCHER, ROOT / f"pipeline/{stage}.py") if not is_empty(path)}
    assert {path.relative_to(ROOT).as_posix() for path in needed if not covered(path, deps)} == set()
    # And nothing is declared that the stage does not import.
    idle = {dep for dep in deps if not dep.startswith("networks") and not any(covered(path, {dep}) for path in needed)}
    assert idle == set()


def test_folders_alone_are_declared():
    for stage in STAGES:
        files = {dep for dep in code_deps(stage) if dep.endswith(".py")}
        assert files <= {LAUNCHER, f"pipeline/{stage}.py", NETWORK}


def test_stages_that_build_a_network_depend_on_its_file():
    # The first loads a trained network, the second one with ImageNet weights; no file in networks/ has a part in it.
    without = {"evaluate", "describe"}
    for stage in STAGES:
        builds = any(path.name == "building.py" for path in closure(ROOT / f"pipeline/{stage}.py"))
        assert not builds or {NETWORK, "networks"} & code_deps(stage) or stage in without


@pytest.mark.parametrize("network", sorted(NETWORKS))
def test_a_network_imports_no_other_network(network):
    text = (ROOT / f"networks/{network}.py").read_text()
    imported = {name for path in imports(ROOT / f"networks/{network}.py") for name in [path.stem]}
    assert not imported & (NETWORKS - {network}), text


def test_recording_is_outside_of_training():
    """Packaging, reports, figures and queries do not retrain."""
    outside = ("reporting", "registry", "inference", "evaluation", "promotion", "serving", "maintenance", "cli")
    for stage in ("search", "train"):
        assert not {f"src/darkroom/{name}" for name in outside} & code_deps(stage)


def test_the_test_split_is_read_by_evaluation_and_promotion_alone():
    readers = {stage for stage, of in STAGES.items() if "data/prepared/test" in of["deps"]}
    assert readers == {"evaluate", "promote"}


def test_what_a_run_is_restored_from_is_pulled_by_its_stages():
    described, *named = restore.targets_of("mlp")
    stages = [STAGES[name.removesuffix("@mlp")] for name in named]
    outputs = [out for stage in stages for part in ("outs", "plots") for out in stage.get(part, ())]
    pulled = {(out if isinstance(out, str) else next(iter(out))).replace("${item.model}", "mlp") for out in outputs}
    everything = "".join(f"path: {name}\n" for name in pulled)
    assert set(restore.outputs_of("mlp", everything)) == {described, *pulled}


def test_dvc_yaml_is_short():
    assert len((ROOT / "dvc.yaml").read_text().splitlines()) <= 240
