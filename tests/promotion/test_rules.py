"""Each rule of the gate on both sides of its threshold."""

from dataclasses import replace

import numpy as np
import pytest

from darkroom.params import PromoteParams
from darkroom.promotion.contenders import Anchor, Comparison, Contender, Life
from darkroom.promotion.gate import decide
from darkroom.promotion.rules.better import better
from darkroom.promotion.rules.classes import Judged, groups, holm, needs_person, recall
from darkroom.promotion.rules.first import first_model
from darkroom.promotion.rules.not_worse import not_worse, p_value
from darkroom.promotion.statistics import spending

RULES = PromoteParams()
NEW, OLD = Contender("lenet5", "new", None, None), Contender("mlp", "old", None, None)


def of_classes(*counts, labels="abcdefghijk", clusters=None, **more):
    """A comparison of classes, each given by its images, those that both, only the candidate and only the champion
    have right."""
    classes, candidate, champion = [], [], []
    for number, (images, both, won, lost) in enumerate(counts):
        classes += [number] * images
        candidate += [True] * (both + won) + [False] * (images - both - won)
        champion += [True] * both + [False] * won + [True] * lost + [False] * (images - both - won - lost)
    return Comparison(
        np.array(classes),
        tuple(labels[: len(counts)]) if len(counts) <= len(labels) else tuple(map(str, range(len(counts)))),
        np.array(candidate),
        np.array(champion),
        np.arange(len(classes)) if clusters is None else np.asarray(clusters),
        **more,
    )


def decided(compared, rules=RULES, life=Life()):  # noqa: B008 - frozen
    shared = compared.on_shared_classes()
    new, old = (
        replace(one, test_accuracy=float(right.mean()), test_images=len(right))
        for one, right in ((NEW, shared.candidate), (OLD, shared.champion))
    )
    return decide(new, old, compared, rules, life)


def test_a_class_too_small_to_judge_waits_for_a_person():
    decision = decided(of_classes((300, 250, 40, 0), (5, 0, 0, 5)))
    assert decision.outcome == "keep"
    assert decision.waits_for == ("b",)
    assert "recall of b: 0.0000 against 1.0000 on 5 images (p 0.0312)" in decision.reason
    assert "too few test images of b to judge, a person must accept it" in decision.reason
    assert decision.reason.endswith('darkroom promote challenger --accept "b" --reason "…"')


def test_nothing_waits_where_something_else_speaks_against_it():
    decision = decided(of_classes((300, 250, 0, 40), (5, 0, 0, 5)))
    assert decision.outcome == "keep"
    assert decision.waits_for == ()
    assert "--accept" not in decision.reason


@pytest.mark.parametrize(
    ("counts", "passed", "accept"),
    [
        ((5, 3, 0, 2), False, "b"),  # two of five, which no test can judge
        ((5, 4, 0, 1), True, ""),  # one image is not enough to ask a person
        ((5, 2, 1, 2), True, ""),  # one net
        ((60, 54, 0, 6), None, ""),  # exactly the loss that is allowed
        ((60, 53, 0, 7), False, ""),  # p .0078
        ((40, 32, 1, 7), True, ""),  # p .035
        ((6, 0, 0, 6), False, "b"),  # p .0156, as small as can be, but not for two classes
        ((7, 0, 0, 7), False, ""),
        ((6, 1, 0, 5), True, ""),  # p .031
    ],
)
def test_the_recall_of_one_of_two_classes(counts, passed, accept):
    found = [finding for finding in recall(of_classes((300, 300, 0, 0), counts), RULES) if finding.rule.endswith("b")]
    if passed is None:
        assert found == []
    else:
        assert [(finding.passed, finding.accept) for finding in found] == [(passed, accept)]


def test_exactly_the_loss_of_recall_that_is_allowed():
    compared = of_classes((300, 300, 0, 0), (8, 7, 0, 1))
    assert recall(compared, PromoteParams(maximum_recall_loss=0.125)) == []
    (found,) = recall(compared, PromoteParams(maximum_recall_loss=0.124))
    assert found.text == "recall of b: 0.8750 against 1.0000 on 8 images (p 0.5000), a loss of at most 0.124 allowed"
    # A class without test images has no recall.
    assert recall(of_classes((300, 300, 0, 0), (0, 0, 0, 0)), RULES) == []


