"""Change bytes at random. Each mutation takes a generator, so that a seed and a number give the same bytes."""

from collections.abc import Callable, Sequence

import numpy as np

MOST = 8  # mutations of one input
INTERESTING = (
    b"\0",
    b"\xff",
    b"\x7f",
    b"\x80",
    b"\0\0\0\0",
    b"\xff\xff\xff\xff",
    b"\x7f\xff\xff\xff",
    b"\xff\xff\xff\x7f",
)
"""Zero, and the largest and smallest numbers of one and four bytes in either order."""

Mutation = Callable[[bytearray, np.random.Generator], None]


def mutate(content: bytes, generator: np.random.Generator, dictionary: Sequence[bytes] = ()) -> bytes:
    """Return content with one to ``MOST`` changes, mostly few; ``dictionary`` has words of the format."""
    changed = bytearray(content)
    for _ in range(min(int(generator.geometric(0.5)), MOST)):
        if not changed:
            break
        mutation = _MUTATIONS[generator.integers(len(_MUTATIONS))]
        mutation(changed, generator)
        if dictionary and changed and generator.random() < 0.25:  # noqa: PLR2004
            _write(changed, generator, dictionary[int(generator.integers(len(dictionary)))])
    return bytes(changed)


def _place(content: bytearray, generator: np.random.Generator) -> int:
    """Choose a place; half of them near the start, where most formats have their structure."""
    near = min(len(content), 128) if generator.random() < 0.5 else len(content)  # noqa: PLR2004
    return int(generator.integers(near))


def _write(content: bytearray, generator: np.random.Generator, word: bytes) -> None:
    place = _place(content, generator)
    content[place : place + len(word)] = word


def _flip_bit(content: bytearray, generator: np.random.Generator) -> None:
    content[_place(content, generator)] ^= 1 << int(generator.integers(8))


def _set_byte(content: bytearray, generator: np.random.Generator) -> None:
    content[_place(content, generator)] = int(generator.integers(256))


def _set_interesting(content: bytearray, generator: np.random.Generator) -> None:
    _write(content, generator, INTERESTING[generator.integers(len(INTERESTING))])


def _remove(content: bytearray, generator: np.random.Generator) -> None:
    place = _place(content, generator)
    del content[place : place + int(generator.integers(1, 33))]


def _insert(content: bytearray, generator: np.random.Generator) -> None:
    place = _place(content, generator)
    content[place:place] = generator.bytes(int(generator.integers(1, 33)))


def _repeat(content: bytearray, generator: np.random.Generator) -> None:
    start, place = _place(content, generator), _place(content, generator)
    content[place:place] = content[start : start + int(generator.integers(1, 65))]


def _truncate(content: bytearray, generator: np.random.Generator) -> None:
    del content[int(generator.integers(len(content))) :]


_MUTATIONS: tuple[Mutation, ...] = (
    *(_flip_bit, _set_byte, _set_interesting) * 3,
    *(_remove, _insert, _repeat),
    _truncate,
)
