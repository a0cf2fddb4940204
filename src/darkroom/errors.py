"""The errors that Darkroom raises on purpose.

DarkroomError               the work failed: exit code 1
├── TrainingError           training cannot go on
└── InputError              parameters, files or services given by the user are wrong: exit code 2
    └── ImageError          an image cannot be used

A message is one line: what happened, what was expected, how to fix it.
"""


class DarkroomError(Exception):
    """The work failed."""

    exit_code = 1


class TrainingError(DarkroomError):
    """Training cannot go on, for example because the loss is no longer a number."""


class InputError(DarkroomError):
    """What the user gave (parameters, files, a service's address) is wrong."""

    exit_code = 2


class ImageError(InputError):
    """An image cannot be decoded, or its pixels cannot be used."""