@pytest.mark.parametrize(
    ("p", "least_p", "net", "classes", "expected"),
    [
        # Two classes are each tested at .0625 / 2.
        (0.03125, 0.03125, 5, 2, False),
        (0.0625, 0.03126, 5, 2, True),
        (0.0626, 0.03126, 5, 2, False),
        # The significance itself is still possible, so p decides.
        (0.1, 0.0625, 5, 2, False),
        (0.1, 0.0626, 2, 2, True),
        (0.1, 0.0626, 1, 2, False),
        (0.03125, 0.03125, 5, 4, True),
    ],
)
def test_who_judges_a_class(p, least_p, net, classes, expected):
    assert needs_person(Judged("a", 0.5, p, least_p, net, ""), 0.0625, classes) == expected


def test_a_disabled_check_of_recall():
    assert recall(of_classes((300, 250, 40, 0), (9, 0, 0, 9)), PromoteParams(maximum_recall_loss=None)) == []


def of_groups(compared, **columns):
    return replace(compared, columns={name: np.array(values, dtype=object) for name, values in columns.items()})


def test_a_group_may_lose_no_more_than_is_allowed():
    sites = ["north"] * 50 + ["south"] * 50
    assert groups(of_groups(of_classes((50, 40, 5, 5), (50, 38, 6, 6)), site=sites), RULES) == []
    lost = of_groups(of_classes((50, 40, 10, 0), (50, 38, 0, 12)), site=sites, camera=["x"] * 100)
    (found,) = groups(lost, RULES)
    assert (found.rule, found.passed, found.accept) == ("accuracy of site south", False, "")
    assert found.text.startswith("accuracy of site south: 0.7600 against 1.0000 on 50 images")
    assert "a loss of at most 0.1 allowed" in found.text
    assert groups(lost, PromoteParams(maximum_group_loss=0.24)) == []
    assert "accuracy of site south" in decided(lost).reason
    assert "accuracy of site south" not in decided(replace(lost, columns={})).reason


def test_groups_are_corrected_for_their_number():
    # Seven of seven lost, p .0078: significant for one of two groups, not for one of many.
    classes, sites = ((7, 0, 0, 7), (300, 250, 30, 0)), ["a"] * 7 + ["b"] * 300
    (found,) = groups(of_groups(of_classes(*classes), site=sites), RULES)
    assert (found.passed, found.accept) == (False, "")
    cameras = ["x"] * 7 + [str(number % 60) for number in range(300)]
    many = groups(of_groups(of_classes(*classes), site=sites, camera=cameras), RULES)
    waiting = [(found.passed, found.accept) for found in many if found.rule == "accuracy of site a"]
    assert waiting == [(False, "site a")]


def test_the_groups_of_a_part_of_the_images_are_those_of_its_images():
    compared = of_groups(of_classes((2, 2, 0, 0), (3, 3, 0, 0)), site=list("ppqqr"))
    assert compared.of_class(1).columns["site"].tolist() == ["q", "q", "r"]
    assert len(compared.of_value("site", "q").candidate) == 2


def test_without_columns_there_are_no_groups():
    assert groups(of_classes((300, 0, 0, 300)), RULES) == []


def test_holms_procedure():
    assert holm([0.001, 0.0124, 0.02, 0.6], 0.05) == [True, True, True, False]
    # .0126 is not below .025 / 2 of the two that are left, so that .02 is not looked at.
    assert holm([0.001, 0.0126, 0.02], 0.025) == [True, False, False]
    assert holm([0.02, 0.001, 0.012], 0.025) == [True, True, True]
    assert holm([0.0125, 0.0251], 0.025) == [True, False]
    assert holm([0.0125, 0.025], 0.025) == [True, True]
    assert holm([], 0.05) == []


@pytest.mark.parametrize(("count", "size"), [(10, 36), (100, 20), (100, 50)])
def test_equal_models_are_blocked_by_a_class_in_at_most_5_percent(count, size):
    generator, stopped, draws = np.random.default_rng(0), 0, 20
    classes = np.repeat(np.arange(count), size)
    for _ in range(draws):
        easy, chances = generator.random(len(classes)) < 0.84, generator.random((2, len(classes))) < 0.4
        compared = Comparison(classes, tuple(map(str, range(count))), *(easy | chances), np.arange(len(classes)))
        stopped += any(not finding.passed for finding in recall(compared, RULES))
    assert stopped <= 1


