"""Optuna's samplers and pruners, made from the settings of params.yaml."""

import warnings
from typing import assert_never

import numpy as np
import optuna
from optuna.exceptions import ExperimentalWarning
from optuna.pruners import BasePruner
from optuna.samplers import BaseSampler, RandomSampler

from darkroom.search import settings
from darkroom.search.settings import Pruner, Sampler


def sampler(chosen: Sampler, seed: int, number: int, draw: int = 0) -> BaseSampler:
    """Make the sampler of one trial.

    Each trial has one of its own, so that what it tries depends on the seed and on the trials before it, and not on
    how often the search was interrupted. What learns, learns from the study.

    Args:
        chosen: name and settings.
        seed: of the search.
        number: of the trial.
        draw: of its values; the first one has number 0.
    """
    own = int(np.random.SeedSequence((seed, number, draw) if draw else (seed, number)).generate_state(1)[0])
    with warnings.catch_warnings():
        # Settings are checked against this very version of Optuna by the tests.
        warnings.simplefilter("ignore", ExperimentalWarning)
        match chosen:
            case settings.TpeSettings():
                return optuna.samplers.TPESampler(
                    seed=own,
                    n_startup_trials=chosen.startup_trials,
                    n_ei_candidates=chosen.candidates,
                    multivariate=chosen.multivariate,
                )
            case settings.RandomSettings() | settings.GridSettings():  # a grid's points are given to it, see loop.py
                return RandomSampler(seed=own)
            case settings.CmaEsSettings():
                return optuna.samplers.CmaEsSampler(
                    seed=own,
                    n_startup_trials=chosen.startup_trials,
                    independent_sampler=RandomSampler(seed=own),
                    warn_independent_sampling=False,
                    popsize=chosen.population,
                    use_separable_cma=chosen.separable,
                    consider_pruned_trials=chosen.pruned_trials,
                )
            case settings.GpSettings():
                return optuna.samplers.GPSampler(
                    seed=own,
                    n_startup_trials=chosen.startup_trials,
                    independent_sampler=RandomSampler(seed=own),
                    deterministic_objective=chosen.deterministic,
                    warn_independent_sampling=False,
                )
            case settings.QmcSettings():
                return optuna.samplers.QMCSampler(
                    qmc_type=chosen.kind,
                    scramble=chosen.scramble,
                    seed=seed,  # names the one sequence of which each trial takes the next point
                    independent_sampler=RandomSampler(seed=own),
                    warn_independent_sampling=False,
                )
    assert_never(chosen)


def pruner(chosen: Pruner, epochs: int) -> BasePruner:
    """Make the pruner.

    Args:
        chosen: name and settings.
        epochs: of one trial at most.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        match chosen:
            case settings.PercentileSettings() | settings.MedianSettings():
                return optuna.pruners.PercentilePruner(
                    getattr(chosen, "percentile", 50.0),
                    chosen.startup_trials,
                    chosen.warmup_epochs,
                    chosen.interval_epochs,
                    n_min_trials=chosen.minimum_trials,
                )
            case settings.SuccessiveHalvingSettings():
                return optuna.pruners.SuccessiveHalvingPruner(
                    chosen.minimum_epochs,
                    chosen.reduction_factor,
                    chosen.early_stopping_rate,
                    chosen.bootstrap_trials,
                )
            case settings.HyperbandSettings():
                return optuna.pruners.HyperbandPruner(
                    chosen.minimum_epochs,
                    max(chosen.minimum_epochs, chosen.maximum_epochs or epochs),
                    chosen.reduction_factor,
                    chosen.bootstrap_trials,
                )
            case settings.ThresholdSettings():
                return optuna.pruners.ThresholdPruner(
                    chosen.lower, chosen.upper, chosen.warmup_epochs, chosen.interval_epochs
                )
            case settings.PatientSettings():
                wrapped = None if chosen.pruner.name == "none" else pruner(chosen.pruner, epochs)
                return optuna.pruners.PatientPruner(wrapped, chosen.patience, chosen.minimum_delta)
            case settings.NoPruning():
                return optuna.pruners.NopPruner()
    assert_never(chosen)
