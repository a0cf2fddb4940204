"""MixUp and CutMix: images and targets are mixed alike, in batches that can be repeated."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from darkroom.augmentation.augmenter import Augmenter
from darkroom.augmentation.mixing import Mixer, cut_mix, mix_up
from darkroom.base.backend import keras
from darkroom.data.prepared.datasets import Split
from darkroom.networks import PARAMS
from darkroom.params import AugmentationParams
from darkroom.training import loss_function
from darkroom.training.batches import TrainingBatches
from support.trainings import fit, split

WAYS = ({"mixup": 0.4}, {"cutmix": 1.0}, {"mixup": 0.2, "cutmix": 1.0})


def planted(count, classes, shape=(12, 10, 3)):
    """Images of one value each, which tells the class: 0, 20, 40, …"""
    numbers = np.arange(count) % classes
    images = np.broadcast_to((numbers * 20).astype(np.uint8)[:, None, None, None], (count, *shape)).copy()
    return images, np.eye(classes, dtype=np.float32)[numbers]


@given(
    st.sampled_from(WAYS),
    st.tuples(st.integers(1, 7), st.integers(1, 20), st.integers(1, 20), st.sampled_from([1, 3])),
    st.booleans(),
    st.integers(0, 2**32 - 1),
)
def test_shapes_types_sums_and_seeds(way, shape, weighted, seed):
    images = np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)
    before = images.copy()
    targets = np.eye(5, dtype=np.float32)[np.arange(shape[0]) % 5]
    weights = np.linspace(0.5, 2, shape[0], dtype=np.float32) if weighted else None
    mixer = Mixer(AugmentationParams(**way))
    mixed, soft, total = mixer(images, targets, weights, seed)
    assert (mixed.shape, mixed.dtype, soft.dtype) == (images.shape, np.uint8, np.float32)
    assert np.all(soft >= 0)
    assert soft.sum(axis=1) == pytest.approx(1, abs=1e-6)
    assert (total is None) == (weights is None)
    if weighted:
        assert total.dtype == np.float32
        assert np.all((total > 0.49) & (total < 2.01))
    assert np.array_equal(images, before)
    for one, other in zip(mixer(images, targets, weights, seed), (mixed, soft, total), strict=True):
        assert np.array_equal(one, other)


@pytest.mark.parametrize("way", WAYS)
def test_targets_are_the_shares_of_the_images(way):
    images, targets = planted(10, 10)
    mixer = Mixer(AugmentationParams(**way))
    for seed in range(50):
        mixed, soft, _ = mixer(images, targets, None, seed)
        # The mean value of an image tells the mean class, for either way; a class is left to itself at times.
        expected = soft @ (20 * np.arange(10))
        assert mixed.mean(axis=(1, 2, 3)) == pytest.approx(expected, abs=0.51)
        assert np.all(np.count_nonzero(soft, axis=1) <= 2)


def test_each_batch_has_one_way_and_both_are_as_frequent():
    images, targets = planted(8, 8)
    mixer = Mixer(AugmentationParams(mixup=1.0, cutmix=1.0))
    pasted = []
    for seed in range(400):
        mixed, _, _ = mixer(images, targets, None, seed)
        # CutMix keeps the values of whole images.
        kept = np.all(mixed % 20 == 0, axis=(1, 2, 3))
        pasted.append(kept.mean() > 0.9)
        assert kept.all() or not pasted[-1]
    assert 160 < sum(pasted) < 240


def test_shares_are_those_of_the_beta_distribution():
    images, targets = planted(2000, 2)
    for alpha in (0.2, 1.0):
        _, soft, _ = Mixer(AugmentationParams(mixup=alpha))(images, targets, None, 3)
        shares = soft.max(axis=1)[np.count_nonzero(soft, axis=1) == 2]
        # Half of the pairs differ. The larger share of a pair: 1/2 + |x - 1/2| for x from Beta(alpha, alpha).
        drawn = np.random.default_rng(0).beta(alpha, alpha, 100_000)
        expected = np.abs(drawn - 0.5).mean() + 0.5
        assert shares.mean() == pytest.approx(expected, abs=0.02)


def test_cut_mix_pastes_a_rectangle_of_the_partner_at_its_place():
    images = np.random.default_rng(0).integers(0, 256, (40, 20, 30, 3), dtype=np.uint8)
    partners = np.roll(np.arange(40), 1)
    shares = np.linspace(0, 1, 40)
    mixed, kept = cut_mix(images, partners, shares, np.random.default_rng(1))
    for number, image in enumerate(mixed):
        own, other = (image == images[number]).all(axis=2), (image == images[partners[number]]).all(axis=2)
        assert (own | other).all()
        assert kept[number] == pytest.approx(own.mean(), abs=0.01)
        rows, columns = np.flatnonzero((~own).any(axis=1)), np.flatnonzero((~own).any(axis=0))
        if len(rows):
            assert other[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].all()
    # Cut at the border, the rectangle can only be smaller than drawn; but for whole pixels.
    assert np.all(kept >= shares - 0.1)
    assert kept[-1] == 1


def test_mix_up_blends_and_rounds():
    images = np.stack([np.full((2, 2, 1), value, np.uint8) for value in (0, 255)])
    mixed, shares = mix_up(images, np.array([1, 0]), np.array([0.25, 0.9]), np.random.default_rng(0))
    assert mixed[:, 0, 0, 0].tolist() == [191, 230]
    assert shares.tolist() == [0.25, 0.9]


@pytest.mark.parametrize("loss", ["cross_entropy", "mean_squared_error"])
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@settings(max_examples=20)
@given(st.floats(0.01, 0.99), st.floats(0.1, 5), st.floats(0.1, 5))
def test_the_gradient_is_that_of_both_images_losses(loss, smoothing, share, of_one, of_other):
    """For both losses, with class weights and label smoothing: soft targets are no approximation."""
    if smoothing and loss != "cross_entropy":
        return
    objective = loss_function(PARAMS["mlp"](loss=loss, label_smoothing=smoothing))
    one, other = np.eye(3, dtype=np.float32)[[0, 2]]
    weights = np.array([of_one, of_other], dtype=np.float32)
    own, theirs = share * of_one, (1 - share) * of_other
    soft = (own * one + theirs * other) / (own + theirs)

    def mixed(predicted):
        return float(objective(soft[None], predicted[None], np.array([own + theirs])))

    def both(predicted):
        losses = [float(objective(each[None], predicted[None])) for each in (one, other)]
        return float(np.dot([share, 1 - share] * weights, losses))

    # But for a constant, which has no gradient.
    points = np.array([[0.2, 0.3, 0.5], [0.6, 0.3, 0.1], [0.1, 0.8, 0.1]], dtype=np.float32)
    differences = [mixed(point) - both(point) for point in points]
    assert np.ptp(differences) == pytest.approx(0, abs=2e-5)


def test_weights_are_mixed_like_targets():
    images, targets = planted(6, 2)
    weights = np.array([1, 3] * 3, dtype=np.float32)
    for seed in range(20):
        _, plain, none = Mixer(AugmentationParams(mixup=1.0))(images, targets, None, seed)
        _, soft, total = Mixer(AugmentationParams(mixup=1.0))(images, targets, weights, seed)
        assert none is None
        assert total == pytest.approx(plain @ [1, 3], abs=1e-5)
        assert soft * total[:, None] == pytest.approx(plain * [1, 3], abs=1e-5)


@pytest.mark.parametrize("weighted", [False, True])
def test_batches_can_be_repeated_from_any_epoch(weighted):
    images = Split(planted(12, 3)[0], np.arange(12) % 3, pd.DataFrame())
    params = AugmentationParams(shift=0.1, mixup=0.4, cutmix=1.0)
    weights = np.array([1, 2, 3], dtype=np.float32) if weighted else None

    def batches():
        return TrainingBatches(images, 3, 5, 3, Augmenter(params), weights, Mixer(params))

    first, again = batches(), batches()
    whole = {(epoch, index): first.draw(epoch, index) for epoch in range(3) for index in range(3)}
    for place, expected in reversed(whole.items()):
        for one, other in zip(again.draw(*place), expected, strict=True):
            assert np.array_equal(one, other)
    assert len({batch[0].tobytes() for batch in whole.values()}) == len(whole)
    streamed = list(batches().stream(1).take(3).as_numpy_iterator())
    for index, batch in enumerate(streamed):
        for one, other in zip(batch, whole[1, index], strict=True):
            assert np.array_equal(one, other)


def test_mixing_does_not_change_what_augmentation_draws():
    images = Split(
        np.random.default_rng(0).integers(0, 256, (8, 6, 6, 1), dtype=np.uint8), np.arange(8), pd.DataFrame()
    )
    params = AugmentationParams(rotation=20, horizontal_flip=True)
    plain = TrainingBatches(images, 8, 8, 0, Augmenter(params)).draw(2, 0)
    mixed = TrainingBatches(images, 8, 8, 0, Augmenter(params), None, lambda *batch: batch[:3]).draw(2, 0)
    assert np.array_equal(plain[0], mixed[0])


@pytest.mark.slow
@pytest.mark.parametrize("values", [{}, {"class_weights": "balanced"}, {"output": "sigmoid"}])
def test_a_training_on_mixed_images_learns(values):
    data = split(64), split(32, 64)
    network = PARAMS["mlp"](epochs=8, batch_size=8, hidden_units=(32,), **values)
    trained = fit("mlp", network, data, augmentation=AugmentationParams(mixup=0.2, cutmix=1.0))
    assert trained.best["val_accuracy"] > 0.9
    # The training loss has the uncertainty of the mixed targets; that of the validation images has not.
    assert trained.best["loss"] > trained.best["val_loss"]
    again = fit("mlp", network, data, augmentation=AugmentationParams(mixup=0.2, cutmix=1.0))
    assert all(
        np.array_equal(one, other)
        for one, other in zip(trained.model.get_weights(), again.model.get_weights(), strict=True)
    )
    assert isinstance(trained.model, keras.Model)
