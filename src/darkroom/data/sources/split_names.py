"""Recognise names of splits in their common spellings: ``train``, ``TRAIN_SET``, ``val2017``, ``test-00000-of-1``."""

import re
import unicodedata
from collections.abc import Iterable
from typing import Literal

from darkroom.base.types import SplitName

Part = SplitName | Literal["unlabelled", "unclear"]
"""What a name is called after: a split, images without labels, or a part of the data that is no split of its own."""

_WORDS: dict[Part, str] = {
    "train": "train training trn trainval 训练 训练集",
    "validation": "val valid validation validate vali vld dev devel development eval evaluation 验证 验证集",
    "test": "test testing tst holdout heldout 测试 测试集",
    "unlabelled": "unlabelled unlabeled unsup unsupervised",
    "unclear": "fold split subset traintest trainingtesting",
}
_PARTS: dict[str, Part] = {word: part for part, words in _WORDS.items() for word in words.split()}
_SPLITS: dict[str, SplitName] = {"train": "train", "validation": "validation", "test": "test"}
_FILLERS = frozenset(
    (
        *(
            "set",
            "sets",
            "data",
            "dataset",
            "datasets",
            "split",
            "splits",
            "sample",
            "samples",
            "file",
            "files",
            "folder",
        ),
        *("image", "images", "img", "imgs", "picture", "pictures", "pic", "pics", "photo", "photos", "dir"),
        *("folder", "part", "new", "final", "full", "raw", "small", "big", "public", "private", "the", "of"),
    )
)
"""Words that may stand beside a split's: ``test images``, ``train_data``."""
_TWO_WORDS = {("hold", "out"): "holdout", ("held", "out"): "heldout", ("train", "val"): "trainval"}
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_WORD = re.compile(r"[^\W\d_]+")


def part_of(name: str) -> Part | None:
    """Return what a folder is called after if its name says nothing else; None for any other name.

    ``unclear`` is a name of several splits, or of a fold or subset.
    """
    plain = unicodedata.normalize("NFKC", name)
    return _part_of(plain.casefold()) or _part_of(_CAMEL.sub(" ", plain))


def _part_of(name: str) -> Part | None:
    words = [word for word in _words(name) if word not in _FILLERS or word == "split"]
    parts = [_PARTS.get(word) for word in words]
    named = {part for part in parts if part is not None}
    if None in parts or not named:
        return None
    if len(named - {"unclear"}) == 1:  # "train split" is a name of train
        return (named - {"unclear"}).pop()
    return "unclear"


def split_of(name: str) -> SplitName | None:
    """Return the split that a folder or a cell is called after; None if it is none."""
    return as_split(part_of(name))


def as_split(part: Part | None) -> SplitName | None:
    """Return a part of the data as a split; None if it is none."""
    return _SPLITS.get(part or "")


def part_within(names: Iterable[str]) -> Part | None:
    """Return the split of a file from the parts of its path: the last that has a split's word decides.

    Args:
        names: folders below the source and the file's stem, such as ``default``, ``partial-train``, ``0000``.
    """
    for name in reversed(list(names)):
        plain = unicodedata.normalize("NFKC", name)
        for text in (plain.casefold(), _CAMEL.sub(" ", plain)):
            found = {_PARTS[word] for word in _words(text) if word in _PARTS} - {"unclear"}
            if found:
                return found.pop() if len(found) == 1 else "unclear"
    return None


def _words(name: str) -> list[str]:
    """Return the words of a name in lower case, without numbers: ``["test", "set"]`` for ``TestSet_01``."""
    words = [word.casefold() for word in _WORD.findall(name)]
    joined: list[str] = []
    for word in words:
        if joined and (joined[-1], word) in _TWO_WORDS:
            joined[-1] = _TWO_WORDS[joined[-1], word]
        else:
            joined += _without_ending(word)
    return joined


def _without_ending(word: str) -> list[str]:
    """Divide ``trainset`` and ``testimages`` into two words."""
    for ending in _FILLERS:
        if word.endswith(ending) and word.removesuffix(ending) in _PARTS:
            return [word.removesuffix(ending), ending]
    return [word]
