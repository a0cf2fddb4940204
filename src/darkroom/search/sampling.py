"""Create Optuna's samplers and pruners from the settings in params.yaml."""

import warnings
from typing import assert_never

import numpy as np
import optuna
from optuna.exceptions import ExperimentalWarning
from optuna.pruners import BasePruner
from optuna.samplers import BaseSampler, RandomSampler

from darkroom.params import pruners, samplers
from darkroom.params.pruners import Pruner
from darkroom.params.samplers import Sampler


def sampler(chosen: Sampler, seed: int, number: int, draw: int = 0) -> BaseSampler:
    """Create the sampler of one trial.

    Each trial has its own sampler, so that its values depend on the seed and the earlier trials in the study, not on
    interruptions.

    Args:
        chosen: name and settings.
        seed: seed of the search.
        number: number of the trial.
        draw: number of the draw of its values, from 0.
    """
    own = int(np.random.SeedSequence((seed, number, draw) if draw else (seed, number)).generate_state(1)[0])
    with warnings.catch_warnings():
        # The tests check the settings with the pinned version of Optuna.
        warnings.simplefilter("ignore", ExperimentalWarning)
        match chosen:
            case samplers.TpeSettings():
                return optuna.samplers.TPESampler(
                    seed=own,
                    n_startup_trials=chosen.startup_trials,
                    n_ei_candidates=chosen.candidates,
                    multivariate=chosen.multivariate,
                )
            case samplers.RandomSettings() | samplers.GridSettings():  # loop.py enqueues the grid points
                return RandomSampler(seed=own)
            case samplers.CmaEsSettings():
                return optuna.samplers.CmaEsSampler(
                    seed=own,
                    n_startup_trials=chosen.startup_trials,
                    independent_sampler=RandomSampler(seed=own),
                    warn_independent_sampling=False,
                    popsize=chosen.population,
                    use_separable_cma=chosen.separable,
                    consider_pruned_trials=chosen.pruned_trials,
                )
            case samplers.GpSettings():
                return optuna.samplers.GPSampler(
                    seed=own,
                    n_startup_trials=chosen.startup_trials,
                    independent_sampler=RandomSampler(seed=own),
                    deterministic_objective=chosen.deterministic,
                    warn_independent_sampling=False,
                )
            case samplers.QmcSettings():
                return optuna.samplers.QMCSampler(
                    qmc_type=chosen.kind,
                    scramble=chosen.scramble,
                    seed=seed,  # all trials share one sequence; each takes its next point
                    independent_sampler=RandomSampler(seed=own),
                    warn_independent_sampling=False,
                )
    assert_never(chosen)


def pruner(chosen: Pruner, epochs: int) -> BasePruner:
    """Create the pruner.

    Args:
        chosen: name and settings.
        epochs: maximum epochs of one trial.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        match chosen:
            case pruners.PercentileSettings() | pruners.MedianSettings():
                return optuna.pruners.PercentilePruner(
                    getattr(chosen, "percentile", 50.0),
                    chosen.startup_trials,
                    chosen.warmup_epochs,
                    chosen.interval_epochs,
                    n_min_trials=chosen.minimum_trials,
                )
            case pruners.SuccessiveHalvingSettings():
                return optuna.pruners.SuccessiveHalvingPruner(
                    chosen.minimum_epochs,
                    chosen.reduction_factor,
                    chosen.early_stopping_rate,
                    chosen.bootstrap_trials,
                )
            case pruners.HyperbandSettings():
                return optuna.pruners.HyperbandPruner(
                    chosen.minimum_epochs,
                    max(chosen.minimum_epochs, chosen.maximum_epochs or epochs),
                    chosen.reduction_factor,
                    chosen.bootstrap_trials,
                )
            case pruners.ThresholdSettings():
                return optuna.pruners.ThresholdPruner(
                    chosen.lower, chosen.upper, chosen.warmup_epochs, chosen.interval_epochs
                )
            case pruners.PatientSettings():
                wrapped = None if chosen.pruner.name == "none" else pruner(chosen.pruner, epochs)
                return optuna.pruners.PatientPruner(wrapped, chosen.patience, chosen.minimum_delta)
            case pruners.NoPruning():
                return optuna.pruners.NopPruner()
    assert_never(chosen)
