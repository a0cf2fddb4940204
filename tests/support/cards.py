"""Model cards of a few drawn predictions."""

import numpy as np
from PIL import Image

from darkroom.base.files import write_json, write_text
from darkroom.drift import training_data
from darkroom.evaluation import scores, slices
from darkroom.evaluation.metrics import evaluate, scores_table
from darkroom.evaluation.scored import score
from darkroom.promotion.model_card import Card
from darkroom.reporting.results import Report


def write_report(folder, labels=("cat", "<b>dog</b>"), count=20, figure=(4, 4)):
    """Write what evaluation writes of some images, two of them mistakes; figures are of the given width and height."""
    truth = np.arange(count) % len(labels)
    answered = truth.copy()
    answered[:2] = (answered[:2] + 1) % len(labels)
    probabilities = np.eye(len(labels), dtype=np.float32)[answered] * 0.8 + np.float32(0.2 / len(labels))
    answers = scores.Predictions(truth, probabilities)
    metrics = evaluate(answers, labels, 0)
    write_json(folder / "metrics.json", metrics.as_json())
    scored = score(answers, np.arange(count))
    write_text(folder / "scores.csv", scores_table(scored, labels).to_csv(index=False))
    dark = slices.Slice("brightness", "up to 3", truth == 0)
    table = slices.slices_table(answers, [dark], np.arange(count))
    write_text(folder / "slices.csv", table.to_csv(index=False))
    write_json(folder / "diagnosis.json", {"verdict": "good fit", "reason": "few errors", "advice": "more data"})
    for file in Report(folder).pictures():
        Image.new("RGB", figure).save(file)
    return Report(folder)


def card(report, **more):
    values = {
        "title": "mlp, darkroom version 3",
        "outcome": "promote",
        "reason": "it is better",
        "use": {"intended use": "sorting pets", "owner": ""},
        "data": {"digest": "abc", "images": {"train": 5, "test": 2}},
        "drift": training_data.no_comparison("this is the first version"),
        "report": report,
        "findings": [{"rule": "better", "passed": True, "text": "p 0.01"}],
        "cost": {"seconds": 1.23456},
        "lineage": {"git commit": "f00"},
        "values": {"epochs": "3"},
    }
    return Card(**{**values, **more})
