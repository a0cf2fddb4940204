"""The decision is a pure function of numbers."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from darkroom.params import PromoteParams
from darkroom.promotion.contenders import Comparison, Contender, Decision, Life
from darkroom.promotion.gate import best_candidate, decide
from darkroom.promotion.rules.better import better, p_value

RULES = PromoteParams()
NEW = Contender("lenet5", "new", 0.95, 200, validation_accuracy=0.96, validation_loss=0.1)
OLD = Contender("mlp", "old", 0.94, 200)


def compared(candidate, champion, classes=None, clusters=None, **more):
    """A comparison, and the two contenders that it is of."""
    candidate, champion = np.asarray(candidate, dtype=bool), np.asarray(champion, dtype=bool)
    images = len(candidate)
    classes = np.zeros(images, dtype=np.int64) if classes is None else np.asarray(classes)
    clusters = np.arange(images) if clusters is None else np.asarray(clusters)
    labels = tuple("abcdefghij"[: int(classes.max()) + 1])
    new = replace(NEW, test_accuracy=candidate.mean(), test_images=images)
    old = replace(OLD, test_accuracy=champion.mean(), test_images=images)
    return new, old, Comparison(classes, labels, candidate, champion, clusters, **more)


def differing(images, won, lost):
    """Answers of which the candidate has some right that the champion has wrong, and the other way round."""
    candidate, champion = np.ones(images, dtype=bool), np.ones(images, dtype=bool)
    champion[:won] = False
    candidate[won : won + lost] = False
    return candidate, champion


def test_the_first_model():
    decision = decide(NEW, None, None, RULES)
    assert decision.outcome == "promote"
    assert decision.reason == "lenet5 is the first model"
    assert (decision.evidence.rule, decision.evidence.level, decision.evidence.left_out) == ("first", 0.025, 0)
    # Without a comparison, the limits alone count.
    unjudged = decide(replace(NEW, test_accuracy=0.8), OLD, None, PromoteParams(minimum_accuracy=0.9))
    assert unjudged.outcome == "keep"
    assert [finding.rule for finding in unjudged.findings] == ["minimum_accuracy"]
    noted = decide(NEW, None, compared(*differing(200, 20, 0), left_out=3, notes=("a note",))[2], RULES)
    assert noted.evidence.left_out == 3
    assert noted.reason.endswith("; a note")


def test_the_champion_after_a_decision():
    new, old = replace(NEW, run_id="new"), replace(OLD, run_id="old")
    promoted, kept = Decision("promote", "", new, old), Decision("keep", "", new, old)
    assert (promoted.champion_after(dry_run=False), promoted.champion_after(dry_run=True)) == ("new", "old")
    assert (kept.champion_after(dry_run=False), kept.champion_after(dry_run=True)) == ("old", "old")
    first, none = Decision("promote", "", new, None), Decision("keep", "", new, None)
    assert (first.champion_after(dry_run=False), first.champion_after(dry_run=True)) == ("new", None)
    assert none.champion_after(dry_run=False) is None
    again = Decision("keep", "", new, replace(old, run_id="new"))
    assert [one.confirms_champion for one in (promoted, first, again)] == [False, False, True]


def test_a_decision_as_it_is_written():
    decision = Decision("promote", "it is better", replace(NEW, run_id="new"), replace(OLD, run_id="old"))
    done, dry = decision.as_json(), decision.as_json("an experiment")
    assert (done["outcome"], done["reason"], done["withheld"]) == ("promote", "it is better", None)
    assert (done["champion_run_id"], done["champion"]["run_id"]) == ("new", "old")
    assert (dry["withheld"], dry["champion_run_id"]) == ("an experiment", "old")
    # A decision without a comparison.
    assert done["evidence"] == {
        **dict.fromkeys(("level", "groups", "disagreement", "detectable_gain")),
        "rule": "",
        "look": 1.0,
        "attempt": 1,
        "left_out": 0,
        "new_classes": {},
        "anchors": (),
    }


def test_the_first_decision_of_a_life():
    assert (Life().look, Life().attempt, Life().decision, Life().anchors) == (1.0, 1, 1, ())


def test_counts_of_a_comparison():
    compared = Comparison(
        np.array([0, 0, 1, 1, 1, 1]),
        ("a", "b"),
        np.array([True, True, True, True, False, False]),
        np.array([False, True, False, False, True, False]),
        np.array([0, 0, 1, 2, 3, 3]),
    )
    assert (compared.won, compared.lost, compared.disagreement) == (3, 1, 4 / 6)
    assert (compared.groups, compared.independent, compared.left_out) == (4, False, 0)
    assert compared.of_class(1).independent is False
    assert compared.of_class(1).classes.tolist() == [1, 1, 1, 1]
    assert compared.on_champions_right().candidate.tolist() == [True, False]
    known = replace(compared, new_classes=frozenset({0})).on_shared_classes()
    assert (len(known.candidate), known.clusters.tolist()) == (4, [1, 2, 3, 3])
    # The images that differ are alone.
    assert replace(compared, clusters=np.arange(6)).effective_images == 6
    assert compared.of_class(7).effective_images == 0


def test_the_champion_itself():
    decision = decide(NEW, replace(NEW, test_accuracy=0.1), None, RULES)
    assert decision.outcome == "keep"
    assert "already" in decision.reason


def test_a_better_one_with_its_numbers():
    decision = decide(*compared(*differing(200, 8, 1)), RULES)
    assert decision.outcome == "promote"
    assert "0.9950 against the champion's 0.9600 on the same 200 test images: +7 correct" in decision.reason
    assert "better: p 0.0195 (exact McNemar test), at most 0.025 needed" in decision.reason
    assert [finding.rule for finding in decision.findings] == ["better"]


def test_better_by_chance_is_not_enough():
    decision = decide(*compared(*differing(200, 3, 1)), RULES)
    assert decision.outcome == "keep"
    assert "they differ on 4 images, too few for a significant difference" in decision.reason
    assert decide(*compared(*differing(200, 3, 1)), PromoteParams(significance=1)).outcome == "promote"


def test_an_equal_one_stays_challenger():
    for won in (0, 4):
        decision = decide(*compared(*differing(200, won, won)), PromoteParams(significance=1))
        assert decision.outcome == "keep"
        assert "+0 correct; better: at least +1 needed" in decision.reason


def test_the_minimum_gain():
    better = compared(*differing(1000, 20, 0))
    assert decide(*better, PromoteParams(minimum_gain=0.02)).outcome == "promote"
    assert decide(*better, PromoteParams(minimum_gain=0.021)).outcome == "keep"


@given(st.integers(0, 60), st.integers(0, 60))
def test_the_exact_mcnemar_test(won, lost):
    new, old, comparison = compared(*differing(150, won, lost))
    p, name = p_value(comparison)
    total = won + lost
    assert p == pytest.approx(sum(math.comb(total, k) for k in range(won, total + 1)) / 2**total)
    assert name == "exact McNemar test"
    assert (decide(new, old, comparison, RULES).outcome == "promote") == (p <= 0.025 and won > lost)


def test_equal_models_are_promoted_in_at_most_one_of_20_repetitions():
    generator, promoted = np.random.default_rng(0), 0
    for _ in range(1000):
        # Both right on what is easy; on what is hard, each by chance.
        hard = generator.random(1000) < 0.2
        answers = [~hard | (generator.random(1000) < 0.5) for _ in range(2)]
        promoted += better(compared(*answers)[2], RULES, RULES.significance).passed
    assert 0 < promoted <= 50


def test_equal_models_are_no_more_often_promoted_where_images_come_in_groups():
    generator, promoted, rules = np.random.default_rng(0), 0, PromoteParams()
    groups = np.repeat(np.arange(60), 10)
    for _ in range(200):
        answers = [(generator.random(60) < 0.7)[groups] for _ in range(2)]
        promoted += decide(*compared(*answers, clusters=groups), rules).outcome == "promote"
    # McNemar's test would take 600 images for 600 findings, and promote every third.
    assert promoted <= 18


def test_two_points_on_ten_thousand_images_are_promoted():
    generator = np.random.default_rng(0)
    classes = generator.integers(0, 10, 10_000)
    champion = generator.random(10_000) < 0.85
    candidate = np.where(generator.random(10_000) < 0.7, champion, generator.random(10_000) < 0.85 + 0.02 / 0.3)
    assert 0.015 < candidate.mean() - champion.mean() < 0.025
    assert decide(*compared(candidate, champion, classes), RULES).outcome == "promote"


def test_one_that_ruins_a_class_is_refused_with_that_rule():
    generator = np.random.default_rng(0)
    classes = generator.integers(0, 10, 10_000)
    champion = generator.random(10_000) < 0.85
    candidate = champion | (generator.random(10_000) < 0.4)
    candidate[classes == 3] &= generator.random((classes == 3).sum()) < 0.8
    decision = decide(*compared(candidate, champion, classes), RULES)
    assert candidate.mean() > champion.mean() + 0.02
    assert decision.outcome == "keep"
    assert [finding.rule for finding in decision.findings if not finding.passed] == ["recall of d"]
    assert "recall of d: 0." in decision.reason
    assert decide(*compared(candidate, champion, classes), PromoteParams(maximum_recall_loss=None)).outcome == "promote"


def test_a_class_with_few_images_is_not_lost_by_chance():
    candidate, champion = np.ones(1000, dtype=bool), np.ones(1000, dtype=bool)
    champion[100:130] = False
    classes = np.zeros(1000, dtype=np.int64)
    classes[:4] = 1
    candidate[0] = False  # one of four
    decision = decide(*compared(candidate, champion, classes), RULES)
    assert decision.outcome == "promote"
    assert "recall of b" in {finding.rule for finding in decision.findings}


def test_other_data_need_not_make_a_better_model():
    equal = compared(*differing(2000, 20, 20), data_changed=True)
    decision = decide(*equal, RULES)
    assert decision.outcome == "promote"
    assert "not worse: with 97.5 % confidence it gains at least -0.0065, -0.0200 needed" in decision.reason
    assert decide(*equal, PromoteParams(rule="better")).outcome == "keep"
    assert decide(*compared(*differing(2000, 20, 20)), PromoteParams(rule="not_worse")).outcome == "promote"
    assert decide(*compared(*differing(2000, 0, 60), data_changed=True), RULES).outcome == "keep"


def test_too_few_images_to_say_that_one_is_not_worse():
    decision = decide(*compared(*differing(50, 2, 2), data_changed=True), RULES)
    assert decision.outcome == "keep"
    assert "50 test images cannot tell, about 1570 would for equal models" in decision.reason


@pytest.mark.parametrize(
    ("rule", "values"),
    [
        ("maximum_calibration_error", {"calibration_error": 0.2}),
        ("maximum_latency_ms", {"latency_ms": 0.2}),
        ("maximum_size_mb", {"size_mb": 0.2}),
        ("maximum_memory_mb", {"memory_mb": 0.2}),
    ],
)
@pytest.mark.parametrize("first", [True, False])
def test_limits_hold_for_every_model(rule, values, first):
    new, old, comparison = compared(*differing(200, 20, 0))
    against = (None, None) if first else (old, comparison)
    measured = replace(new, **values)
    assert decide(measured, *against, PromoteParams(**{rule: 0.2})).outcome == "promote"
    refused = decide(measured, *against, PromoteParams(**{rule: 0.1}))
    assert refused.outcome == "keep"
    assert "0.2" in refused.reason
    assert "at most 0.1 allowed" in refused.reason
    unknown = decide(new, *against, PromoteParams(**{rule: 0.1}))
    assert unknown.outcome == "keep"
    assert "not measured" in unknown.reason


def test_what_else_there_is_to_know_is_said():
    decision = decide(*compared(*differing(200, 20, 0), notes=("12 test images are left out",)), RULES)
    assert decision.reason.endswith("; 12 test images are left out")


def test_other_test_images_are_no_comparison():
    new, old, comparison = compared(*differing(200, 3, 1))
    with pytest.raises(ValueError, match="same test images"):
        decide(new, replace(old, test_images=100), comparison, RULES)


@given(st.integers(1, 300), st.integers(0, 2**32 - 1), st.floats(0.01, 1))
def test_no_model_promotes_itself_round_in_a_circle(images, seed, significance):
    one, other = np.random.default_rng(seed).random((2, images)) < 0.7
    rules = PromoteParams(significance=significance)
    outcomes = [decide(*compared(*pair), rules).outcome for pair in ((one, other), (other, one))]
    assert outcomes != ["promote", "promote"]


def test_the_candidate_is_chosen_on_validation_data_alone():
    fewer = replace(NEW, network="mlp", test_accuracy=0.99, validation_accuracy=0.9)
    assert best_candidate([fewer, NEW], RULES) is NEW
    tied = replace(NEW, network="mnist_cnn", validation_loss=0.05)
    assert best_candidate([NEW, tied], RULES) is tied
    for lacking in ({"validation_accuracy": None}, {"validation_loss": None}):
        with pytest.raises(ValueError, match="lenet5 has no validation metrics"):
            best_candidate([replace(NEW, **lacking)], RULES)
    by_loss = replace(fewer, validation_loss=0.01)
    assert best_candidate([NEW, by_loss], PromoteParams(candidate="validation_loss")) is by_loss
