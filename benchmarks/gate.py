"""Error rates of the promotion gate, by simulation of decisions about models whose accuracies are known.

    python -m benchmarks.gate [DRAWS] [PART …]

Parts: reuse, margin, chain, groups, classes, first, power (default: all). Each prints a table in Markdown: what share
of DRAWS decisions (default: 2,000; lives of ``chain`` and decisions of ``classes``: a tenth) ended in an error. Seeds
are fixed.
"""

import sys
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import Any

import numpy as np
from scipy import special
from tabulate import tabulate

from darkroom.params import PromoteParams
from darkroom.promotion.contenders import Comparison
from darkroom.promotion.gate import BEST
from darkroom.promotion.rules.classes import recall
from darkroom.promotion.rules.first import first_model
from darkroom.promotion.statistics import grouped, paired, power, spending

RULES = PromoteParams()
LEVEL = RULES.significance  # of the first decision
DECISIONS = 20
LARGE = 300  # images from which the approximate test saves the exact one where it is far from the level
EASY, FIRST, POSSIBLE = 0.86, 0.9, 0.94
"""Of the chain: share of images that all models have right, accuracy of the first, share that any may have right."""
SIZES = (10, 14, 20, 50, 100, 200, 362, 1000, 2000, 5000, 10_000)

Row = dict[str, Any]


@cache
def margin_p(won: int, lost: int, images: int) -> float:
    """Return the p-value of ``not_worse``; the same counts come often."""
    return paired.p_value(won, lost, images, -RULES.margin)


def reuse(draws: int) -> Iterator[Row]:
    """Lives of 20 decisions by ``better`` between equal models on one test set, each better candidate promoted."""
    generator = np.random.default_rng(0)
    for images, disagreement in ((100, 0.1), (362, 0.02), (362, 0.1), (2000, 0.06), (10_000, 0.04)):
        # Candidates share the easy images with the champion; on the others, each is right by chance.
        hard = round(2 * disagreement * images)
        right = generator.integers(0, 2, (draws, DECISIONS + 1, hard), np.int8) == 1
        champion, promoted, promoted_without = right[:, 0].copy(), np.zeros(draws, bool), np.zeros(draws, bool)
        for look in range(1, DECISIONS + 1):
            candidate = right[:, look]
            won, lost = (candidate & ~champion).sum(axis=1), (champion & ~candidate).sum(axis=1)
            p = np.where(won > 0, special.bdtrc(np.maximum(won, 1) - 1, won + lost, 0.5), 1.0)
            promoted_without |= p <= RULES.significance
            wins = p <= spending.level(RULES.significance, look)
            promoted |= wins
            champion[wins] = candidate[wins]
        yield {
            "test images": images,
            "discordant": disagreement,
            "a false promotion in 20": promoted.mean(),
            "at the same level each time": promoted_without.mean(),
        }


def margin(draws: int) -> Iterator[Row]:
    """Decisions by ``not_worse`` where the true loss equals the margin, and where the models are equal."""
    generator = np.random.default_rng(1)
    for images in SIZES:
        row: Row = {"test images": images}
        for share in (0.02, 0.05, 0.1):
            row[f"worse by the margin, discordant {share}"] = _passed(generator, draws, images, share, RULES.margin)
        row["the same for 0.05, exactly"] = _exactly(images, 0.05)
        row["equal, discordant 0.05"] = _passed(generator, draws, images, 0.05, 0.0)
        yield row


def _passed(generator: np.random.Generator, draws: int, images: int, share: float, loss: float) -> float:
    counts = generator.multinomial(images, [(share - loss) / 2, (share + loss) / 2, 1 - share], draws)
    pairs, times = np.unique(counts[:, :2], axis=0, return_counts=True)
    passed = [_passes(int(won), int(lost), images, LEVEL) for won, lost in pairs]
    return float(times[passed].sum() / draws)


