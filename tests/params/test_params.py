"""params.yaml: what is refused, and with which words."""

import itertools
import math
import re
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from darkroom.base.errors import InputError
from darkroom.networks import ScheduleParams
from darkroom.params import check_network_data, origins, read_params, with_values
from darkroom.params.combinations import combinations
from darkroom.params.recipes import recipes
from darkroom.training.schedules import learning_rate
from support.networks import NETWORKS
from support.projects import ROOT, edit_params


@pytest.fixture
def params_file(tmp_path):
    path = tmp_path / "params.yaml"
    path.write_text((ROOT / "params.yaml").read_text())
    return path


def refusal(path):
    with pytest.raises(InputError) as caught:
        read_params(path)
    assert "\n" not in str(caught.value)
    return str(caught.value).removeprefix(f"{path}: ")


def test_the_shipped_file_is_valid():
    params = read_params(ROOT / "params.yaml")
    assert params.models == ("mlp", "lenet5", "mnist_cnn")


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("dato", {}, ["dato: unknown key", "did you mean data"]),
        ("data.sorce", "digits", ["data.sorce: unknown key", "did you mean source"]),
        ("train.lenet5.learning_rat", 0.1, ["train.lenet5.learning_rat: unknown key", "did you mean learning_rate"]),
        ("train.lenet5.schedule.knd", "step", ["train.lenet5.schedule.knd: unknown key", "did you mean kind"]),
        ("search.lenet5.learning.learning_rate.lo", 1, ["unknown key", "did you mean low"]),
        ("train.resnet18", {}, ["train.resnet18: unknown key", "did you mean resnet"]),
        ("models", ["lenet6"], ["models[0]: 'lenet6' given", "'lenet5'"]),
        ("models", [], ["models: [] given"]),
        ("models", ["mlp", "mlp"], ["models lists mlp twice"]),
        ("train.lenet5.learning_rate", "fast", ["train.lenet5.learning_rate: 'fast' given", "number"]),
        ("train.lenet5.learning_rate", "0.1", ["'0.1' given", "number"]),
        ("train.lenet5.learning_rate", 0, ["train.lenet5.learning_rate: 0 given", "greater than 0"]),
        ("train.lenet5.learning_rate", math.nan, ["train.lenet5.learning_rate", "finite"]),
        ("train.lenet5.epochs", 1.5, ["train.lenet5.epochs: 1.5 given", "integer"]),
        ("train.lenet5.epochs", True, ["train.lenet5.epochs: True given", "integer"]),
        ("train.mlp.hidden_units", [], ["train.mlp.hidden_units", "at least 1 item"]),
        ("train.lenet5.optimizer", "adamw", ["'adamw' given", "'adam'"]),
        ("preprocess.size", [28, 28], ["preprocess.size[2]"]),
        ("preprocess.size", [28, 28, 2], ["preprocess.size[2]: 2 given", "1 or 3"]),
        ("preprocess.size", [27, 40, 1], ["27×40 is too small for lenet5", "28×28"]),
        ("preprocess.split", {"train": 0.8, "validation": 0.2, "test": 0.2}, ["sums to 1.2", "sum to 1"]),
        ("preprocess.split.test", 1, ["preprocess.split.test: 1 given", "less than 1"]),
        ("preprocess.augmentation.rotation", -5, ["preprocess.augmentation.rotation: -5 given"]),
        ("data.source", "s3", ["data.source: 's3' given", "'folder', 'archive'"]),
        ("data", ..., ["data: missing", "add it"]),
        ("train.mlp", ..., ["train.mlp is missing", "add a section"]),
        ("search.mlp", ..., ["search.mlp is missing", "add a section"]),
        ("search.budget.trials", -1, ["search.budget.trials: -1 given"]),
        ("search.budget", {"hours": 1}, ["search.budget.hours: unknown key", "epochs, seconds, trials"]),
        ("search.budget", {"seconds": 0}, ["search.budget.seconds: 0 given", "greater than 0"]),
        ("search.budget", {"epochs": 2}, ["search.budget.epochs is 2, but one trial of lenet5 may take 3"]),
        ("search.workers", 0, ["search.workers: 0 given"]),
        ("search.executor", "dask", ["search.executor: 'dask' given", "'local' or 'ray'"]),
        ("search.ray", {"cpus": 2}, ["search: ray has settings, but executor is local; set executor: ray or remove"]),
        (
            "search.ray",
            {"address": "10.0.0.1"},
            ["search.ray.address: invalid address 10.0.0.1; use auto, ray://HOST:10001, HOST:"],
        ),
        ("search.ray", {"gpus": 1.5}, ["search.ray: gpus: 1.5 is neither a fraction below 1 nor a whole number"]),
        ("search.sampler", "tpe", ["search.sampler.name: missing; write sampler: {name: …}"]),
        ("search.sampler", {}, ["search.sampler.name: missing; write sampler: {name: …}"]),
        (
            "search.sampler",
            {"name": "tpee"},
            ["search.sampler.name: unknown sampler tpee; did you mean tpe?", "cma_es, gp, grid, qmc, random, tpe"],
        ),
        (
            "search.sampler",
            {"name": "cma_es", "popsize": 4},
            [
                "search.sampler.popsize: unknown key",
                "name, population, pruned_trials, separable, startup_trials",
            ],
        ),
        (
            "search.sampler",
            {"name": "grid", "points": 1},
            ["search.sampler.points: 1 given", "greater than or equal to 2"],
        ),
        ("search.sampler", {"name": "random", "points": 3}, ["search.sampler.points: unknown key; known here: name"]),
        (
            "search.pruner",
            {"name": "asha"},
            ["search.pruner.name: unknown pruner asha", "hyperband, median, none, patient, percentile, successive"],
        ),
        (
            "search.pruner",
            {"name": "median", "warmup_steps": 1},
            [
                "search.pruner.warmup_steps: unknown key",
                "interval_epochs, minimum_trials, name, startup_trials, warmup_epochs",
            ],
        ),
        (
            "search.pruner",
            {"name": "patient", "pruner": {"name": "hyperband", "factor": 3}},
            ["search.pruner.pruner.factor: unknown key", "maximum_epochs, minimum_epochs, name, reduction_factor"],
        ),
        (
            "search.pruner",
            {"name": "patient", "pruner": {"name": "patient"}},
            ["search.pruner.pruner.name: unknown pruner patient"],
        ),
        ("search.pruner", {"name": "threshold"}, ["search.pruner: lower and upper are missing"]),
        (
            "search.storage",
            "redis://me:secret@host/0",
            ["search.storage: invalid address; use postgresql://…, mysql://… or"],
        ),
        (
            "search.mlp.learning",
            {"dropout": {}},
            ["search.mlp.learning.dropout: low and high, or choices, are missing"],
        ),
        (
            "search.mlp.learning",
            {"momentum": {"low": 0.5, "high": 0.9, "when": {"optimiser": "sgd"}}},
            ["search.mlp.learning.momentum.when.optimiser: mlp has no such parameter; did you mean optimizer?"],
        ),
        (
            "search.mlp.learning",
            {"momentum": {"low": 0.5, "high": 0.9, "when": {"optimizer": "sgd"}}},
            ['momentum.when.optimizer: optimizer is "adam", not searched, so this is never tried'],
        ),
        (
            "search.mlp.learning",
            {
                "optimizer": {"choices": ["adam", "rmsprop"]},
                "momentum": {"low": 0.5, "high": 0.9, "when": {"optimizer": ["rmsprop", "sgd"]}},
            },
            ['momentum.when.optimizer: the search never sets optimizer to "sgd"; use "adam"'],
        ),
        (
            "search.mlp.learning",
            {
                "weight_decay": {"low": 0.0, "high": 0.1, "when": {"learning_rate": 0.5}},
                "learning_rate": {"low": 0.001, "high": 0.1},
            },
            ["weight_decay.when.learning_rate: the search never sets learning_rate to 0.5; use numbers from 0.001 to"],
        ),
        (
            "search.mlp.learning",
            {
                "beta_1": {"low": 0.8, "high": 0.9, "when": {"beta_2": 0.9}},
                "beta_2": {"low": 0.8, "high": 0.99, "when": {"beta_1": 0.8}},
            },
            ["search.mlp: beta_1 and beta_2 depend on each other; remove a when"],
        ),
        ("search.lenet5", {"learning": {"dropout": {"low": 0, "high": 1}}}, ["lenet5 has no such parameter"]),
        ("search.mlp", {"learning": {"dropout": {"low": 0.5, "high": 0.1}}}, ["low < high is required"]),
        ("search.mlp", {"learning": {"dropout": {"low": 0.0, "high": 0.1, "log": True}}}, ["0 < low < high"]),
        ("search.mlp", {"learning": {"dropout": {"low": 0.1, "high": 1.5}}}, ["1.5 given", "less than 1"]),
        ("search.mlp", {"learning": {"dropout": {"choices": []}}}, ["non-empty list of choices"]),
        ("search.mlp", {"learning": {"optimizer": {"choices": ["sgd", "adagrad"]}}}, ["'adagrad' given"]),
        ("search.mlp", {"learning": {"batch_size": {"low": 0.5, "high": 8}}}, ["0.5 given", "positive integer"]),
        (
            "search.mlp",
            {"learning": {"dropout": {"low": 0, "high": 0.1}}, "regularisation": {"dropout": {"choices": [0.1]}}},
            ["listed in two groups"],
        ),
        (
            "search.mlp",
            {"learning": {"epochs": {"low": 1, "high": 5}}},
            ["epochs cannot be searched", "set search.epochs"],
        ),
        ("search.mlp", {"learning": {"schedule.knd": {"choices": [1]}}}, ["no such parameter", "did you mean kind"]),
        (
            "search.mlp",
            {"learning": {"shedule.kind": {"choices": [1]}}},
            ["no such parameter", "did you mean schedule"],
        ),
        (
            "search.mlp",
            {"regularisation": {"augmentation.rotation": {"low": 0, "high": 9}}},
            ["train.mlp.augmentation has no parts", "choices for augmentation as a whole"],
        ),
        (
            "search.mlp",
            {"learning": {"schedule": {"choices": [{"kind": "cosine", "factr": 0.1}]}}},
            ["search.mlp.learning.schedule.factr: unknown key; did you mean factor"],
        ),
        (
            "search.mlp",
            {"architecture": {"hidden_units": {"choices": [[64], [0, 64]]}}},
            ["search.mlp.architecture.hidden_units[0]: 0 given", "greater than or equal to 1"],
        ),
        (
            "search.mlp",
            {"learning": {"schedule": {"choices": [{}]}, "schedule.factor": {"low": 0.1, "high": 0.2}}},
            ["search.mlp.learning.schedule.factor: schedule, which contains it, is searched as well"],
        ),
        (
            "search.mlp",
            {"learning": {"schedule.warmup": {"low": 0.1, "high": 0.2}}},
            ["search.mlp tries schedule.warmup 0.1, but schedule: warmup applies to one_cycle, not to cosine"],
        ),
        (
            "search.mlp",
            {
                "learning": {"loss": {"choices": ["cross_entropy", "mean_squared_error"]}},
                "regularisation": {"label_smoothing": {"low": 0, "high": 0.1}},
            },
            ['tries loss "mean_squared_error", label_smoothing 0.1, but label_smoothing requires loss cross_entropy'],
        ),
        (
            "search.mlp",
            {"learning": {"optimizer": {"choices": ["adam", "sgd"]}, "beta_1": {"low": 0.8, "high": 0.9}}},
            ['search.mlp tries optimizer "sgd", beta_1 0.8, but beta_1 applies to adam, not to sgd'],
        ),
        (
            "search.mnist_cnn",
            {"architecture": {"filters": {"choices": [[8, 16], [1, 2, 3, 4, 5]]}}},
            ["search.mnist_cnn tries filters [1, 2, 3, 4, 5], but preprocess.size 28×28 is too small", "32×32"],
        ),
        (
            "train.mlp",
            {"optimizer": "adam", "momentum": 0.9},
            ["momentum applies to sgd, muon and rmsprop, not to adam"],
        ),
        ("train.mlp", {"optimizer": "sgd", "nesterov": True}, ["nesterov requires momentum"]),
        ("train.mlp", {"activation": "step"}, ["train.mlp.activation: 'step' given", "non-zero gradient"]),
        ("train.mlp", {"batch_size": "all"}, ["train.mlp.batch_size: 'all' given", "full or auto"]),
        ("train.mlp", {"batch_size": 0}, ["train.mlp.batch_size: 0 given", "full or auto"]),
        ("train.mlp", {"schedule": {"kind": "cosine", "every": 3}}, ["every applies to step, linear and exponential"]),
        (
            "train.mlp",
            {"schedule": {"kind": "piecewise", "boundaries": [5, 3], "factors": [0.1, 0.2]}},
            ["increasing boundaries"],
        ),
        (
            "train.mlp",
            {"loss": "mean_squared_error", "label_smoothing": 0.1},
            ["label_smoothing requires loss cross_entropy"],
        ),
        ("train.mlp", {"augment": False, "augmentation": {}}, ["augment is false"]),
        (
            "train.mlp",
            {"schedule": {"kind": "plateau", "patience": 6}, "early_stopping": {"patience": 6}},
            ["train.mlp: schedule.patience 6 never takes effect before early_stopping.patience 6"],
        ),
        (
            "train.mlp",
            {"epochs": 10, "schedule": {"kind": "piecewise", "boundaries": [5, 10], "factors": [0.5, 0.1]}},
            ["train.mlp.schedule.boundaries: 10 is never reached, because training ends after 10 epochs"],
        ),
        (
            "train.mlp.initial_weights",
            "./models/mlp.keras",
            ["train.mlp.initial_weights: ./models/mlp.keras is the output of this training", "a copy", "@champion"],
        ),
        ("train.lenet5.recipe", "paper", ["train.lenet5.recipe: unknown recipe 'paper'", "default, book"]),
        ("promote.registered_model", "a/b", ["promote.registered_model: 'a/b' given"]),
    ],
)
def test_what_is_refused(params_file, name, value, words):
    edit_params(params_file, {name: value})
    line = refusal(params_file)
    assert [word for word in words if word not in line] == []


