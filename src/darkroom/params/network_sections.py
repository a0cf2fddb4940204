"""Sections of params.yaml with one subsection per network: ``train`` here, ``search`` in ``search.py``.

The networks are the files in ``networks/``, so their subsections are not declared as fields. Each is validated with the
class that its network's file defines.
"""

import json
from typing import Annotated, Any, Self, cast

from pydantic import ConfigDict, Field, TypeAdapter, model_validator
from typing_extensions import TypedDict

from darkroom.params.network_fields import Strategy
from darkroom.params.network_files import PARAMS, names
from darkroom.params.section import Section


class NetworkSections(Section):
    """A section whose keys, apart from its declared fields, are network names."""

    model_config = ConfigDict(extra="allow")

    @classmethod
    def kind_of(cls, network: str, /) -> type[Section]:
        """Return the class that validates a network's subsection."""
        raise NotImplementedError(network)

    @property
    def parts(self) -> dict[str, Any]:
        """The given subsections by network; None for null."""
        return self.__pydantic_extra__ or {}

    @model_validator(mode="after")
    def _check_parts(self) -> Self:
        raw = {name: part for name, part in self.parts.items() if not isinstance(part, Section)}
        if not raw:
            return self
        # All subsections at once, so that every error is reported, with its full location.
        known = {name: self.kind_of(name) | None for name in raw if name in names()}
        kind = cast("Any", TypedDict)("Parts", known)
        kind.__pydantic_config__ = ConfigDict(extra="forbid")
        # Through JSON, as for params.yaml.
        self.parts.update(TypeAdapter(kind).validate_json(json.dumps(raw)))
        return self


class TrainParams(NetworkSections):
    """Seed and device strategy of all trainings, and the parameters of each network."""

    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    strategy: Strategy = "none"

    @classmethod
    def kind_of(cls, network: str, /) -> type[Section]:
        """Return the network's parameter class."""
        return PARAMS[network]