def _exactly(images: int, share: float) -> float:
    """Return the probability that a model passes that is worse by the margin, from all likely outcomes."""
    spread = 5 * np.sqrt(images * share * (1 - share))
    passed, least = 0.0, 0
    for discordant in range(max(0, int(images * share - spread)), min(images, int(images * share + spread) + 1) + 1):
        # The least number won that passes; it grows with the number of discordant images by one at most.
        least = next(
            (won for won in range(max(0, least - 1), discordant + 1) if _wins(won, discordant - won, images)),
            discordant + 1,
        )
        ways = special.gammaln([images + 1, discordant + 1, images - discordant + 1]) @ [1, -1, -1]
        chance = np.exp(ways + special.xlogy(discordant, share) + special.xlog1py(images - discordant, -share))
        enough = special.bdtrc(least - 1, discordant, (1 - RULES.margin / share) / 2) if least else 1.0
        passed += float(chance * enough) if least <= discordant else 0.0
    return passed


def _wins(won: int, lost: int, images: int) -> bool:
    return _passes(won, lost, images, LEVEL)


def chain(draws: int) -> Iterator[Row]:
    """Lives of 20 decisions by ``not_worse`` on fresh test images, each candidate worse than the champion."""
    generator = np.random.default_rng(2)
    for images in (362, 2000, 10_000):
        for step in (0.01, 0.005, 0.0025):
            ends, errors = zip(*(_life(generator, images, step) for _ in range(max(draws // 10, 20))), strict=True)
            yield {
                "test images": images,
                "points worse each time": 100 * step,
                "last champion, mean": np.mean(ends),
                "last champion, worst": np.min(ends),
                "lives beyond the margin": float(np.mean(errors)),
            }


def _life(generator: np.random.Generator, images: int, step: float) -> tuple[float, bool]:
    """Return the last champion's accuracy, and whether one ever fell beyond the margin below the best one."""
    champions, life, attempt = [0.0], 0, 0
    for decision in range(1, DECISIONS + 1):
        candidate, attempt = champions[-1] - step, attempt + 1
        # All models are right on 86 %, all are wrong on 6 %, and two of them disagree on 4 %.
        right, noise = generator.random(images), generator.random((len(champions) - life + 1, images))
        answers = [
            (right < EASY) | ((right < POSSIBLE) & (noise[number] < (FIRST - EASY + gain) / (POSSIBLE - EASY)))
            for number, gain in enumerate([*champions[life:], candidate])
        ]
        counts = [(int((answers[-1] & ~one).sum()), int((one & ~answers[-1]).sum())) for one in answers[-2::-1]]
        level = spending.level(RULES.significance, attempt)
        if all(_passes(*pair, images, level) for pair in counts):
            champions.append(candidate)
            strict = spending.level(BEST * RULES.significance, decision)
            if all(paired.mcnemar(*pair) <= strict for pair in counts):
                life, attempt = len(champions) - 1, 0
    return FIRST + champions[-1], min(champions) < -RULES.margin - 1e-9


def _passes(won: int, lost: int, images: int, level: float) -> bool:
    # Saves the exact test where the approximate one is far from the level, on many images.
    about = float(special.ndtr(-paired.score(np.array(won), np.array(lost), images, -RULES.margin)))
    if images >= LARGE and not level / 3 < about < 3 * level:
        return about <= level
    return margin_p(won, lost, images) <= level


def groups(draws: int) -> Iterator[Row]:
    """Decisions about groups of dependent images: ``better`` between equal models, ``not_worse`` at the margin."""
    generator = np.random.default_rng(3)
    for count, size in ((6, 20), (7, 50), (10, 10), (20, 20), (60, 10), (150, 2), (350, 2), (300, 10)):
        for alike in (0.0, 0.3, 1.0):
            equal = [_gains(generator, count, size, alike, 0.0) for _ in range(draws)]
            worse = [_gains(generator, count, size, alike, RULES.margin) for _ in range(draws)]
            better = [grouped.sign_flip(gained) <= RULES.significance for gained, _ in equal]
            passed = [[grouped.p_value(*one, -RULES.margin) <= LEVEL for one in ones] for ones in (worse, equal)]
            yield {
                "groups": count,
                "images per group": size,
                "groups alike": alike,
                "equal, promoted by better": np.mean(better),
                "worse by the margin, passed": np.mean(passed[0]),
                "equal, passed": np.mean(passed[1]),
            }


def _gains(generator: np.random.Generator, count: int, size: int, alike: float, loss: float) -> tuple[Any, Any]:
    """Return gains and sizes of groups; a share of them answers as one image does."""
    lost, won = 0.05 + loss / 2, 0.05 - loss / 2
    sizes = generator.integers(max(1, size // 2), size + size // 2 + 1, count) if size > 2 else np.full(count, size)  # noqa: PLR2004
    where = generator.random(count)
    whole = np.where(where < lost, -sizes, np.where(where < lost + won, sizes, 0))
    single = np.array([np.subtract(*generator.multinomial(n, [won, lost, 1 - won - lost])[:2]) for n in sizes])
    return np.where(generator.random(count) < alike, whole, single), sizes


def classes(draws: int) -> Iterator[Row]:
    """Decisions of the rule about recall, between equal models of accuracy .9 that disagree on 8 % of the images."""
    generator = np.random.default_rng(4)
    for count, size in ((10, 36), (10, 100), (100, 5), (100, 10), (100, 20), (100, 50)):
        of_image, blocked, waiting = np.repeat(np.arange(count), size), 0, 0
        times = max(draws // 10, 20)
        for _ in range(times):
            # Two of five are right on the harder 16 %.
            easy, chances = generator.random(len(of_image)), generator.random((2, len(of_image)))
            candidate, champion = (easy < 21 / 25) | (chances < 2 / 5)
            labels = tuple(map(str, range(count)))
            found = recall(Comparison(of_image, labels, candidate, champion, np.arange(len(of_image))), RULES)
            blocked += any(not finding.passed and not finding.accept for finding in found)
            waiting += any(bool(finding.accept) for finding in found)
        yield {"classes": count, "images each": size, "blocked": blocked / times, "a person is asked": waiting / times}


def first(draws: int) -> Iterator[Row]:
    """Decisions about a first model that guesses, in two to ten classes."""
    generator = np.random.default_rng(5)
    for images, count in ((20, 2), (100, 10), (362, 10), (362, 2)):
        promoted = 0
        for _ in range(draws):
            labels = generator.integers(0, count, images)
            right, largest = generator.integers(0, count, images) == labels, labels == 0
            compared = Comparison(labels, tuple(map(str, range(count))), right, largest, np.arange(images))
            promoted += first_model(compared, RULES).passed
        yield {"test images": images, "classes": count, "promoted": promoted / draws}


def detectable(_: int) -> Iterator[Row]:
    """The gain that is found in 80 % of cases, in points, without simulation."""
    for images in (100, 362, 1000, 2000, 10_000):
        row: Row = {"test images": images, "+1 point is found": power.power(images, 0.01, 0.05, 0.025)}
        for decision in (1, 5, 20):
            level = spending.level(RULES.significance, decision)
            gain = power.detectable_gain(images, power.ASSUMED_DISAGREEMENT, level)
            row[f"decision {decision}"] = None if gain is None else 100 * gain
            row[f"images for the margin at decision {decision}"] = power.images_for_margin(RULES.margin, 0.05, level)
        yield row


PARTS: dict[str, Callable[[int], Iterator[Row]]] = {
    "reuse": reuse,
    "margin": margin,
    "chain": chain,
    "groups": groups,
    "classes": classes,
    "first": first,
    "power": detectable,
}


def main(draws: int, parts: Sequence[str]) -> None:
    """Print a table for each part."""
    for part in parts:
        print(f"\n## {part}: {PARTS[part].__doc__}\n", flush=True)
        rows = [
            {name: round(float(value), 4) if isinstance(value, float) else value for name, value in row.items()}
            for row in PARTS[part](draws)
        ]
        print(tabulate(rows, headers="keys", tablefmt="github"), flush=True)


if __name__ == "__main__":
    numbers = [argument for argument in sys.argv[1:] if argument.isdigit()]
    chosen = [argument for argument in sys.argv[1:] if argument in PARTS]
    main(int(numbers[0]) if numbers else 2000, chosen or list(PARTS))