def test_weights_of_imagenet_take_colour(params_file):
    edit_params(
        params_file, {"models": ["resnet50"], "search.resnet50": {}, "train.resnet50": {"initial_weights": "imagenet"}}
    )
    assert "train.resnet50.initial_weights: imagenet requires colour images, but preprocess.size[2] is 1" in refusal(
        params_file
    )
    edit_params(params_file, {"preprocess.size": [28, 28, 3]})
    read_params(params_file)


@pytest.mark.parametrize(
    ("schedule", "stopping"),
    [
        ({"kind": "plateau", "patience": 5}, {"patience": 6}),
        ({"kind": "plateau", "patience": 6, "growth": 1.5}, {"patience": 6}),
        ({"kind": "plateau", "patience": 6}, {"patience": 6, "monitor": "val_accuracy"}),
        ({"kind": "piecewise", "boundaries": [29], "factors": [0.5]}, {}),
    ],
)
def test_schedules_that_act_are_taken(params_file, schedule, stopping):
    edit_params(params_file, {"train.mlp": {"epochs": 30, "schedule": schedule, "early_stopping": stopping}})
    values = read_params(params_file).network("mlp")
    # The search has a number of its own.
    with_values(values, {"epochs": 2})


@pytest.mark.parametrize(("network", "recipe"), [(name, recipe) for name in NETWORKS for recipe in recipes(name)])
def test_every_recipe_is_taken(params_file, network, recipe):
    changes = {"models": [network], "preprocess.size": [67, 67, 3], f"train.{network}": {"recipe": recipe}}
    changes[f"search.{network}"] = None
    edit_params(params_file, changes)
    read_params(params_file)


