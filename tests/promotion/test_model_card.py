"""The page of a model: all that is known is on it, and what is not known is said."""

import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

from darkroom.base.files import read_record, write_json, write_text
from darkroom.drift import training_data
from darkroom.evaluation import scores
from darkroom.evaluation.metrics import evaluate, scores_table
from darkroom.evaluation.scored import score
from darkroom.promotion.model_card import page
from darkroom.reporting.results import Report
from darkroom.tracking import records
from support.cards import card, write_report


class Reader(HTMLParser):
    """Collects text, and notes what is loaded from elsewhere or never closed."""

    def __init__(self):
        super().__init__()
        self.words, self.elsewhere = [], []

    def handle_starttag(self, tag, attributes):
        for name, value in attributes:
            if name in {"src", "href"} and not value.startswith(("data:", "#")):
                self.elsewhere.append(value)
        assert tag != "script"
        self.handle_endtag(tag)

    def handle_endtag(self, tag):
        # Parts of a sentence stand in these.
        if tag not in {"bdi", "span"}:
            self.words.append(" ")

    def handle_data(self, data):
        self.words.append(data)


def read(text):
    reader = Reader()
    reader.feed(text)
    return " ".join("".join(reader.words).split()), reader.elsewhere


@pytest.fixture
def report(tmp_path):
    return write_report(tmp_path)


def test_all_that_is_known_is_on_the_page(report):
    text = page(card(report))
    words, elsewhere = read(text)
    assert elsewhere == []
    assert len(re.findall("data:image/png;base64", text)) == len(report.pictures())
    for expected in (
        *("mlp, darkroom version 3", "Promoted", "it is better", "sorting pets", "p 0.01", "abc", "train: 5, test: 2"),
        *("top-1 accuracy 0.9000 (", "largest class 0.5000", "accuracy without them 0.9000"),
        *("0.9000 (", "Good fit", "few errors", "brightness", "up to 3", "1.235", "f00", "epochs", "Python"),
    ):
        assert expected in words, expected


def test_labels_that_the_audit_doubts_come_first_in_what_to_do(report):
    words, _ = read(page(card(report, labels_to_check="look at the 3 likely label errors")))
    assert words.index("Next: look at the 3 likely label errors.") < words.index("Next: more data.")


def test_what_is_not_known_is_said(report, tmp_path):
    words, _ = read(page(card(report)))
    assert "Not stated yet: owner." in words
    # It comes last, and the result first.
    assert words.index("Not stated yet") > words.index("Python")
    assert "mlp is right on 90.0 % of 20 test images (95 % interval" in words[: words.index("Promoted")]
    assert "Not stated yet" not in read(page(card(report, use={"owner": "me"})))[0]
    assert "human accuracy not stated" in words
    empty = tmp_path / "empty"
    words, _ = read(page(card(Report(empty), findings=[], outcome="keep")))
    assert "Not promoted" in words
    assert "no diagnosis available" in words
    assert "Most confident mistakes: no image" in words
    assert words.count("not measured") == 3
    assert "Not evaluated yet." in words


def test_runs_are_short_in_what_was_decided(report):
    words, _ = read(page(card(report, reason=f"run {'1f' * 16} is better")))
    assert "run 1f1f1f1f is better" in words
    assert "1f" * 16 not in words


@pytest.mark.parametrize("unverified", [1, 2, 3])
def test_test_images_that_may_not_be_clean_are_counted(report, unverified):
    line = "test images not known to be clean"
    assert line not in read(page(card(report)))[0]
    answers = scores.Predictions(np.arange(20) % 2, np.eye(2, dtype=np.float32)[np.arange(20) % 2])
    metrics = evaluate(answers, ("cat", "dog"), 0, unverified=np.arange(20) < unverified)
    write_json(report.folder / "metrics.json", metrics.as_json())
    assert re.search(rf"{line}\s+{unverified}\b", read(page(card(report)))[0])


