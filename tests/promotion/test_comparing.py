"""Candidate and champion on the test images that neither has seen, and the looks at these; with a real store."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from mlflow import MlflowClient

from darkroom.data.formats import families
from darkroom.data.prepared.datasets import Description
from darkroom.params import DataParams, PromoteParams
from darkroom.promotion import comparing, looks
from darkroom.promotion.comparing import Own, TestImages
from darkroom.promotion.contenders import Contender
from darkroom.promotion.gate import decide
from darkroom.promotion.leaks import Relations
from darkroom.promotion.predictions import digest_of
from darkroom.registry import versions
from darkroom.registry.versions import run_of
from darkroom.tracking import seen_images
from darkroom.tracking.runs import start_run
from darkroom.tracking.store import open_store

LABELS = ("a", "b", "c")
OF_IMAGES = ["a", "a", "b", "b", "b", "c", "c", "c"]
GROUPS = ["x", "x", "y", "z", "u", "v", "v", "w"]


def images(numbers, leaked=(), **more):
    """The manifest of images with these numbers."""
    numbers = list(numbers)
    pictures, files = ([f"{start}{number:07x}" * 8 for number in numbers] for start in "0f")
    table = pd.DataFrame({"picture": pictures, "sha256": files, "group": ""}, dtype=str)
    columns = {"label": [OF_IMAGES[number % 8] for number in numbers], "cluster": [GROUPS[n % 8] for n in numbers]}
    flags = [number in leaked for number in numbers]
    # Rows of a test set need not be numbered from 0.
    return table.assign(**columns, leaked=flags, **more).set_index(np.arange(len(numbers)) + 50)


def eight_images(**more):
    manifest = images(range(8), **more)
    description = Description(
        LABELS, (8, 8, 1), "bicubic", "stretch", (0.0,), (1.0,), "", {}, {"a": 2, "b": 5, "c": 3}, ""
    )
    related = Relations(manifest[["picture", "sha256", "group"]], families.table([], np.array([], dtype=np.int64)))
    return TestImages(manifest, description, related, DataParams(source="folder", path="nowhere"))


@pytest.fixture
def name(project_with_store, monkeypatch, request):
    """The name of a registered model without versions."""
    monkeypatch.chdir(project_with_store)
    open_store()
    MlflowClient().create_registered_model(request.node.name)
    return request.node.name


def trained(test, predicted, trained_on=(), validated_on=()):
    """Log a run with these predictions of the test images; return its id."""
    with start_run("mlp", "train", {"network": "mlp"}) as run:
        table = test.manifest[["sha256"]].assign(predicted=list(predicted))
        table.to_csv("predictions.csv", index=False)
        run.log_file("predictions.csv", "evaluation")
        seen_images.log(run, images(trained_on), None if validated_on is None else images(validated_on))
    return run.run_id


def version_of(name, run_id, **tags):
    client = MlflowClient()
    made = client.create_model_version(name, "somewhere", run_id, tags=tags, await_creation_for=0)
    return client.get_model_version(name, made.version)


def own(test, run_id, predicted="aabbbccc"):
    return Own.of(run_id, pd.Series(list(predicted), index=test.manifest.index), test)


def answers(compared):
    return {
        "classes": compared.classes.tolist(),
        "candidate": compared.candidate.tolist(),
        "champion": compared.champion.tolist(),
        "clusters": compared.clusters.tolist(),
        "left_out": compared.left_out,
    }


def test_a_first_model_against_the_largest_class(name):
    test = eight_images(leaked=[7])
    found = own(test, trained(test, "aabbbccc", trained_on=[0, 20], validated_on=[5]), "abbaaccc")
    assert found.seen_test.tolist() == [True, False, False, False, False, True, False, True]
    compared = comparing.with_largest_class(found, test)
    assert answers(compared) == {
        "classes": [0, 1, 1, 1, 2],
        "candidate": [False, True, False, False, True],
        "champion": [False, True, True, True, False],
        "clusters": [2, 3, 4, 0, 1],
        "left_out": 3,
    }
    assert compared.labels == LABELS
    assert (compared.data_changed, compared.notes, compared.new_classes) == (False, (), frozenset())


def test_candidate_and_champion_on_what_neither_has_seen(name):
    test = eight_images(leaked=[7], unverified=[True, True] + [False] * 5 + [True])
    found = own(test, trained(test, "aabbbccc", trained_on=[0, 20], validated_on=[5]), "abbaaccc")
    champion = version_of(name, trained(test, "cabbaaac", trained_on=[0, 4], validated_on=None), labels='["a", "c"]')
    compared = comparing.with_champion(found, champion, test)
    assert answers(compared) == {
        "classes": [0, 1, 1, 2],
        "candidate": [False, True, False, True],
        "champion": [True, True, True, False],
        "clusters": [1, 2, 3, 0],
        "left_out": 4,
    }
    assert compared.new_classes == {1}
    assert compared.data_changed
    assert compared.notes == (
        "4 test images are left out, because a model has seen them or near-duplicates (champion 2, candidate 3)",
        "not known whether the champion has seen test images through its validation images",
        "3 test images are not known to be without near-duplicates",
    )


def test_mistakes_that_were_copied_into_training_win_nothing(name):
    """The champion is wrong on 19 of 500 images; the candidate has learnt these, and has 4 others wrong."""
    manifest = images(range(500)).assign(cluster=[str(number) for number in range(500)])
    whole = eight_images()
    related = Relations(manifest[["picture", "sha256", "group"]], whole.related.families)
    test = replace(whole, manifest=manifest, related=related)
    right = manifest["label"].tolist()
    wrong = ["b" if label == "a" else "a" for label in right]
    champion = version_of(name, trained(test, wrong[:19] + right[19:], trained_on=range(500, 900)))
    run_id = trained(test, right[:-4] + wrong[-4:], trained_on=[*range(500, 900), *range(19)])
    compared = comparing.with_champion(own(test, run_id, right[:-4] + wrong[-4:]), champion, test)
    new, old = (
        Contender("mlp", of, float(flags.mean()), len(flags))
        for of, flags in ((run_id, compared.candidate), (run_of(champion), compared.champion))
    )
    decision = decide(new, old, compared, PromoteParams())
    assert decision.outcome == "keep"
    assert decision.evidence.left_out == 19
    assert "mlp 0.9917 against the champion's 1.0000 on the same 481 test images: -4 correct" in decision.reason
    assert "19 test images are left out, because a model has seen them or near-duplicates" in decision.reason


def test_a_champion_of_the_same_data_and_classes(name):
    test = eight_images()
    run_id = trained(test, "cabbaaac", trained_on=[20], validated_on=None)
    candidate = own(test, trained(test, "aabbbccc", trained_on=[20], validated_on=None))
    for tags in ({"labels": '["c", "b", "a", "d"]'}, {}):
        compared = comparing.with_champion(candidate, version_of(name, run_id, **tags), test)
        assert answers(compared)["champion"] == [False, True, True, True, False, False, False, True]
        assert compared.candidate.all()
        assert (compared.left_out, compared.data_changed, compared.new_classes) == (0, False, frozenset())
        # What holds for both is said once.
        assert compared.notes == (
            "not known whether candidate or champion has seen test images through its validation images",
        )
    without_doubt = replace(test, manifest=test.manifest.assign(unverified=False))
    assert comparing.with_champion(candidate, version_of(name, run_id), without_doubt).notes == compared.notes


def test_corrected_labels_are_counted(name):
    test = eight_images(source_label=["", "c", "", "", "a", "", "c", ""])
    run_id = trained(test, "aabbbccc", trained_on=[20])
    compared = comparing.with_champion(own(test, run_id), version_of(name, run_id), test)
    assert compared.notes == (
        "3 test images have corrected labels (data/labels.csv), for champion and candidate alike",
    )
    untouched = replace(test, manifest=test.manifest.assign(source_label=""))
    assert comparing.with_champion(own(test, run_id), version_of(name, run_id), untouched).notes == ()


def test_no_comparison(name):
    test = eight_images()
    seen_half = own(test, trained(test, "aabbbccc", trained_on=range(4)))
    rest = version_of(name, trained(test, "aabbbccc", trained_on=range(4, 8)))
    words = "it or the candidate has seen all current test images, or near-duplicates of them"
    assert comparing.with_champion(seen_half, rest, test) == words
    last = version_of(name, trained(test, "aabbbccc", trained_on=range(4, 7)))
    assert comparing.with_champion(seen_half, last, test).left_out == 7


@pytest.mark.parametrize(
    ("earlier", "now", "share"),
    [
        (range(256), range(512), 0.5),
        (range(256), range(255, 512), 1 / 257),
        # One more, and only hashes up to the largest that was kept are compared.
        (range(257), range(512), 1.0),
        (range(257), [255, 256, 600], 1.0),
        (range(257), range(128, 384), 1.0),
        (range(0, 514, 2), range(512), 256 / 511),
        (range(257), [256, 600], 0.0),
        (range(10), [], 0.0),
        (range(10), [3], 1.0),
    ],
)
def test_the_share_that_an_earlier_decision_has_seen(earlier, now, share):
    look = looks.new_look("digits", ("candidate", "champion"), images(earlier), "better", "first")
    assert look.share_of(images(now)["picture"]) == pytest.approx(share)


def test_a_look_before_it_has_a_number():
    test = images([3, 1, 2, 3])
    look = looks.new_look("digits", ("candidate", "champion"), test, "better", "first")
    assert (look.name, look.rule, look.life) == ("digits", "better", "first")
    assert (look.images, look.sample) == (3, "000000010000000200000003")
    assert (look.look, look.attempt, look.decision) == (1, 1, 1)
    assert len(look.pair) == 16
    others = (
        looks.new_look("letters", ("candidate", "champion"), test, "better", "first"),
        looks.new_look("digits", ("another", "champion"), test, "better", "first"),
        looks.new_look("digits", ("candidate", "another"), test, "better", "first"),
        looks.new_look("digits", ("candidate", "champion"), test[:3], "better", "first"),
        looks.new_look("digits", ("candidate", "champion"), test.assign(label="a"), "better", "first"),
    )
    assert len({look.pair, *(other.pair for other in others)}) == 6
    # Neither the order of the images nor the rule makes another decision.
    assert looks.new_look("digits", ("candidate", "champion"), test[::-1], "not_worse", "second").pair == look.pair


def test_a_look_is_numbered_by_what_earlier_ones_saw():
    now = images(range(3))
    earlier = [
        looks.new_look("digits", ("one", "champion"), images(range(1)), "not_worse", "first"),
        looks.new_look("digits", ("two", "champion"), images(range(2)), "not_worse", "first"),
        looks.new_look("digits", ("three", "champion"), images([9]), "not_worse", "second"),
        looks.new_look("digits", ("four", "champion"), images([9]), "better", "first"),
    ]
    look = looks.new_look("digits", ("five", "champion"), now, "not_worse", "first")
    assert looks.numbered(look, earlier, now) == replace(look, look=2.0, attempt=3, decision=5)
    assert looks.numbered(look, earlier[:1], now) == replace(look, look=1.333, attempt=2, decision=2)
    better = replace(look, rule="better")
    assert looks.numbered(better, earlier, now) == replace(better, look=2.0, attempt=1, decision=5)


def test_looks_are_recorded_with_the_run(name):
    test = images(range(8))
    run_id = trained(eight_images(), "aabbbccc")
    look = looks.new_look(name, ("candidate", "champion"), test, "better", "first")
    other = looks.new_look("another model", ("candidate", "champion"), test, "better", "first")
    looks.record(run_id, look)
    looks.record(run_id, other)
    # The first record stays.
    looks.record(run_id, replace(look, look=7.0))
    assert looks.recorded(name, test) == [look]
    tags = MlflowClient().get_run(run_id).data.tags
    assert {key for key in tags if key.startswith("look.")} == {f"look.{look.pair}", f"look.{other.pair}"}


def test_decisions_of_earlier_versions_are_looks_at_exactly_these_images(name):
    test, run_id = images(range(8)), trained(eight_images(), "aabbbccc")
    assert looks.recorded(name, test) == []
    version_of(name, run_id, **{versions.TEST_IMAGES: digest_of(test)})
    version_of(name, run_id, **{versions.TEST_IMAGES: digest_of(test), "promotion_rule": "better"})
    version_of(name, run_id, **{versions.TEST_IMAGES: digest_of(test[1:])})
    version_of(name, run_id)
    assert looks.recorded(name, test) == [looks.new_look(name, (run_id, ""), test, "better", "")]
