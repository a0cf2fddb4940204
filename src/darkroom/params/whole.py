"""The model of the whole params.yaml."""

import json
from typing import Annotated

from pydantic import Field, ValidationError

from darkroom.base.errors import InputError
from darkroom.params.data import DataParams, ValidateParams
from darkroom.params.messages import first_finding
from darkroom.params.network import NetworkParams
from darkroom.params.network_files import Network, default_space, load
from darkroom.params.network_sections import TrainParams
from darkroom.params.preprocess import PreprocessParams
from darkroom.params.results import CardParams, EvaluateParams, PromoteParams, TrackingParams
from darkroom.params.search import SearchParams
from darkroom.params.section import Section
from darkroom.params.spaces import SearchSpace


class Params(Section):
    """All sections of params.yaml."""

    data: DataParams
    validation: ValidateParams = Field(alias="validate")
    preprocess: PreprocessParams
    models: Annotated[tuple[Network, ...], Field(min_length=1)]
    search: SearchParams
    train: TrainParams
    tracking: TrackingParams = TrackingParams()
    evaluate: EvaluateParams = EvaluateParams()
    promote: PromoteParams
    card: CardParams = CardParams()

    def network(self, name: Network) -> NetworkParams:
        """Return the values of ``train.<name>``, or the network's defaults if it is null or missing."""
        section: NetworkParams | None = self.train.parts.get(name)
        return load(name).Params() if section is None else section

    def space(self, name: Network) -> SearchSpace:
        """Return the search space of ``search.<name>``, or the network's default if it is null or missing."""
        section: SearchSpace | None = self.search.parts.get(name)
        return _default_space(name) if section is None else section


def _default_space(name: Network) -> SearchSpace:
    """Parse the ``SPACE`` of a network's file."""
    try:
        return SearchSpace.model_validate_json(json.dumps(default_space(name)))
    except ValidationError as error:
        raise InputError(f"networks/{name}.py: SPACE{first_finding(error, SearchSpace)}") from None
    except TypeError as error:  # not JSON
        raise InputError(f"networks/{name}.py: SPACE: {error}; use numbers, strings, lists and mappings only") from None
