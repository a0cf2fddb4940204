"""Results of recipes: a training that was measured is not repeated, also if parameters were added since."""

import json

import pytest

from benchmarks import recipes


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
