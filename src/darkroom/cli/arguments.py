"""Argument types: each function parses one argument or raises ``ArgumentTypeError``."""

import argparse

CLEANABLE = ("models", "runs", "cache", "searches", "trainings", "images", "experiments")


def probability(text: str) -> float:
    """Parse a number from 0 to 1."""
    value = float(text)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text} given, a number from 0 to 1 was expected")
    return value


def share(text: str) -> float:
    """Parse a number above 0, up to 1."""
    value = float(text)
    if not 0 < value <= 1:
        raise argparse.ArgumentTypeError(f"{text} given, a number above 0, up to 1, was expected")
    return value


def level(text: str) -> float:
    """Parse a significance level, 0.001 to 0.5."""
    value = float(text)
    # Lower levels would need minutes of permutations.
    if not 0.001 <= value <= 0.5:  # noqa: PLR2004
        raise argparse.ArgumentTypeError(f"{text} given, a number from 0.001 to 0.5 was expected")
    return value


def seed(text: str) -> int:
    """Parse an integer of at least 0."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text} given, an integer of at least 0 was expected")
    return int(text)


def add_archive_option(command: argparse.ArgumentParser) -> None:
    """Add the encoding of names in an archive that does not say it."""
    meaning = "of names in a zip or tar file that does not say it, such as cp437, cp1252, cp932 or gbk"
    command.add_argument("--name-encoding", type=encoding, metavar="ENCODING", help=meaning)


def encoding(text: str) -> str:
    """Parse the name of an encoding."""
    try:
        "a".encode(text)
    except LookupError:
        raise argparse.ArgumentTypeError(f"{text} given, an encoding such as cp1252 or gbk was expected") from None
    return text


def network(text: str) -> str:
    """Parse the name of a network."""
    # Not `choices`: with them, argparse before Python 3.12 requires a value.
    from darkroom.networks import names

    if text not in names():
        raise argparse.ArgumentTypeError(f"{text} given, one of {', '.join(names())} was expected")
    return text


def image_size(text: str) -> tuple[int, ...]:
    """Parse ``HxWxC`` as (height, width, channels)."""
    parts = text.replace("×", "x").split("x")
    if len(parts) != 3 or not all(part.isdigit() and int(part) for part in parts) or parts[2] not in {"1", "3"}:  # noqa: PLR2004
        raise argparse.ArgumentTypeError(f"{text} given, height x width x channels was expected, such as 64x48x3")
    return tuple(map(int, parts))


def class_count(text: str) -> int:
    """Parse an integer of at least 2."""
    if not text.isdigit() or int(text) < 2:  # noqa: PLR2004
        raise argparse.ArgumentTypeError(f"{text} given, an integer of at least 2 was expected")
    return int(text)


def count(text: str) -> int:
    """Parse an integer of at least 1."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} given, an integer of at least 1 was expected")
    return int(text)


def cleanable(text: str) -> str:
    """Parse a kind of data that ``darkroom clean`` can free."""
    # Not `choices`: with them, argparse before Python 3.12 requires at least one value.
    if text not in CLEANABLE:
        raise argparse.ArgumentTypeError(f"{text} given, one of {', '.join(CLEANABLE)} was expected")
    return text