def test_copies_of_one_image_do_not_lose_a_class():
    copies = np.concatenate([np.arange(300), np.full(8, 300), np.arange(301, 333)])
    compared = of_classes((300, 300, 0, 0), (40, 32, 0, 8), clusters=np.sort(copies))
    apart = of_classes((300, 300, 0, 0), (40, 32, 0, 8))
    assert [finding.passed for finding in recall(apart, RULES)] == [False]
    together = replace(compared, clusters=np.concatenate([np.arange(332), np.full(8, 332)]))
    assert [finding.passed for finding in recall(together, RULES)] == [True]


def test_a_new_class_is_no_gain():
    """Ten classes with 94 and 85 of 100 right, and a new one that only the candidate knows."""
    known = [(100, 85, 0, 9)] * 10
    compared = of_classes(*known, (100, 0, 100, 0), data_changed=True, new_classes=frozenset({10}))
    for rule in ("auto", "not_worse", "better"):
        decision = decided(compared, PromoteParams(rule=rule))
        assert decision.outcome == "keep"
        assert "0.8500 against the champion's 0.9400 on the same 1000 test images: -90 correct" in decision.reason
        assert "k is new, the champion does not know it: recall 1.0000, not part of the comparison" in decision.reason
        assert decision.evidence.new_classes == {"k": 1.0}
    assert "it is worse beyond chance (p < 0.0001)" in decided(compared).reason
    better = of_classes(*[(100, 85, 9, 0)] * 10, (100, 0, 0, 0), data_changed=True, new_classes=frozenset({10}))
    assert decided(better).outcome == "promote"
    # Without a test image of it, nothing is known of its recall.
    unseen = of_classes(*[(100, 85, 9, 0)] * 10, (0, 0, 0, 0), data_changed=True, new_classes=frozenset({10}))
    assert decided(unseen).evidence.new_classes == {}


def test_no_class_in_common():
    decision = decided_without_shared()
    assert decision.outcome == "keep"
    assert decision.reason == "lenet5 has no class in common with the champion"


def decided_without_shared():
    compared = of_classes((10, 5, 0, 0), new_classes=frozenset({0}))
    return decide(replace(NEW, test_images=0), replace(OLD, test_images=0), compared, RULES)


def test_a_first_model_must_beat_the_largest_class():
    # In ten equal classes: the largest class is right on 10 %.
    guessing = of_classes((362, 4, 33, 32))
    decision = decide(replace(NEW, test_accuracy=0.1), None, guessing, RULES)
    assert decision.outcome == "keep"
    assert "largest class: 37 of 362 correct against 36 for always predicting it, p 0.5" in decision.reason
    better = decide(replace(NEW, test_accuracy=0.9), None, of_classes((362, 30, 300, 6)), RULES)
    assert better.outcome == "promote"
    assert better.evidence.rule == "first"
    # Six won are significant, five are not.
    assert first_model(of_classes((20, 0, 6, 0)), RULES).passed
    assert not first_model(of_classes((20, 0, 5, 0)), RULES).passed


@pytest.mark.parametrize(("accuracy", "outcome"), [(0.9, "promote"), (0.8999, "keep"), (None, "keep")])
def test_the_floor_holds_for_every_model(accuracy, outcome):
    rules = PromoteParams(minimum_accuracy=0.9)
    decision = decide(replace(NEW, test_accuracy=accuracy), None, of_classes((362, 0, 300, 0)), rules)
    assert decision.outcome == outcome
    assert "minimum_accuracy: " in decision.reason
    compared = of_classes((1000, 850, 40, 0))
    assert decided(compared, PromoteParams(minimum_accuracy=0.89)).outcome == "promote"
    refused = decided(compared, PromoteParams(minimum_accuracy=0.891))
    assert refused.outcome == "keep"
    assert "minimum_accuracy: 0.8900, at least 0.891 needed" in refused.reason


