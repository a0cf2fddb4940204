"""The packaged classifier answers sets and unknown as evaluation computes them; without calibration it has neither."""

import json

import numpy as np
import pytest

from darkroom.evaluation import known
from darkroom.inference.classifier import Classifier
from darkroom.inference.neighbours import Neighbours
from darkroom.networks import inference, reference
from darkroom.params import EvaluateParams
from support.networks import build
from support.trainings import split

DESCRIPTION = {"labels": ["a", "b"], "size": [28, 28, 1], "interpolation": "bicubic", "aspect": "stretch"}
VIEWS = [[], ["horizontal_flip"], ["crops", "horizontal_flip"]]


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A network with random weights, large enough for sure and unsure answers, and its reference."""
    folder = tmp_path_factory.mktemp("saved")
    model = build("lenet5", (28, 28, 1), 2)
    generator = np.random.default_rng(0)
    model.set_weights([weight + generator.normal(0, 0.1, weight.shape) for weight in model.get_weights()])
    model.save(folder / "network.keras")
    reference.of_training(model, split(60), 0, 2000)[1].save(folder / "network.reference.npz")
    return folder


def calibrated(folder, views, **asked):
    """Return what evaluation finds, and the packaged classifier."""
    sample = reference.Reference.read(folder / "network.reference.npz")
    show = known.Shown(inference.load(folder / "network.keras"), sample.layer, views)
    test = split(40, 100)
    found, images = show(test.images), known.Calibration(test.classes, np.arange(40))
    sets = known.prediction_sets(found, images, asked.get("coverage", 0.9)).packaged
    unknown = known.Strangers(sample, 0.05).calibrate(found, images, show).packaged
    described = {**DESCRIPTION, "test_time_augmentation": views, "prediction_sets": sets, "unknown": unknown}
    (folder / "dataset.json").write_text(json.dumps(described))
    files = [folder / name for name in ("network.keras", "dataset.json", "network.reference.npz")]
    return found, (sets, unknown, sample), Classifier.load(*files)


@pytest.mark.slow
@pytest.mark.parametrize("views", VIEWS)
def test_evaluation_and_the_packaged_classifier_agree(saved, views):
    found, (sets, unknown, sample), classifier = calibrated(saved, views)
    images = list(split(40, 100).images)
    scores = Neighbours(sample.features).scores(found.features)
    answers = classifier.predict(images)
    for answer, row, score in zip(answers, found.probabilities, scores, strict=True):
        assert list(answer["probabilities"].values()) == pytest.approx(row, abs=1e-5)
        assert answer["unknown_score"] == pytest.approx(score, abs=1e-5)
        assert answer["unknown"] == (score > unknown["above"])
        expected = {label for label, p in zip("ab", row, strict=True) if p >= sets["least_probability"]}
        assert set(answer["set"]) == expected
        assert answer["set"][:1] in ([], [answer["label"]])
    # The images of the calibration itself, whatever the last digits are.
    labels = ["ab"[number] for number in split(40, 100).classes]
    assert np.mean([label in answer["set"] for label, answer in zip(labels, answers, strict=True)]) >= 0.9
    assert np.mean([answer["unknown"] for answer in answers]) <= 0.05
    assert len({tuple(answer["set"]) for answer in answers}) > 1
    (one,) = classifier.predict(images[0])
    assert one["unknown_score"] == pytest.approx(answers[0]["unknown_score"], abs=1e-5)


def test_answers_are_json(saved):
    _, _, classifier = calibrated(saved, [])
    answers = classifier.predict(list(split(3).images))
    assert json.loads(json.dumps(answers, allow_nan=False)) == answers


def test_too_few_images_are_said_in_the_answer(saved):
    network, sample = inference.load(saved / "network.keras"), saved / "network.reference.npz"
    sets = {"coverage": 0.9, "least_probability": 0.0}
    described = {**DESCRIPTION, "prediction_sets": sets, "unknown": {"layer": "output", "above": None}}
    (saved / "few.json").write_text(json.dumps(described))
    (answer,) = Classifier.load(saved / "network.keras", saved / "few.json", sample).predict(split(1).images[0])
    assert set(answer["set"]) == {"a", "b"}
    assert answer["unknown"] is None
    assert 0 <= answer["unknown_score"] <= 2
    # Models of earlier versions, and those without calibration.
    (plain,) = Classifier(network, DESCRIPTION).predict(split(1).images[0])
    assert set(plain) == {"label", "probabilities"}
    assert plain["probabilities"] == pytest.approx(answer["probabilities"], abs=1e-6)


def test_parameters_are_checked():
    assert (EvaluateParams().coverage, EvaluateParams().unknown_false_alarms) == (0.9, 0.05)
    assert EvaluateParams(coverage=None, unknown_false_alarms=None).coverage is None
    for wrong in ({"coverage": 1.0}, {"coverage": 0.2}, {"unknown_false_alarms": 0.0}, {"unknown_false_alarms": 0.7}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            EvaluateParams(**wrong)