def test_what_was_asked_and_measured_of_sets_is_shown(report):
    assert "Prediction sets" not in read(page(card(report)))[0]
    measured = {"coverage_asked": 0.9, "coverage": 0.91, "coverage_low": 0.88, "coverage_high": 0.94, "set_size": 1.2}
    metrics = {**read_record(report.metrics), **measured, "empty_sets": 0.02}
    write_json(report.metrics, metrics)
    words = " ".join(read(page(card(report)))[0].split())
    assert "coverage of prediction sets, measured 0.9100 (0.8800 to 0.9400)" in words
    assert "false alarms" not in words
    told = {"unknown_false_alarms_asked": 0.05, "unknown_noise_caught": 0.99}
    told |= {f"unknown_false_alarms{end}": value for end, value in (("", 0.04), ("_low", 0.02), ("_high", 0.06))}
    write_json(report.metrics, {**metrics, **told})
    words = " ".join(read(page(card(report)))[0].split())
    assert "false alarms of unknown images, measured 0.0400 (0.0200 to 0.0600)" in words
    assert "noise, recognised as unknown 0.9900" in words
    write_json(report.metrics, {"coverage_asked": 0.95, "set_size": 3.0, "unknown_false_alarms_asked": 0.05})
    words = " ".join(read(page(card(report)))[0].split())
    assert "coverage of prediction sets, measured not known: too few" in words
    assert "false alarms of unknown images, measured not known: too few" in words


def test_an_interval_of_too_few_groups_is_not_known(report):
    answers = scores.Predictions(np.array([0, 0, 1, 1]), np.eye(2, dtype=np.float32)[[0, 0, 1, 0]])
    table = scores_table(score(answers, np.arange(4)), ("cat", "dog"))
    write_text(report.scores, table.to_csv(index=False))
    write_text(report.slices, "of,value,images,accuracy,low,high\nmode,L,3,0.6667,,\n")
    assert "accuracy,,0.75,,\n" in report.scores.read_text()
    words, _ = read(page(card(report)))
    assert "0.7500 (not known)" in words
    assert "0.6667 (not known)" in words
    assert "nan" not in words
    # With one class only, there is no ranking.
    answers = scores.Predictions(np.zeros(6, dtype=np.int64), np.full((6, 2), [0.9, 0.1], dtype=np.float32))
    write_text(report.scores, scores_table(score(answers, np.arange(6)), ("cat", "dog")).to_csv(index=False))
    assert re.search(r"area under the ROC curve\s+not known", read(page(card(report)))[0])


def test_names_are_words_and_not_code(report):
    text = page(card(report, reason="<script>alert(1)</script>", title="a & b"))
    assert "<script>" not in text
    assert "<b>dog" not in text
    assert "<b>dog</b>" in read(text)[0]


def known(seed, brightness=100.0, share=0.5, images=200, of="version 1", digest=None, colours=(0, 0, 0)):
    """What a run keeps of training data with such a brightness and share of cats."""
    generator = np.random.default_rng(seed)
    mean = generator.normal(brightness, 10, images)
    # Of grey images all channels are equal.
    varied = generator.normal(0, 5, (3, images)) * any(colours)
    manifest = pd.DataFrame(
        {
            "sha256": [f"{seed:x}{number:060x}" for number in range(images)],
            "label": np.where(generator.random(images) < share, "cat", "dog"),
            "pixel_mean": mean,
            "pixel_deviation": generator.normal(40, 5, images),
            **{name: mean + a + b for name, a, b in zip(("red", "green", "blue"), colours, varied, strict=True)},
            "width": 24,
            "height": 24,
            "cluster": range(images),
        }
    )
    return training_data.TrainingData(
        of, digest or f"d{seed}", frozenset(manifest["sha256"]), records.sample_statistics(manifest)
    )


def test_drift_of_the_training_data_is_found_and_named():
    assert training_data.compare(known(1), known(2), 0).drifted == []
    assert training_data.compare(known(1), known(2, brightness=110), 0).drifted == ["brightness"]
    assert training_data.compare(known(1), known(2, share=0.8), 0).drifted == ["labels"]
    found = training_data.compare(known(1), known(2), 0)
    assert [outcome.test for outcome in found.outcomes] == ["labels", "brightness", "contrast", "width", "height"]
    assert found == training_data.compare(known(1), known(2), 0)


def test_the_level_of_the_documentation():
    assert training_data.LEVEL == 0.01


