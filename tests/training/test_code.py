"""The code that interrupted work depends on: what dvc.yaml declares, without comments and docstrings."""

import shutil

import pytest

from darkroom.base import code
from support.projects import ROOT

STAGES = """
stages:
  train:
    matrix:
      model: ${models}
    cmd: python -m pipeline train ${item.model}
    deps:
      - data/prepared/train
      - runs/${item.model}/best_params.json
      - pipeline/train.py
      - src/darkroom/fit.py
      - src/darkroom/layers
      - networks/${item.model}.py
"""
FIT = '''"""Fits."""

RATE = 0.1
"""Of learning."""


class Fit:
    """Fits more."""

    def step(self, x):
        """Take a step."""
        return x - RATE  # down
'''


@pytest.fixture
def root(tmp_path, monkeypatch):
    """A project with the code of one stage; Darkroom is imported from it."""
    for name, text in {
        "dvc.yaml": STAGES,
        "data/prepared/train": "images",
        "pipeline/train.py": "import darkroom\n",
        "pipeline/evaluate.py": "import darkroom\n",
        "src/darkroom/fit.py": FIT,
        "src/darkroom/pages.py": "WIDTH = 3\n",
        "src/darkroom/layers/dense.py": "UNITS = 3\n",
        "networks/own.py": "LAYERS = 3\n",
        "networks/other.py": "LAYERS = 4\n",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(code, "SOURCES", tmp_path / "src")
    return tmp_path


def digest(root):
    return code.code_digest("train", "own", root)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("  # down", ""),
        ("# down", "# down the slope"),
        ('"""Fits."""\n', ""),
        ('"""Of learning."""', '"""Of all learning."""'),
        ('    """Fits more."""\n', '    """Fits more.\n\n    And more.\n    """\n'),
        ('        """Take a step."""\n', ""),
        ("x - RATE", "(x -\n            RATE)"),
        ("\n\n\nclass", "\n\n\n# What fits.\n\n\nclass"),
    ],
)
def test_comments_formatting_and_docstrings_do_not_count(root, before, after):
    first = digest(root)
    assert before in FIT
    (root / "src/darkroom/fit.py").write_text(FIT.replace(before, after))
    assert digest(root) == first


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("src/darkroom/fit.py", FIT.replace("x - RATE", "x + RATE")),
        ("src/darkroom/fit.py", FIT.replace("0.1", "0.10001")),
        ("src/darkroom/fit.py", FIT.replace("step", "stride")),
        # A text that is used is no docstring.
        ("src/darkroom/fit.py", FIT.replace('"""Of learning."""', 'NAME = """Of learning."""')),
        ("src/darkroom/layers/dense.py", "UNITS = 4\n"),
        ("src/darkroom/layers/deeper/conv.py", "FILTERS = 4\n"),
        ("src/darkroom/layers/table.csv", "a,b\n"),
        ("pipeline/train.py", "import darkroom.fit\n"),
        ("networks/own.py", "LAYERS = 5\n"),
        ("networks/own.py", "LAYERS = \n"),
    ],
)
def test_a_change_of_declared_code_counts(root, file, text):
    first = digest(root)
    (root / file).parent.mkdir(exist_ok=True)
    (root / file).write_text(text)
    assert digest(root) != first


@pytest.mark.parametrize(
    "file",
    [
        "src/darkroom/pages.py",
        "pipeline/evaluate.py",
        "networks/other.py",
        "data/prepared/train",
        "src/darkroom/layers/__pycache__/dense.cpython-311.pyc",
    ],
)
def test_what_is_not_declared_does_not_count(root, file):
    first = digest(root)
    (root / file).parent.mkdir(exist_ok=True)
    (root / file).write_text("CHANGED = 5\n")
    assert digest(root) == first


def test_a_moved_or_removed_file_counts(root):
    digests = {digest(root)}
    (root / "src/darkroom/layers/dense.py").rename(root / "src/darkroom/layers/sparse.py")
    digests.add(digest(root))
    (root / "src/darkroom/layers/sparse.py").unlink()
    digests.add(digest(root))
    assert len(digests) == 3


def test_the_code_is_that_which_is_imported_not_that_beside_dvc_yaml(root, tmp_path, monkeypatch):
    first = digest(root)
    shutil.copytree(root / "src", tmp_path / "installed")
    monkeypatch.setattr(code, "SOURCES", tmp_path / "installed")
    assert digest(root) == first
    (root / "src/darkroom/fit.py").write_text("")
    assert digest(root) == first
    (tmp_path / "installed/darkroom/fit.py").write_text("")
    assert digest(root) != first


@pytest.mark.parametrize("text", [None, "", "stages: {}\n", "stages: [\n", "stages:\n  train:\n    cmd: x\n"])
def test_without_a_declaration_all_of_darkroom_counts(root, text):
    (root / "dvc.yaml").unlink()
    if text is not None:
        (root / "dvc.yaml").write_text(text)
    first = digest(root)
    (root / "src/darkroom/pages.py").write_text("WIDTH = 3  # wide\n")
    assert digest(root) == first
    (root / "src/darkroom/pages.py").write_text("WIDTH = 4\n")
    assert digest(root) != first


@pytest.mark.parametrize("stage", ["search", "train"])
def test_the_real_declaration(stage):
    found = code.declared(stage, "mlp", ROOT)
    assert f"pipeline/{stage}.py" in found
    assert all((ROOT / path).exists() for path in found)
    assert not [path for path in found if "pages" in path or "evaluat" in path or "item.model" in path]
    assert code.code_digest(stage, "mlp", ROOT) != code.code_digest(stage, "lenet5", ROOT)
