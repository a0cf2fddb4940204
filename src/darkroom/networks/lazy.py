"""Lazily imported Keras for network files, which are also imported without TensorFlow to check params.yaml."""

from importlib import import_module
from typing import Any


class _Keras:
    """Proxy that imports Keras on first attribute access."""

    def __getattr__(self, name: str) -> Any:
        return getattr(import_module("darkroom.base.backend").keras, name)


keras: Any = _Keras()
Tensor = Any
"""A Keras tensor; ``Any``, because naming Keras's type would import Keras."""
