"""Read published weights from a file that PyTorch 1.5 or older saved, without PyTorch.

Such a file holds a magic number, a protocol version, facts about the machine, a dictionary of tensors and the keys of
their storages, all of these pickled; then each storage: its number of elements and its bytes. Unpickling can run code,
so only a file of a known digest is read, and only names that tensors need are resolved.
"""

import hashlib
import io
import pickle
from collections import OrderedDict
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from darkroom.base.errors import InputError
from darkroom.base.types import Floats

MAXIMUM_BYTES = 2**30
"""Larger files are refused."""
MAGIC = 0x1950A86A20F9469CFC6C
ELEMENTS: dict[str, np.dtype[Any]] = {"FloatStorage": np.dtype("<f4"), "LongStorage": np.dtype("<i8")}


class _Storage:
    """The elements behind one or more tensors, filled in after the tensors were described."""

    def __init__(self, kind: str) -> None:
        self.elements = np.empty(0, ELEMENTS[kind])


def _tensor(storage: _Storage, offset: int, shape: tuple[int, ...], strides: tuple[int, ...], *_: Any) -> Any:
    """Describe a tensor; its arguments are those of ``torch._utils._rebuild_tensor_v2``."""
    return lambda: _view(storage.elements, offset, shape, strides)


def _view(elements: Any, offset: int, shape: tuple[int, ...], strides: tuple[int, ...]) -> Any:
    """Return a tensor's elements; strides count elements."""
    last = offset + sum((length - 1) * stride for length, stride in zip(shape, strides, strict=True))
    if min((offset, *shape, *strides)) < 0 or (0 not in shape and last >= len(elements)):
        raise pickle.UnpicklingError(f"a tensor of shape {shape} in {len(elements)} elements")
    steps = [stride * elements.itemsize for stride in strides]
    return np.lib.stride_tricks.as_strided(elements[offset:], shape, steps).copy()


class _Unpickler(pickle.Unpickler):
    """Resolves what tensors need and refuses every other name."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__(file)
        self.storages: dict[str, _Storage] = {}

    def find_class(self, module: str, name: str) -> Any:
        known: dict[tuple[str, str], Any] = {
            ("collections", "OrderedDict"): OrderedDict,
            ("torch._utils", "_rebuild_tensor_v2"): _tensor,
            **{("torch", kind): kind for kind in ELEMENTS},
        }
        if (module, name) not in known:
            raise pickle.UnpicklingError(f"{module}.{name} is not part of a tensor")
        return known[module, name]

    def persistent_load(self, pid: Any) -> _Storage:
        _, kind, key, *_ = pid
        return self.storages.setdefault(key, _Storage(kind))


def read(path: Path, sha256: str) -> dict[str, Floats]:
    """Return the tensors of a file by name.

    Args:
        path: the file.
        sha256: its digest, in hexadecimal.

    Returns:
        float32 arrays (int64 for counters).

    Raises:
        InputError: the file is missing, too large, another one, or not of this format.
    """
    try:
        if (size := path.stat().st_size) > MAXIMUM_BYTES:
            raise InputError(f"{path}: {size:,} bytes, at most {MAXIMUM_BYTES:,} expected; name another file")
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}; install the published weights again") from None
    if (found := hashlib.sha256(content).hexdigest()) != sha256:
        raise InputError(f"{path}: sha256 is {found}, expected {sha256}; install the published weights again")
    try:
        return _tensors(io.BytesIO(content))
    except (pickle.UnpicklingError, EOFError, ValueError, KeyError, AttributeError, IndexError, TypeError) as error:
        raise InputError(f"{path}: not a file of PyTorch's tensors ({error}); name another one") from None


def _tensors(file: BinaryIO) -> dict[str, Floats]:
    magic, _protocol, _machine = (_Unpickler(file).load() for _ in range(3))
    if magic != MAGIC:
        raise pickle.UnpicklingError(f"magic number {magic}")
    unpickler = _Unpickler(file)
    described = unpickler.load()
    for key in _Unpickler(file).load():
        storage = unpickler.storages[key]
        count = int(np.frombuffer(file.read(8), "<i8")[0])
        kind = storage.elements.dtype
        storage.elements = np.frombuffer(file.read(count * kind.itemsize), kind)
    return {name: make() for name, make in described.items()}
