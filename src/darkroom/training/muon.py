"""Muon: momentum with orthogonalised update matrices (K. Jordan et al., Muon, 2024).

Keras' Muon supports matrices only. Here convolution kernels are reshaped to matrices (height · width · channels,
filters), as in the original CIFAR-10 experiments. AdamW updates the classifier, biases and batch norm.
"""

from typing import Any

from darkroom.base.backend import keras
from darkroom.base.hooks import require_hook

MATRIX = 2  # dimensions
KERNEL = 4


class Muon(keras.optimizers.Muon):  # type: ignore[misc]
    """Keras' Muon, extended to convolution kernels."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        # If Keras renamed them, the overrides below would never be called.
        for hook in ("_should_use_adamw", "_muon_update_step"):
            require_hook(keras.optimizers.Muon, hook, "keras")
        super().__init__(*arguments, **options)

    def _should_use_adamw(self, variable: Any) -> bool:
        if len(variable.shape) == KERNEL:
            return False
        return bool(super()._should_use_adamw(variable))

    def _muon_update_step(self, gradient: Any, variable: Any, lr: Any, m: Any) -> None:
        self.assign_add(m, keras.ops.add(gradient, m * (self.momentum - 1)))
        direction = keras.ops.add(gradient, self.momentum * m) if self.nesterov else m
        matrix = keras.ops.reshape(direction, (-1, direction.shape[-1]))
        step = self.lr_adjust(lr * self.zeropower_via_newtonschulz5(matrix, self.ns_steps))
        self.assign_sub(variable, keras.ops.reshape(step, variable.shape))