@pytest.mark.parametrize("network", NETWORKS)
def test_every_network_has_a_space_of_its_own(params_file, network):
    changes = {"models": [network], "preprocess.size": [67, 67, 3], f"train.{network}": {}, f"search.{network}": None}
    edit_params(params_file, changes)
    params = read_params(params_file)
    if params.network(network).optimizer == "lbfgs":  # there is nothing to search
        assert params.space(network).ranges() == {}
        return
    rate = params.space(network).ranges()["learning_rate"]
    assert rate.low < params.network(network).learning_rate < rate.high


def test_values_that_only_go_together_can_be_searched_together(params_file):
    # Without momentum, which is 0, nesterov is refused.
    space = {"nesterov": {"choices": [True, False]}, "momentum": {"low": 0.5, "high": 0.9}}
    edit_params(params_file, {"train.mlp.optimizer": "sgd", "search.mlp": {"learning": space}})
    read_params(params_file)
    del space["momentum"]
    edit_params(params_file, {"search.mlp": {"learning": space}})
    assert "search.mlp tries nesterov true, but nesterov requires momentum" in refusal(params_file)


def test_what_only_goes_with_something_else_waits_for_it(params_file):
    space = {
        "optimizer": {"choices": ["adam", "sgd"]},
        "beta_1": {"low": 0.8, "high": 0.9, "when": {"optimizer": "adam"}},
        "momentum": {"low": 0.8, "high": 0.9, "when": {"optimizer": "sgd"}},
        "schedule.kind": {"choices": ["constant", "cosine"]},
        "schedule.factor": {"low": 0.01, "high": 0.1, "when": {"schedule.kind": "cosine"}},
        "loss": {"choices": ["cross_entropy", "mean_squared_error"]},
        "label_smoothing": {"low": 0.0, "high": 0.1, "when": {"loss": "cross_entropy"}},
    }
    edit_params(params_file, {"search.mlp": {"learning": space}})
    params = read_params(params_file)
    tried = list(combinations(params.space("mlp"), params.network("mlp")))
    assert len(tried) == (2 + 2) * (1 + 2) * (2 + 1)
    assert all(("momentum" in each) == (each["optimizer"] == "sgd") for each in tried)


