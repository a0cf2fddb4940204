"""The space of a search as params.yaml has it. Nothing heavy is imported here."""

from pydantic import Field, JsonValue

from darkroom.sections import Name, Section


class Range(Section):
    """The values that the search tries for one parameter: from ``low`` to ``high``, or one of ``choices``."""

    low: float | None = None
    high: float | None = None
    log: bool = False
    choices: tuple[JsonValue, ...] | None = None
    """Whatever the parameter takes: numbers, words, null, lists, or mappings such as a whole ``schedule``."""
    when: dict[Name, JsonValue] = Field(default={})
    """Other parameters and the value, or list of values, with which this one is tried at all: ``{optimizer: sgd}``."""

    def conditions(self) -> dict[str, tuple[JsonValue, ...]]:
        """Return for each parameter in ``when`` the values that it may have."""
        return {name: tuple(wanted) if isinstance(wanted, list) else (wanted,) for name, wanted in self.when.items()}


class SearchSpace(Section):
    """The parameters that the search may turn, in the three groups in which one thinks about them.

    A part of a parameter has a dotted name, such as ``schedule.warmup``.
    """

    architecture: dict[str, Range] = Field(default={})
    learning: dict[str, Range] = Field(default={})
    regularisation: dict[str, Range] = Field(default={})

    def ranges(self) -> dict[str, Range]:
        """Return the three groups as one mapping from parameter to range, no parameter before one that it waits for.

        Parameters that wait for each other are left out; ``circle`` names them.
        """
        waiting = {**self.architecture, **self.learning, **self.regularisation}
        ordered: dict[str, Range] = {}
        while ready := [name for name, tried in waiting.items() if not tried.when.keys() & waiting.keys()]:
            ordered[ready[0]] = waiting.pop(ready[0])
        return ordered

    def circle(self) -> list[str]:
        """Return parameters that could never be tried, because they wait for each other."""
        return sorted({**self.architecture, **self.learning, **self.regularisation}.keys() - self.ranges().keys())
