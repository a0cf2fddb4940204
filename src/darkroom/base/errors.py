"""Darkroom's exception classes.

DarkroomError               the work failed: exit code 1
├── TrainingError           training cannot continue
└── InputError              the user's parameters, files or services are wrong: exit code 2
    └── ImageError          an image cannot be used
        └── ImageMemoryError    … because too little memory is free

A message is one line: what happened, what was expected, how to fix it.
"""


class DarkroomError(Exception):
    """The work failed."""

    exit_code = 1


class TrainingError(DarkroomError):
    """Training cannot continue, for example because the loss is NaN."""


class InputError(DarkroomError):
    """The user's input (parameters, files, a service's address) is wrong."""

    exit_code = 2


class ImageError(InputError):
    """An image cannot be decoded or its pixels cannot be used."""


class ImageMemoryError(ImageError):
    """Too little memory is free to decode an image; it may succeed later."""