def test_a_sampler_whose_package_is_missing_says_which(params_file, monkeypatch):
    edit_params(params_file, {"search.sampler": {"name": "cma_es"}})
    monkeypatch.setattr("darkroom.params.search.find_spec", lambda _: None)
    assert refusal(params_file).startswith("search.sampler.name: cma_es requires cmaes, not installed; run pip install")
    edit_params(params_file, {"search.budget": {}})
    read_params(params_file)  # without a search, it is not needed


def test_of_very_many_combinations_some_are_checked(params_file):
    names = ("learning_rate", "beta_1", "beta_2", "epsilon", "weight_decay", "l2", "label_smoothing", "dropout")
    space = {name: {"choices": [0.1, 0.2, 0.3, 0.4]} for name in names}
    edit_params(params_file, {"search.mlp": {"learning": space}})
    read_params(params_file)
    space["loss"] = {"choices": ["cross_entropy", "mean_squared_error"]}
    edit_params(params_file, {"search.mlp": {"learning": space}})
    assert "label_smoothing requires loss cross_entropy" in refusal(params_file)


def test_a_search_is_held_against_the_data(params_file):
    space = {"batch_size": {"choices": ["auto", 64, 400]}}
    edit_params(params_file, {"search.mlp": {"learning": space}})
    params = read_params(params_file)
    check_network_data(params, "mlp", 400, 10)
    with pytest.raises(
        InputError, match=r"^search.mlp tries batch_size 400, but train.mlp.batch_size: 400 exceeds the"
    ):
        check_network_data(params, "mlp", 399, 10)
    edit_params(params_file, {"search.mlp": {"architecture": {"output": {"choices": ["softmax", "sigmoid"]}}}})
    with pytest.raises(InputError, match=r'^search.mlp tries output "sigmoid", but .* the data has 3; set softmax$'):
        check_network_data(read_params(params_file), "mlp", 400, 3)
    # Without trials there is no search.
    edit_params(params_file, {"search.budget.trials": 0})
    check_network_data(read_params(params_file), "mlp", 400, 3)


