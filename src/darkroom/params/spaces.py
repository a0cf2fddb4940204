"""Search spaces, as in ``search.<network>`` or a network's ``SPACE``."""

from pydantic import Field, JsonValue

from darkroom.params.section import Name, Section


class Range(Section):
    """The values to try for one parameter: numbers from ``low`` to ``high``, or one of ``choices``."""

    low: float | None = None
    high: float | None = None
    log: bool = False
    choices: tuple[JsonValue, ...] | None = None
    """Any valid values: numbers, strings, null, lists, or mappings such as a whole ``schedule``."""
    when: dict[Name, JsonValue] = Field(default={})
    """Conditions: the parameter is tried only if these others have the given value, or one of the given list."""

    def conditions(self) -> dict[str, tuple[JsonValue, ...]]:
        """Return the allowed values of each parameter in ``when``."""
        return {name: tuple(wanted) if isinstance(wanted, list) else (wanted,) for name, wanted in self.when.items()}


class SearchSpace(Section):
    """The searched parameters in three groups; dotted names refer to parts, such as ``schedule.warmup``."""

    architecture: dict[str, Range] = Field(default={})
    learning: dict[str, Range] = Field(default={})
    regularisation: dict[str, Range] = Field(default={})

    def ranges(self) -> dict[str, Range]:
        """Return the three groups as one mapping, each parameter after those that its conditions name.

        Parameters whose conditions form a cycle are left out; ``cycle`` returns them.
        """
        waiting = {**self.architecture, **self.learning, **self.regularisation}
        ordered: dict[str, Range] = {}
        while ready := [name for name, tried in waiting.items() if not tried.when.keys() & waiting.keys()]:
            ordered[ready[0]] = waiting.pop(ready[0])
        return ordered

    def cycle(self) -> list[str]:
        """Return the parameters that can never be tried, because their conditions form a cycle."""
        return sorted({**self.architecture, **self.learning, **self.regularisation}.keys() - self.ranges().keys())