def test_equal_digests_are_equal_data_unless_they_are_unknown():
    same, unknown = (known(1, digest=digest) for digest in ("d", "unknown"))
    assert (same_data := training_data.compare(same, same, 0)).outcomes == ()
    assert same_data.verdict == "No drift: these are the same images, labels and splits."
    assert not same_data.skipped
    found = training_data.compare(unknown, known(2, digest="unknown"), 0)
    assert found.verdict == "No drift in 5 tests."
    assert not found.skipped


def test_what_is_known_of_the_images_is_counted():
    one, other = known(1), known(2, images=150)
    moved = replace(other, images=other.images | set(sorted(one.images)[:30]))
    facts = training_data.compare(one, moved, 0).facts
    assert facts["training images then and now"] == "200 and 180"
    assert facts["the same, new, gone"] == "30 / 150 / 170"
    assert list(training_data.compare(replace(one, images=frozenset()), other, 0).facts) == [
        "compared with",
        "its data digest",
    ]


@pytest.mark.parametrize(("images", "skipped"), [(19, True), (20, False)])
def test_twenty_training_images_are_enough(images, skipped):
    for pair in ((known(1, images=images), known(2)), (known(1), known(2, images=images))):
        assert training_data.compare(*pair, 0).skipped == skipped
    assert training_data.compare(known(1), replace(known(2), sample=None), 0).skipped
    assert training_data.no_comparison("it is the first").skipped


def test_swapped_colours_of_the_training_data_are_drift():
    before, swapped, less_green = (
        known(1, colours=(4, 0, -4)),
        known(2, colours=(-4, 0, 4)),
        known(2, colours=(4, -6, -4)),
    )
    found = training_data.compare(before, swapped, 0)
    tests = ["labels", "brightness", "contrast", "width", "height", "warmth", "tint"]
    assert [outcome.test for outcome in found.outcomes] == tests
    assert found.drifted == ["warmth"]
    assert training_data.compare(before, less_green, 0).drifted == ["tint"]
    assert "warmth" in training_data.compare(before, known(2), 0).drifted
    assert training_data.compare(before, known(2, colours=(4, 0, -4)), 0).drifted == []


def test_of_each_family_one_image_is_kept_and_of_large_ones_no_more_often():
    # 1,000 single images and 500 families of ten, of which 500 are kept: a third of them families.
    hashes = np.random.default_rng(0).integers(0, 16, (6000, 64))
    manifest = pd.DataFrame(
        {
            **dict.fromkeys(records.STATISTICS, 0),
            "sha256": ["".join(f"{digit:x}" for digit in row) for row in hashes],
            "cluster": [*range(1000), *np.repeat(range(1000, 1500), 10)],
            "label": ["single"] * 1000 + ["family"] * 5000,
        }
    )
    manifest["pixel_mean"] = manifest["cluster"]
    sample = records.sample_statistics(manifest)
    assert (sample["label"] == "family").sum() == pytest.approx(500 / 3, abs=4 * np.sqrt(500 * 2 / 9))
    assert len(sample) == sample["brightness"].nunique() == records.SAMPLE_SIZE
    pd.testing.assert_frame_equal(sample, records.sample_statistics(manifest[::-1]))


def test_drift_stands_on_the_page_with_what_was_compared(report):
    before, now = known(1, of="darkroom version 2"), known(2, brightness=110, images=150)
    words, _ = read(page(card(report, drift=training_data.compare(before, now, 0))))
    for expected in ("Drift: brightness.", "darkroom version 2", "d1", "200 and 150", "0 / 150 / 200", "median 1"):
        assert expected in words, expected


@pytest.mark.parametrize(
    ("before", "now", "words"),
    [
        (known(1, digest="d2"), known(2), "No drift: these are the same images, labels and splits."),
        (known(1, images=10), known(2), "10 different training images of version 1 are too few"),
        (
            training_data.TrainingData("version 1", "unknown", frozenset(), None),
            known(2),
            "Statistics of the training images of version 1 were not recorded",
        ),
    ],
)
def test_where_nothing_is_compared_the_page_says_why(report, before, now, words):
    found = training_data.compare(before, now, 0)
    assert found.outcomes == ()
    assert words in read(page(card(report, drift=found)))[0]


def test_a_first_version_has_nothing_to_drift_from(report):
    assert "No comparison with earlier training data: this is the first version." in read(page(card(report)))[0]
