"""Results of recipes: none is measured twice, also if parameters were added since; the documentation shows them."""

import json

import pytest

from benchmarks import document, recipes
from support.projects import ROOT


@pytest.fixture
def measure(tmp_path, monkeypatch):
    monkeypatch.setattr(recipes, "RESULTS", tmp_path)

    def of(**changes):
        values = recipes.recipe_values("mnist_cnn", "default", changes)
        return recipes.Plan("fashion_mnist", "mnist_cnn", "default", values, None, None, trial=False)

    plan = of()
    old = plan.described() | {"seed": 0}
    del old["values"]["ema"], old["augmentation"]["mixup"]
    (tmp_path / f"{plan.name()}-0.json").write_text(json.dumps(old))
    return lambda **changes: recipes.run(of(**changes), 0)


def test_a_result_from_before_a_parameter_is_kept(measure):
    found = measure()
    assert "ema" not in found["values"]
    assert "mixup" not in found["augmentation"]


@pytest.mark.parametrize("changes", [{"ema": 0.9}, {"learning_rate": 0.5}, {"augmentation": {"mixup": 0.2}}])
def test_a_result_of_another_recipe_is_refused(measure, changes):
    with pytest.raises(SystemExit, match="another recipe"):
        measure(**changes)


def test_the_documentation_shows_the_results(capsys, monkeypatch):
    monkeypatch.setattr(document.figures, "curves", lambda *_: None)
    document.main()
    printed = capsys.readouterr().out.replace("cifar10", "CIFAR-10").replace("fashion_mnist", "Fashion-MNIST")
    rows = [line.replace(" correct at ", " at ") for line in printed.splitlines() if line.startswith("| `")]
    assert rows
    shown = (ROOT / "docs/networks.md").read_text(encoding="utf-8").splitlines()
    assert [row for row in rows if row not in shown] == []