def test_parts_of_parameters_are_merged(params_file):
    params = read_params(params_file)
    changed = with_values(params.network("mlp"), {"schedule.factor": 0.5, "early_stopping.min_delta": 0.1})
    assert (changed.schedule.kind, changed.schedule.factor) == ("cosine", 0.5)  # 0.05 in the file
    assert (changed.early_stopping.patience, changed.early_stopping.min_delta) == (6, 0.1)
    # What is a default keeps the rest of it, too.
    default = with_values(params.network("resnet20"), {"schedule.warmup": 0.4})
    assert (default.schedule.kind, default.schedule.warmup, default.schedule.factor) == ("one_cycle", 0.4, 0.01)
    whole = with_values(params.network("mlp"), {"schedule": {"kind": "step", "every": 3}})
    assert (whole.schedule.kind, whole.schedule.every) == ("step", 3)
    origin = origins(params, "mlp", {"schedule.factor": 0.5, "early_stopping": {"patience": 3}}, params_file)
    assert [name for name, source in origin.items() if source == "search"] == [
        "schedule.factor",
        "early_stopping.patience",
    ]


def test_every_finding_is_said_at_once(params_file):
    edit_params(params_file, {"train.lenet5.epochs": 0, "data.sorce": "digits"})
    with pytest.raises(InputError) as caught:
        read_params(params_file)
    assert len(str(caught.value).splitlines()) == 2


