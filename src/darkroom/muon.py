"""Muon: momentum whose matrices are made orthogonal before each step (K. Jordan et al., Muon, 2024).

Keras' own takes matrices alone; here the kernel of a convolution is one as well, of shape (height · width · channels,
filters), as where the method was first tried, on CIFAR-10. The classifier, biases and batch norm are left to AdamW.
"""

from typing import Any

from darkroom.backend import keras

MATRIX = 2  # dimensions
KERNEL = 4


class Muon(keras.optimizers.Muon):  # type: ignore[misc]
    """Keras' Muon, for kernels of convolutions too."""

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