def test_exactly_on_the_level():
    # .5^5, and .5^6 with one that is lost.
    five, most = of_classes((200, 190, 5, 0)), 1 / 32
    assert better(five, RULES, most).passed
    assert not better(five, RULES, most - 1e-9).passed
    assert first_model(five, PromoteParams(significance=most)).passed
    assert not first_model(five, PromoteParams(significance=most - 1e-9)).passed
    p = p_value(five, -RULES.margin)
    assert not_worse(five, RULES, p).passed
    assert not not_worse(five, RULES, p * (1 - 1e-9)).passed
    text = not_worse(of_classes((20, 15, 0, 5)), PromoteParams(significance=most), 0.025).text
    assert text.endswith("; it is worse beyond chance (p 0.0312)")
    assert "worse" not in not_worse(of_classes((20, 16, 0, 4)), PromoteParams(significance=most), 0.025).text[9:]


@pytest.mark.parametrize(
    ("counts", "level", "told"),
    [
        ((200, 190, 4, 0), 0.0625, False),
        ((200, 190, 3, 1), 0.0625, False),  # .5^4 is the level
        ((200, 190, 3, 1), 0.0624, True),
        ((200, 190, 4, 1), 0.025, True),
        ((200, 190, 5, 1), 0.025, False),  # .5^6 is below it, but p is .109
    ],
)
def test_too_few_differences_are_told(counts, level, told):
    text = better(of_classes(counts), RULES, level).text
    differing = counts[2] + counts[3]
    assert text.endswith(f"; they differ on {differing} images, too few for a significant difference") == told
    assert ("too few" in text) == told