def test_a_day_without_quotes_is_refused_before_dvc_stops_at_it(params_file):
    edit_params(params_file, {"data.path": date(2015, 1, 2)})
    assert "path: 2015-01-02" in params_file.read_text()
    assert refusal(params_file) == '2015-01-02 is an unquoted date, which DVC cannot read; write "2015-01-02"'


def test_what_dvc_would_not_read_is_refused(params_file):
    text = params_file.read_text()
    params_file.write_text(text.replace("labels: null", "labels: [a:b, c]"))
    assert re.search(r"params.yaml, line \d+: DVC cannot read this \(.*\); quote the value", refusal(params_file))
    params_file.write_text(text.replace("labels: null", "labels: ['a:b', c]"))
    assert read_params(params_file).validation.labels == ("a:b", "c")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("data: [", "invalid YAML"),
        ("data: 1\ndata: 2", "line 2"),
        ("- a\n- b", "sections such as data"),
        ("", "sections such as data"),
    ],
)
def test_files_that_are_no_params(params_file, text, words):
    params_file.write_text(text)
    assert words in refusal(params_file)


def test_a_missing_file(tmp_path):
    assert "no such file" in refusal(tmp_path / "params.yaml")


def test_numbers_as_dvc_reads_them(params_file):
    # YAML 1.1, which PyYAML speaks, takes this for text; DVC and we read YAML 1.2.
    params_file.write_text((ROOT / "params.yaml").read_text().replace("learning_rate: 0.004", "learning_rate: 4e-3"))
    assert read_params(params_file).network("lenet5").learning_rate == 0.004


def test_values_are_frozen(params_file):
    with pytest.raises(ValueError, match="frozen"):
        read_params(params_file).train.seed = 1


def test_the_search_wins_and_origins_say_so(params_file):
    params = read_params(params_file)
    values = with_values(params.network("mlp"), {"dropout": 0.25})
    assert values.dropout == 0.25
    assert values.epochs == params.network("mlp").epochs
    origin = origins(params, "mlp", {"dropout": 0.25}, params_file)
    assert origin["dropout"] == "search"
    assert origin["schedule.kind"] == "params.yaml"
    assert origin["schedule.every"] == "default"
    assert origin["activation"] == "default"


rates = st.floats(1e-6, 10)
factors = st.floats(0.01, 1)


@given(st.sampled_from(["constant", "step", "linear", "exponential", "cosine"]), rates, factors, st.integers(1, 200))
def test_schedules_start_at_the_rate_and_never_rise(kind, start, factor, epochs):
    numbers = {"constant": {}, "cosine": {"factor": factor}}.get(kind, {"factor": factor, "every": 7})
    schedule = ScheduleParams(kind=kind, **numbers)
    course = [learning_rate(schedule, start, epoch, epochs) for epoch in range(epochs)]
    assert course[0] == pytest.approx(start)
    assert all(later <= earlier * (1 + 1e-12) for earlier, later in itertools.pairwise(course))
    assert min(course) > 0


@given(rates, factors, st.integers(2, 200))
def test_linear_and_cosine_end_at_their_share(start, factor, epochs):
    for kind in ("linear", "cosine"):
        schedule = ScheduleParams(kind=kind, factor=factor)
        assert learning_rate(schedule, start, epochs - 1, epochs) == pytest.approx(start * factor)


def test_step_and_exponential_by_the_formula():
    step = ScheduleParams(kind="step", factor=0.5, every=8)
    assert [learning_rate(step, 1.0, epoch, 100) for epoch in (0, 7, 8, 16)] == [1.0, 1.0, 0.5, 0.25]
    exponential = ScheduleParams(kind="exponential", factor=0.01, every=8)
    assert learning_rate(exponential, 1.0, 4, 100) == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"data.layout": "class"}, "data.layout applies only to the sources folder, archive, table and parquet"),
        ({"data.source": "parquet", "data.layout": "split/class"}, "split/class is not for data.source: parquet; set"),
        ({"data.layout": "classes"}, "data.layout: 'classes' given"),
        (
            {"data.source": "folder", "data.name_encoding": "gbk"},
            "data.name_encoding applies only to data.source: archive",
        ),
        (
            {"data.source": "archive", "data.name_encoding": "cp9"},
            "data.name_encoding: 'cp9' given; expected an encoding",
        ),
    ],
)
def test_parameters_of_names(project, changes, words):
    project.params(**changes)
    with pytest.raises(InputError, match=re.escape(words)):
        read_params()
