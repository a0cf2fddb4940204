"""NaN is no probability: it becomes neither a class nor a score."""

from pathlib import Path

import numpy as np
import pytest

from darkroom.base.errors import DarkroomError
from darkroom.networks import inference
from darkroom.serving import predict
from support.networks import build


class Model:
    """A packaged model that answers one image with something else than numbers."""

    def __init__(self, value):
        self._value = value

    def predict(self, content, params):  # noqa: ARG002
        return [
            {"label": "a", "probabilities": {"a": self._value if one == b"bad" else 0.75, "b": 0.25}} for one in content
        ]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_an_image_without_numbers_has_no_prediction_and_the_others_have(tmp_path, monkeypatch, value):
    monkeypatch.chdir(tmp_path)
    for name in ("good", "bad"):
        Path(name).write_bytes(name.encode())
    good, bad = predict.predict_files(Model(value), [Path("good"), Path("bad")], 0.0)
    assert good.output["label"] == "a"
    assert bad.output is None
    assert bad.error.startswith("the network's output is not a number")
    assert "nan" not in predict.render([good, bad], "json").lower()


def damaged(value, where):
    """Return a network with one weight replaced."""
    model = build("mlp", (8, 8, 1), 2)
    weights = model.get_weights()
    weights[where].flat[0] = value
    model.set_weights(weights)
    return model


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize(("where", "layer"), [(0, "fc1"), (1, "fc1"), (-1, "output")])
def test_a_network_with_damaged_weights_is_not_loaded(tmp_path, value, where, layer):
    damaged(value, where).save(tmp_path / "mlp.keras")
    with pytest.raises(DarkroomError, match=rf"^mlp: layer {layer} has weights that are not numbers"):
        inference.load(tmp_path / "mlp.keras")


@pytest.mark.slow
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_outputs_that_are_not_numbers_are_no_first_class(value):
    model = damaged(value, -1)
    images = np.random.default_rng(0).integers(0, 256, (5, 8, 8, 1), np.uint8)
    with pytest.raises(DarkroomError, match=r"^mlp: the output for 5 of 5 images is not a number"):
        inference.probabilities(model, images)
    with pytest.raises(DarkroomError, match=r"^mlp: the output for 5 of 5 images is not a number"):
        inference.with_constant_weights(model)(images)