def test_images_enough_for_equal_models_are_not_asked_for():
    # 2.8016^2 / .02 = 392.4
    asked = not_worse(of_classes((392, 389, 0, 3)), RULES, 0.025).text
    assert asked.endswith("; 392 test images cannot tell, about 393 would for equal models")
    enough = not_worse(of_classes((393, 390, 0, 3)), RULES, 0.025)
    assert not enough.passed
    assert enough.text.endswith("-0.0200 needed")
    pairs = not_worse(of_classes((200, 190, 4, 4), clusters=np.arange(200) // 2), RULES, 0.025).text
    assert "; 100 independent test images cannot tell, about 785 would for equal models" in pairs


def test_few_groups_tell_nothing():
    five = of_classes((500, 250, 250, 0), clusters=np.repeat(np.arange(5), 100))
    decision = decided(five)
    assert decision.outcome == "keep"
    assert "better: not known, the test images form 5 groups, at least 6 needed" in decision.reason
    unknown = not_worse(five, RULES, 0.025)
    assert not unknown.passed
    assert unknown.text == "not worse: not known, the test images form 5 groups, at least 6 needed"
    six = of_classes((600, 0, 600, 0), clusters=np.repeat(np.arange(6), 100))
    assert decided(six).outcome == "promote"
    assert "not known" not in not_worse(six, RULES, 0.025).text
    assert "better: p 0.0156 (exact sign test over groups), at most 0.025 needed" in decided(six).reason


def test_each_decision_on_the_same_test_images_needs_more():
    # p .0195
    compared = of_classes((200, 191, 8, 1))
    assert decided(compared).outcome == "promote"
    second = decided(compared, life=Life(look=2.0))
    assert second.outcome == "keep"
    assert "better: p 0.0195 (exact McNemar test), at most 0.00833 needed" in second.reason
    assert decided(compared, life=Life(look=1.1)).outcome == "promote"
    assert (second.evidence.look, second.evidence.level) == (2.0, pytest.approx(0.025 / 3))


def test_each_decision_by_not_worse_needs_more():
    compared = of_classes((700, 650, 10, 10), data_changed=True)
    assert decided(compared).outcome == "promote"
    fifth = decided(compared, life=Life(attempt=5))
    assert fifth.outcome == "keep"
    assert "not worse: with 99.83 % confidence" in fifth.reason
    assert "700 test images cannot tell, about 1019 would for equal models" in fifth.reason
    # How often the test images were used does not matter here: every attempt counts.
    assert decided(compared, life=Life(look=9)).outcome == "promote"


def lost(images, number):
    return of_classes((images, images - number, 0, number), data_changed=True)


def test_small_losses_do_not_add_up():
    """Each candidate loses 20 of 2,000 images; the margin is 40."""
    first, second = lost(2000, 20), lost(2000, 40)
    assert decided(first).outcome == "promote"
    decision = decided(first, life=Life(attempt=2, anchors=(Anchor("1", second),)))
    assert decision.outcome == "keep"
    assert [finding.rule for finding in decision.findings if not finding.passed] == ["not_worse than version 1"]
    assert "not worse than version 1: with 99.17 % confidence it gains at least -0.0" in decision.reason
    assert decision.evidence.anchors == ("1",)
    assert decided(first, life=Life(anchors=(Anchor("1", first),))).evidence.rule == "not_worse"


def test_an_earlier_champion_that_is_lost_must_be_beaten():
    gone = Life(anchors=(Anchor("3", None, "it was deleted"),))
    equal = of_classes((2000, 1900, 20, 20), data_changed=True)
    decision = decided(equal, life=gone)
    assert decision.outcome == "keep"
    assert "version 3, an earlier champion, cannot be compared (it was deleted); the candidate must be better" in (
        decision.reason
    )
    assert decided(of_classes((2000, 1900, 40, 10), data_changed=True), life=gone).outcome == "promote"
    # p .0195, enough for the first attempt.
    better = of_classes((2000, 1900, 8, 1), data_changed=True)
    assert decided(better, life=gone).outcome == "promote"
    assert decided(better, life=gone).evidence.rule == "better"
    assert decided(better, life=replace(gone, attempt=2)).outcome == "keep"


def test_better_than_all_before():
    compared = of_classes((2000, 1900, 40, 10))
    assert decided(compared).evidence.rule == "best"
    assert decided(compared, life=Life(anchors=(Anchor("1", compared),))).evidence.rule == "best"
    assert decided(compared, life=Life(anchors=(Anchor("1", lost(2000, 20)),))).evidence.rule == "better"
    assert decided(compared, life=Life(anchors=(Anchor("1", None, "gone"),))).evidence.rule == "better"
    assert decided(of_classes((2000, 1900, 20, 20), data_changed=True)).evidence.rule == "not_worse"


def test_a_new_life_needs_more_with_each_decision():
    # p .0039 and .0078: at most .005 of the first decision, .00167 of the second.
    assert decided(of_classes((200, 190, 8, 0))).evidence.rule == "best"
    assert decided(of_classes((200, 190, 7, 0))).evidence.rule == "better"
    assert decided(of_classes((200, 190, 8, 0)), life=Life(decision=2)).evidence.rule == "better"
    assert decided(of_classes((200, 189, 10, 0)), life=Life(decision=2)).evidence.rule == "best"
    # p .00468 and .00586.
    assert decided(of_classes((200, 170, 20, 6))).evidence.rule == "best"
    assert decided(of_classes((200, 170, 10, 1))).evidence.rule == "better"


def test_the_margin():
    # 362 images without a discordant one: the bound is about -.010.
    assert not_worse(of_classes((362, 362, 0, 0)), PromoteParams(margin=0.0102), 0.025).passed
    assert not not_worse(of_classes((362, 362, 0, 0)), PromoteParams(margin=0.0100), 0.025).passed


def test_power_is_told():
    decision = decided(of_classes((362, 340, 3, 3)))
    assert decision.evidence.detectable_gain == pytest.approx(0.0218, abs=2e-4)
    assert "with 362 independent test images, a gain of 2.2 points is found in 80 % of cases" in decision.reason
    assert decision.evidence.disagreement == pytest.approx(6 / 362)
    found = decided(of_classes((362, 300, 30, 3)))
    assert found.evidence.disagreement == pytest.approx(33 / 362)
    assert "is found in 80 % of cases" not in found.reason


@pytest.mark.parametrize("images", [362, 2000, 10_000])
@pytest.mark.parametrize("step", [0.01, 0.005])
def test_twenty_models_each_worse_than_the_last(images, step):
    """Each candidate has lost the same share of what its champion has right, on fresh test images."""
    champions = [0.0]
    for attempt in range(1, 21):
        candidate, at = champions[-1] - step, spending.level(RULES.significance, attempt)
        behind = [lost(images, round((earlier - candidate) * images)) for earlier in champions]
        if all(p_value(one, -RULES.margin) <= at for one in behind):
            champions.append(candidate)
    assert len(champions) > (images > 1000)
    assert min(champions) > -RULES.margin
