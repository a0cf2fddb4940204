"""The gate's statistics against enumeration, published values and simulation."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.optimize import minimize_scalar

from darkroom.promotion.statistics import grouped, paired, power, spending

MARGIN = 0.02


def test_the_score_is_tangos():
    # The restricted maximum likelihood by numerical search, for 43 of 100 images discordant.
    won, lost, images, gain = 18, 25, 100, -0.1

    def against(loss):
        return -(won * math.log(loss + gain) + lost * math.log(loss) + 57 * math.log(1 - 2 * loss - gain))

    found = minimize_scalar(against, bounds=(0.1 + 1e-9, 0.55 - 1e-9), method="bounded", options={"xatol": 1e-12}).x
    expected = (won - lost - images * gain) / math.sqrt(images * (2 * found + gain * (1 - gain)))
    assert paired.score(np.array(won), np.array(lost), images, gain) == pytest.approx(expected, abs=1e-5)
    # Without a margin it is McNemar's statistic.
    assert paired.score(np.array(9), np.array(4), 50, 0.0) == pytest.approx(5 / math.sqrt(13))
    assert paired.score(np.array(0), np.array(0), 50, 0.0) == 0


def tail(won, lost, images, gain, shares):
    """The probability of a score at least as large, by all outcomes, at each share of discordant images."""
    reached = float(paired.score(np.array(won), np.array(lost), images, gain))
    outcomes = [(more, less) for more in range(images + 1) for less in range(images + 1 - more)]
    won, lost = np.array(outcomes).T
    won, lost = (each[paired.score(won, lost, images, gain) >= reached - 1e-9] for each in (won, lost))
    same = images - won - lost
    ways = stats.multinomial.pmf(np.stack([won, lost, same], axis=1), images, [1 / 3] * 3) * 3**images
    more, less = np.maximum((shares + gain) / 2, 0)[:, None], np.maximum((shares - gain) / 2, 0)[:, None]
    return (ways * more**won * less**lost * (1 - shares)[:, None] ** same).sum(axis=1)


@pytest.mark.parametrize(("won", "lost", "gain"), [(0, 0, -0.2), (3, 1, -0.1), (5, 2, 0.0), (6, 0, 0.1), (1, 2, -0.5)])
def test_the_exact_p_value_is_the_largest_over_the_shares_of_discordant_images(won, lost, gain):
    images = 14
    shares = np.linspace(max(abs(gain), 1e-9), 0.999, 60)
    expected = tail(won, lost, images, gain, shares).max()
    assert paired.p_value(won, lost, images, gain) == pytest.approx(expected, abs=2e-4)


def lower_bound(won, lost, images, level):
    """The bound of independent images."""
    gained = np.repeat([1, -1, 0], [won, lost, images - won - lost])
    return grouped.lower_bound(gained, np.ones(images, dtype=np.int64), level)


def test_without_a_discordant_image_the_bound_is_known():
    # 14 images tell no less than .193: (1 - .193)^14 is .05.
    assert lower_bound(0, 0, 14, 0.05) == pytest.approx(0.05 ** (1 / 14) - 1, abs=3e-5)
    assert paired.p_value(0, 0, 14, -0.02) == pytest.approx(0.98**14, abs=2e-6)
    assert paired.p_value(0, 3, 14, -0.02) == 1.0
    assert paired.p_value(0, 100, 100, -0.5) == 1.0
    assert paired.p_value(100, 0, 100, -0.5) <= 1e-5


@pytest.mark.parametrize("images", [10, 14, 20, 50])
def test_not_worse_passes_in_at_most_5_percent_at_the_margin(images):
    """Exactly: all outcomes, weighted by their probability for every share of discordant images."""
    outcomes = [(won, lost) for won in range(images + 1) for lost in range(images + 1 - won) if won + lost <= 12]
    passing = [one for one in outcomes if paired.p_value(*one, images, -MARGIN) <= 0.05]
    for share in np.linspace(MARGIN, 0.1, 9):
        size = sum(
            math.comb(images, won + lost)
            * math.comb(won + lost, won)
            * ((share - MARGIN) / 2) ** won
            * ((share + MARGIN) / 2) ** lost
            * (1 - share) ** (images - won - lost)
            for won, lost in passing
        )
        assert size <= 0.05


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 12), st.integers(0, 12), st.integers(24, 400), st.sampled_from([0.05, 0.025, 0.001]))
def test_bound_and_p_value_agree(won, lost, images, level):
    low = lower_bound(won, lost, images, level)
    assert paired.p_value(won, lost, images, low) <= level
    assert paired.p_value(won, lost, images, low + 2 * grouped.PRECISION) > level
    assert -1 <= low <= (won - lost) / images


@given(st.lists(st.integers(-4, 4), min_size=1, max_size=9))
def test_the_signs_of_groups_are_counted_out(gains):
    signs = itertools.product((-1, 1), repeat=len(gains))
    sums = [sum(sign * gain for sign, gain in zip(each, gains, strict=True)) for each in signs]
    expected = sum(each >= sum(gains) for each in sums) / len(sums)
    if any(gain > 0 for gain in gains):
        assert grouped.sign_flip(np.array(gains)) == pytest.approx(expected)
    else:
        assert grouped.sign_flip(np.array(gains)) == 1


@given(st.integers(0, 40), st.integers(0, 40))
def test_groups_of_one_image_are_mcnemars_test(won, lost):
    assert grouped.sign_flip(np.repeat([1, -1, 0], [won, lost, 3])) == pytest.approx(paired.mcnemar(won, lost))


def test_six_groups_can_tell_and_five_cannot():
    assert grouped.sign_flip(np.full(6, 7)) == 1 / 64 <= 0.025 < grouped.sign_flip(np.full(5, 7)) == 1 / 32


def test_gains_and_sizes_of_groups():
    candidate, champion = np.array([1, 1, 0, 1, 0], dtype=bool), np.array([0, 1, 1, 0, 0], dtype=bool)
    gained, sizes = grouped.gains(candidate, champion, np.array([7, 7, 3, 7, 9]))
    assert (gained.tolist(), sizes.tolist()) == ([-1, 2, 0], [1, 3, 1])
    assert grouped.design_effect(sizes) == pytest.approx(11 / 5)


def test_few_near_duplicates_change_little():
    gains, sizes = np.zeros(355, dtype=np.int64), np.ones(355, dtype=np.int64)
    gains[:8], sizes[-7:] = [1, -1] * 4, 2
    assert grouped.p_value(gains, sizes, -MARGIN) == paired.p_value(3, 4, 348, -MARGIN)


@pytest.mark.parametrize(("size", "groups"), [(2, 184), (10, 313)])
def test_the_groups_that_a_margin_needs_if_none_gains_or_loses(size, groups):
    """The figures of docs/evaluation.md."""

    def p(count):
        return grouped.p_value(np.zeros(count, dtype=np.int64), np.full(count, size), -MARGIN)

    assert p(groups) <= 0.025 < p(groups - 1)


def test_a_bet_on_groups_without_a_loss_is_the_exact_bound():
    sizes = np.full(200, 10)
    lost_whole = 0.98**200
    assert lost_whole <= grouped.betting(np.zeros(200, dtype=np.int64), sizes, -MARGIN) <= grouped.BETS * lost_whole
    assert grouped.betting(np.full(30, -10), np.full(30, 10), -MARGIN) == 1


@pytest.mark.parametrize(("count", "size"), [(6, 20), (150, 2), (300, 10)])
@pytest.mark.parametrize("alike", [0.0, 1.0])
def test_groups_pass_in_at_most_5_percent_at_the_margin(count, size, alike):
    generator, passed, draws = np.random.default_rng(0), 0, 150
    for _ in range(draws):
        whole = generator.choice([-size, 0, size], count, p=[0.06, 0.9, 0.04])
        single = generator.choice([-1, 0, 1], (count, size), p=[0.06, 0.9, 0.04]).sum(axis=1)
        gains = whole if alike else single
        passed += grouped.p_value(gains, np.full(count, size), -MARGIN) <= 0.05
    assert passed <= 13  # 5 % of 150, and two standard errors


def test_levels_sum_to_twice_the_first():
    assert [spending.level(0.025, number) for number in (1, 2, 3)] == pytest.approx([0.025, 0.025 / 3, 0.025 / 6])
    assert sum(spending.level(0.025, number) for number in range(1, 21)) == pytest.approx(0.05 * 20 / 21)
    assert spending.level(0.025, 1.5) == pytest.approx(0.05 / 3.75)


def test_in_20_decisions_between_equal_models_at_most_5_percent_promote_one():
    generator, draws = np.random.default_rng(0), 1000
    hard = generator.random((draws, 21, 40)) < 0.5
    champion, promoted = hard[:, 0].copy(), np.zeros(draws, dtype=bool)
    for number in range(1, 21):
        candidate = hard[:, number]
        won, lost = (candidate & ~champion).sum(axis=1), (champion & ~candidate).sum(axis=1)
        p = [paired.mcnemar(*map(int, pair)) for pair in zip(won, lost, strict=True)]
        wins = np.array(p) <= spending.level(0.025, number)
        promoted |= wins
        champion[wins] = candidate[wins]
    assert 0 < promoted.mean() <= 0.05


@pytest.mark.parametrize(
    ("images", "gain", "disagreement", "level"),
    [(60, 0.1, 0.2, 0.025), (30, 0.0, 0.5, 0.2), (9, 0.3, 0.1, 0.09), (5, 1.0, 0.05, 1 / 32), (4, 1.0, 0.05, 1 / 32)],
)
def test_the_power_of_the_exact_test(images, gain, disagreement, level):
    expected, share = 0.0, max(disagreement, gain)
    for won in range(images + 1):
        for lost in range(images + 1 - won):
            if paired.mcnemar(won, lost) <= level:
                ways = math.comb(images, won + lost) * math.comb(won + lost, won)
                chance = ((share + gain) / 2) ** won * ((share - gain) / 2) ** lost
                expected += ways * chance * (1 - share) ** (images - won - lost)
    assert power.power(images, gain, disagreement, level) == pytest.approx(expected, abs=1e-12)


def test_the_gain_that_is_found():
    gain = power.detectable_gain(362, 0.05, 0.025)
    assert gain == pytest.approx(0.0336, abs=2e-4)
    assert power.power(362, gain, 0.05, 0.025) >= power.POWER > power.power(362, gain - 2e-4, 0.05, 0.025)
    assert power.power(362, 0.01, 0.05, 0.025) == pytest.approx(0.089, abs=1e-3)
    assert power.detectable_gain(5, 0.05, 0.025) is None
    assert power.detectable_gain(6, 0.05, 0.025) is not None
    told = power.words(362, 0.05, 0.025)
    assert told.startswith(
        "with 362 independent test images, a gain of 3.4 points is found in 80 % of cases (level 0.025"
    )
    assert power.words(5, 0.05, 0.025) == "with 5 independent test images, no gain is found in 80 % of cases"


def test_the_images_that_a_margin_needs():
    # Without a discordant image: .98^n <= .025.
    assert power.images_for_margin(0.02, 0.0, 0.025) == 393
    assert power.images_for_margin(0.02, 0.1, 0.025) == 1963
    assert power.images_for_margin(0.3, 0.0, 0.025) == 27
    assert power.images_for_margin(0, 0.1, 0.025) == power.LARGEST_TEST_SET


@pytest.mark.parametrize(
    ("won", "lost", "images", "gain"),
    [
        *((0, 0, 14, -0.2), (1, 0, 14, -0.1), (3, 1, 14, -0.1), (5, 2, 14, 0.0), (6, 0, 14, 0.1), (4, 3, 14, 0.0)),
        *((6, 0, 6, 0.0), (5, 1, 6, -0.4), (0, 1, 9, -0.5), (1, 2, 9, -0.5), (3, 0, 60, -0.02), (9, 4, 60, 0.01)),
    ],
)
def test_the_exact_p_value_by_all_outcomes(won, lost, images, gain):
    discordant = won + lost
    low = stats.beta.ppf(0.5e-6, discordant, images - discordant + 1) if discordant else 0
    high = stats.beta.ppf(1 - 0.5e-6, discordant + 1, images - discordant) if discordant < images else 1
    low = max(low, abs(gain))
    shares = np.sin(np.linspace(np.arcsin(np.sqrt(low)), np.arcsin(np.sqrt(high)), 100)) ** 2
    expected = tail(won, lost, images, gain, shares.clip(low, high)).max() + 1e-6
    assert paired.p_value(won, lost, images, gain) == pytest.approx(expected, abs=1e-9)


def test_p_values_at_the_ends():
    assert paired.p_value(2, 2, 14, 0.0) == 1
    assert paired.p_value(2, 3, 14, 0.0) == 1
    # No share of discordant images allows such a gain.
    assert paired.p_value(0, 0, 100, -0.5) == 1e-6
    assert [paired.mcnemar(*counts) for counts in ((0, 0), (0, 5), (5, 0), (1, 1))] == [1, 1, 1 / 32, 0.75]
    assert lower_bound(0, 5, 5, 0.025) == pytest.approx(-1, abs=1e-5)


def test_the_constants_of_the_documentation():
    assert (power.POWER, power.ASSUMED_DISAGREEMENT, power.LARGEST_TEST_SET) == (0.8, 0.05, 10_000_000)
    assert (paired.NUISANCE_ERROR, paired.SHARES, grouped.PRECISION, power.PRECISION) == (1e-6, 100, 1e-5, 1e-4)
    assert (grouped.LEAST_GROUPS, grouped.LARGEST_EFFECT, grouped.BETS) == (6, 2.5, 16)


def test_the_power_in_words():
    # The models disagree on as many images as the gain at least.
    assert power.words(362, 0.01, 0.025) == (
        "with 362 independent test images, a gain of 2.2 points is found in 80 % of cases "
        "(level 0.025, the models disagree on 2.2 % of the images)"
    )
    assert power.words(362, 0.2, 0.025).endswith("(level 0.025, the models disagree on 20.0 % of the images)")
    assert "a gain of 36.7 points is found" in power.words(20, 0.2, 0.025)


@pytest.mark.parametrize("images", [40, 362])
def test_groups_of_one_image_are_images(images):
    won, lost = 3, 5
    gained = np.repeat([1, -1, 0], [won, lost, images - won - lost])
    sizes = np.ones(images, dtype=np.int64)
    assert grouped.p_value(gained, sizes, -MARGIN) == paired.p_value(won, lost, images, -MARGIN)


def test_groups_count_as_copies_up_to_a_design_effect():
    # 40 of 96 images won and 8 lost, in groups of two and three: of 96 / 2.5 images, rounded against the candidate.
    sizes = np.repeat([2, 3], [24, 16])
    gained = np.where(np.arange(40) < 20, 2, np.where(np.arange(40) < 28, -1, 0))
    assert grouped.design_effect(sizes) == 2.5
    assert grouped.p_value(gained, sizes, -0.1) == paired.p_value(16, 4, 38, -0.1)
    more = np.append(sizes, 3)
    assert grouped.p_value(np.append(gained, 0), more, -0.1) == grouped.betting(np.append(gained, 0), more, -0.1)
    # 93 images won and 3 lost are 37 and 2 by rounding, of 38.
    assert grouped.p_value(np.append(sizes[:-1], -3), sizes, -0.1) == paired.p_value(36, 2, 38, -0.1)
    # All lost, and all won.
    assert grouped.p_value(-sizes, sizes, -0.5) == paired.p_value(0, 38, 38, -0.5) == 1
    assert grouped.p_value(sizes, sizes, 0.5) == paired.p_value(38, 0, 38, 0.5)


def test_a_bet_by_hand():
    gained, sizes, gain = np.array([2, -1, 0, 3]), np.array([3, 1, 2, 3]), -0.1
    bets = [10 ** (-3 + 3 * number / 15) / 0.9 for number in range(16)]
    capital = [
        math.prod(1 + bet * (won + 0.1 * size) / 3 for won, size in zip(gained, sizes, strict=True)) for bet in bets
    ]
    assert grouped.betting(gained, sizes, gain) == pytest.approx(min(1, 16 / sum(capital)))
    gained, sizes = np.array([2, 2, 3, 3, 2, 0]), np.array([3, 2, 3, 3, 2, 1])
    capital = [
        math.prod(1 + bet * (won + 0.1 * size) / 3 for won, size in zip(gained, sizes, strict=True)) for bet in bets
    ]
    assert 16 / sum(capital) < 1
    assert grouped.betting(gained, sizes, gain) == pytest.approx(16 / sum(capital))


def test_the_sum_of_the_first_levels():
    assert [spending.spent(0.025, decisions) for decisions in (1, 2, 20)] == pytest.approx([0.025, 0.1 / 3, 1 / 21])
    assert spending.spent(0.025, 20) == pytest.approx(sum(spending.level(0.025, number) for number in range(1, 21)))
