"""params.yaml: one module per section, the checks across sections, and search spaces.

- ``reading``: read and check the file; ``whole``: the model of the whole file
- ``data``, ``price_charts``, ``preprocess``, ``augmentation``, ``search``, ``results``: the sections; ``section``:
  their base class; ``transforms``: albumentations' transforms by name
- ``samplers``, ``pruners``: settings of Optuna's samplers and pruners
- ``network``: the parameters that all networks share; ``network_fields``: the types of a network's parameters
- ``network_files``: find and import the files in ``networks/``; ``network_sections``: ``train`` and ``search``, whose
  keys are network names; ``recipes``: named sets of values
- ``spaces``, ``combinations``: search spaces and the value combinations in them
- ``checks``, ``search_checks``, ``augmentation_checks``, ``data_needs``: checks across sections, of search spaces, of
  augmentation, and against the data
- ``values``: change, look up and flatten a network's values; ``messages``: pydantic errors as one-line messages;
  ``spelling``: suggestions for unknown words

Nothing heavy is imported here, so that a misspelt key is reported within a fraction of a second; albumentations only if
one of its transforms is named.
"""

from darkroom.params.augmentation import AugmentationParams
from darkroom.params.checks import check_network_data
from darkroom.params.data import DataParams, ValidateParams
from darkroom.params.network import NetworkParams
from darkroom.params.network_files import Network
from darkroom.params.preprocess import PreprocessParams, SplitParams
from darkroom.params.price_charts import PriceChartsParams
from darkroom.params.reading import origins, read_params
from darkroom.params.results import CardParams, EvaluateParams, PromoteParams, Untracked
from darkroom.params.search import BudgetSettings, RaySettings, SearchParams
from darkroom.params.spaces import Range, SearchSpace
from darkroom.params.values import flatten, read_best_params, value_of, with_values
from darkroom.params.whole import Params

__all__ = [
    "AugmentationParams",
    "BudgetSettings",
    "CardParams",
    "DataParams",
    "EvaluateParams",
    "Network",
    "NetworkParams",
    "Params",
    "PreprocessParams",
    "PriceChartsParams",
    "PromoteParams",
    "Range",
    "RaySettings",
    "SearchParams",
    "SearchSpace",
    "SplitParams",
    "Untracked",
    "ValidateParams",
    "check_network_data",
    "flatten",
    "origins",
    "read_best_params",
    "read_params",
    "value_of",
    "with_values",
]
