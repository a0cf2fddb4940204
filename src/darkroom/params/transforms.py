"""Transforms of albumentations by name: create and check them. The only module that imports the library.

Its repository is archived, and its last release, 2.0.8, is pinned. It is imported only if params.yaml names one of its
transforms, since that takes a second.
"""

import inspect
import json
import math
import warnings
from collections.abc import Iterator, Mapping, Sequence
from functools import cache, lru_cache
from typing import Any

import numpy as np
from pydantic import ValidationError

from darkroom.params import bounded
from darkroom.params.spelling import did_you_mean, suggestion

MAXIMUM_MESSAGE = 200
"""Longest text of the library's errors that is shown, in characters."""
TRIALS = 8
"""Random draws that are tried on an image."""
LARGE, MUCH_LARGER = 256, 4
"""A parameter is tried within limits of time and memory if it is above 256, above the image's side and more than four
times its default: a kernel of a million pixels blurs one small image for minutes."""
Transform = Any
"""A transform of the library, which has no types."""


@cache
def _kinds() -> dict[str, type]:
    """Return the library's transforms of images by name, without base classes and ``Lambda``, which needs functions."""
    import albumentations

    bases = albumentations.ImageOnlyTransform, albumentations.DualTransform
    others = {*bases, albumentations.Lambda}
    found = {name: kind for name, kind in vars(albumentations).items() if isinstance(kind, type) and kind not in others}
    volumes = albumentations.Transform3D
    return {name: kind for name, kind in found.items() if issubclass(kind, bases) and not issubclass(kind, volumes)}


def names() -> list[str]:
    """Return the names of all transforms."""
    return sorted(_kinds())


def moves_pixels(name: str) -> bool:
    """Return whether a transform moves or hides parts of the image, in contrast to those that change values alone."""
    import albumentations

    return issubclass(_kinds()[name], albumentations.DualTransform)


def create(name: str, parameters: Mapping[str, Any]) -> Transform:
    """Create a transform.

    Args:
        name: the name of its class in the library.
        parameters: keyword arguments, as read from YAML.

    Raises:
        ValueError: there is no such transform or parameter, a value is refused, or the transform needs more than an
            image; the text is one line.
    """
    kind = _kinds().get(name)
    if kind is None:
        raise ValueError(
            f"albumentations has no transform {name!r}{did_you_mean(name, _kinds())}; docs/augmentation.md lists them"
        )
    known = inspect.signature(kind).parameters.keys() - {"strict"}
    for key in parameters:
        if key not in known:
            raise ValueError(f"{name} has no parameter {key!r}{suggestion(key, known)}")
        if not all(math.isfinite(number) for number in _numbers(parameters[key]) if isinstance(number, float)):
            raise ValueError(f"{name}: {key}: {parameters[key]} given; numbers must be finite")
    try:
        created = _created(kind, parameters)
    except Exception as error:  # noqa: BLE001 - it raises anything
        raise ValueError(f"{name}: {_reason(error)}") from None
    if needed := sorted(set(created.targets_as_params) - {"image"}):
        raise ValueError(f"{name} needs {', '.join(needed)} beside the image, which training lacks; use another one")
    return created


def _created(kind: type, parameters: Mapping[str, Any]) -> Transform:
    with warnings.catch_warnings():
        # Advice to use another transform.
        warnings.simplefilter("ignore")
        try:
            # Otherwise some wrong arguments are ignored with a warning.
            return kind(**parameters, strict=True)
        except TypeError:
            return kind(**parameters)  # has no parameters but p


def _reason(error: Exception) -> str:
    """Return the library's error in one line."""
    cause = error.__cause__
    if isinstance(cause, ValidationError):
        first = cause.errors(include_url=False)[0]
        place = "".join(f"[{part}]" if isinstance(part, int) else str(part) for part in first["loc"])
        if first["type"] == "missing":
            return f"{place}: missing; add it"
        given = f" {first['input']!r} given;" if isinstance(first["input"], int | float | str | list) else ""
        message = first["msg"].removeprefix("Value error, ").replace(" should ", " must ")
        return _shortened(f"{place}:{given} {message}" if place else message)
    return _shortened(str(error))


def _shortened(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= MAXIMUM_MESSAGE else f"{line[:MAXIMUM_MESSAGE]}…"


def check_on(name: str, parameters: Mapping[str, Any], size: tuple[int, int, int]) -> None:
    """Check that a transform can be applied to images and keeps their size and type.

    Args:
        name: the name of its class in the library.
        parameters: as for ``create``.
        size: height, width and channels of the images.

    Raises:
        ValueError: it cannot; the text is one line.
    """
    if refusal := _refusal(name, json.dumps(parameters), size):
        raise ValueError(refusal)


@lru_cache(256)
def _refusal(name: str, parameters: str, size: tuple[int, int, int]) -> str | None:
    """Return why a transform is refused; None if it works. Cached, because a search checks many combinations."""
    create(name, values := json.loads(parameters))
    if not _is_demanding(name, values, max(LARGE, *size)):
        return tried(name, parameters, size)
    answer = bounded.ask("darkroom.params.transforms", "tried", [name, parameters, size])
    if answer is bounded.NO_ANSWER:
        return (
            f"{name} needs more than {bounded.SECONDS} s or {bounded.MEMORY // 10**9} GB for {TRIALS} images of "
            f"{_as_text(size)} with these parameters; use smaller numbers"
        )
    return None if answer is None else str(answer)


def _is_demanding(name: str, parameters: Mapping[str, Any], large: int) -> bool:
    """Return whether a number is so much larger than usual that the work on one image may never end."""
    known = inspect.signature(_kinds()[name]).parameters
    usual = {key: known[key].default for key in parameters}
    return any(_largest(value) > max(large, MUCH_LARGER * _largest(usual[key])) for key, value in parameters.items())


def _largest(value: Any) -> float:
    """Return the largest magnitude of the numbers in a parameter, 0 without any."""
    return max(map(abs, _numbers(value)), default=0)


def _numbers(value: Any) -> Iterator[float]:
    if isinstance(value, int | float):
        yield value
    elif isinstance(value, list | tuple | Mapping):
        for part in value.values() if isinstance(value, Mapping) else value:
            yield from _numbers(part)


def tried(name: str, parameters: str, size: Sequence[int]) -> str | None:
    """Return why a transform is refused after a few draws; None if it works.

    Args:
        name: the name of its class in the library.
        parameters: its parameters as JSON.
        size: height, width and channels of the images.
    """
    transform = create(name, json.loads(parameters))
    transform.p = 1.0
    shape = tuple(size if size[2] > 1 else size[:2])
    image = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for seed in range(TRIALS):
            transform.set_random_seed(seed)
            try:
                varied = transform(image=image)["image"]
            except KeyError as error:
                return f"{name} needs {error.args[0]} beside the image, which training lacks; use another one"
            except Exception as error:  # noqa: BLE001 - it raises anything
                return f"{name} fails on images of {_as_text(size)}: {_shortened(str(error))}"
            if varied.shape[:2] != shape[:2]:
                return (
                    f"{name} changes the size from {_as_text(size)} to {_as_text(varied.shape)}; use another one, or "
                    "set its size to that of preprocess.size"
                )
            if varied.size != image.size or varied.dtype != np.uint8:
                return (
                    f"{name} turns {_as_text(size)} values of uint8 into {_as_text(varied.shape)} of {varied.dtype}; "
                    "use another one, since the network expects images as they are"
                )
    return None


def _as_text(size: Sequence[int]) -> str:
    return "×".join(map(str, size))
