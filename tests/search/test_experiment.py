"""Configuration files: read, refused in one line, resolved, compared; and those that come along are sound."""

import tomllib
from pathlib import Path

import pytest

from model.augment import STRENGTHS
from model.errors import ConfigError
from search.experiment import load_experiment, parse_experiment, with_trials
from search.store.resolved import differences, load_resolved, resolved

CONFIGS = sorted((Path(__file__).parents[2] / "configs").glob("*.toml"))
GOOD = {"search": {"trials": 4}, "hyperparameters": {"epochs": 3, "dropout1": {"low": 0.0, "high": 0.5}}}


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({}, "search: missing"),
        ({"search": {}}, "search.trials: missing"),
        ({"serch": {"trials": 1}}, "did you mean 'search'?"),
        ({"search": {"trials": 1, "sed": 3}}, "search.sed = 3: unknown key; did you mean 'seed'?"),
        ({"search": 3}, "search = 3"),
        ({"search": {"trials": 0}}, "search.trials = 0"),
        ({"search": {"trials": "many"}}, "search.trials = 'many'"),
        ({"search": {"trials": 1, "sampler": "cmaes"}}, "'tpe', 'random', 'qmc' or 'gp'"),
        ({"search": {"trials": 2}}, "nothing is searched"),
        ({"search": {"trials": 4, "epochs": 3}}, "it belongs under [hyperparameters]"),
        ({"trials": 4}, "it belongs under [search]"),
        ({"search": {"trials": 1, "seed": 2**32}}, "search.seed"),
        ({"search": {"trials": 4}, "hyperparameters": {"kernel_size": [3, 5]}}, "holds only 2 points"),
        ({**GOOD, "search": {"trials": 4, "grace_epochs": 3}}, "nothing can be stopped early in 3 epochs"),
        ({**GOOD, "points": [{"dropout1": 0.25}]}, "same point"),
        ({**GOOD, "points": [{"dropout1": 0.9}]}, "outside the space"),
        ({**GOOD, "points": [{"dropout1": x / 10} for x in range(5)]}, "fewer than the 6 points"),
        ({**GOOD, "points": {"dropout1": 0.1}}, "points"),
        ({**GOOD, "data": {"dataset": "mnst"}}, "data.dataset = 'mnst'"),
        ({**GOOD, "data": {"fallback": "other"}}, "data.fallback = 'other'"),
        ({**GOOD, "confirm": {"seeds": 0}}, "confirm.seeds = 0"),
        ({**GOOD, "constraints": {"max_parameters": 1.5}}, "constraints.max_parameters = 1.5"),
        ({**GOOD, "constraints": {"max_milliseconds_per_image": -1}}, "constraints.max_milliseconds_per_image = -1"),
        ({**GOOD, "constraints": {"max_parameters": 100}}, "the smallest network of the space has 1,199,882"),
        ({**GOOD, "resources": {"trials_per_gpu": "all"}}, "resources.trials_per_gpu = 'all'"),
        ({**GOOD, "resources": {"max_minutes": float("inf")}}, "finite"),
        ({**GOOD, "resources": {"trial_timeout": -1}}, "resources.trial_timeout = -1"),
    ],
)  # fmt: skip
def test_mistakes_are_told_in_one_line(table: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_experiment(table)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"[search\n", "not valid TOML"),
        (b"\xff\xfe", "can't be read"),
        (None, "no such file"),
        (b"", "search: missing"),
    ],
)
def test_files_that_are_none(tmp_path: Path, content: bytes | None, words: str) -> None:
    path = tmp_path / "my.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match=words) as caught:
        load_experiment(path)
    assert str(caught.value).startswith(str(path))
    with pytest.raises(ConfigError, match="can't be read"):
        load_experiment(tmp_path)


def test_resolved_reads_back_as_the_same_search() -> None:
    experiment = parse_experiment({**GOOD, "points": [{"dropout1": 0.1}]})
    text = resolved(experiment, {"dataset": "mnist", "trials_per_gpu": 4})
    table = tomllib.loads(text)
    assert table["hyperparameters"]["batch_size"] == 64
    assert table["search"]["sampler"] == "tpe"
    assert table["automatic"]["trials_per_gpu"] == 4
    assert differences(parse_experiment(table), experiment) is None


def test_true_and_false_are_written_as_toml_has_them() -> None:
    choice = parse_experiment({"search": {"trials": 2}, "hyperparameters": {"batch_norm": [True, False], "epochs": 3}})
    fixed = parse_experiment({**GOOD, "hyperparameters": {**GOOD["hyperparameters"], "batch_norm": True}})
    for experiment, written in ((choice, "[\n    true,\n    false,\n]"), (fixed, "true")):
        text = resolved(experiment, {})
        assert f"batch_norm = {written}\n" in text
        assert differences(parse_experiment(tomllib.loads(text)), experiment) is None
    assert differences(fixed, parse_experiment(GOOD)) == "hyperparameters.batch_norm was True and is now False"


def test_a_configuration_of_a_version_with_fewer_fields_is_the_same_search() -> None:
    experiment = parse_experiment(GOOD)
    older = tomllib.loads(resolved(experiment, {}))
    for name in ("batch_norm", "ema_decay", *STRENGTHS):
        del older["hyperparameters"][name]
    assert differences(parse_experiment(older), experiment) is None
    assert "constraints" not in older
    limited = parse_experiment({**GOOD, "constraints": {"max_parameters": 2_000_000}})
    assert differences(experiment, limited) == "constraints.max_parameters was None and is now 2000000"
    assert differences(parse_experiment(tomllib.loads(resolved(limited, {}))), limited) is None


def test_a_runs_own_configuration_is_read_only_as_it_was_written(tmp_path: Path) -> None:
    path, experiment = tmp_path / "experiment.toml", parse_experiment(GOOD)
    with pytest.raises(ConfigError, match=r"holds no experiment\.toml"):
        load_resolved(tmp_path)
    text = resolved(experiment, {"dataset": "mnist"})
    for damaged in ("", text[:-66], text.rpartition("#")[0], text.replace("0.5", "0.6"), f"{text}\n"):
        path.write_text(damaged)
        with pytest.raises(ConfigError, match="damaged or edited .*; put back .*; to change a search edit your own"):
            load_resolved(tmp_path)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="can't be read as a text file .*restore it from a copy"):
        load_resolved(tmp_path)
    path.write_text(text)
    assert differences(load_resolved(tmp_path), experiment) is None
    assert differences(load_experiment(path), experiment) is None  # and it can be searched with


@pytest.mark.parametrize(
    ("section", "key", "value", "named"),
    [
        ("search", "seed", 7, "search.seed was 0 and is now 7"),
        ("hyperparameters", "epochs", 4, "hyperparameters.epochs was 3 and is now 4"),
        ("hyperparameters", "batch_size", 32, "hyperparameters.batch_size was 64 and is now 32"),
        ("data", "train_images", 500, "data.train_images was None and is now 500"),
        ("search", "trials", 9, None),
        ("search", "stop", "auto", None),
        ("resources", "cpus_per_trial", 2, None),
        ("report", "tensorboard", True, None),
        ("hyperparameters", "batch_size", 64, None),
    ],
)
def test_only_trials_and_resources_may_change(section: str, key: str, value: object, named: str | None) -> None:
    changed = {**GOOD, section: {**GOOD.get(section, {}), key: value}}
    assert differences(parse_experiment(GOOD), parse_experiment(changed)) == named


def test_number_of_trials_from_the_command_line_is_checked_too() -> None:
    assert with_trials(parse_experiment(GOOD), 9).search.trials == 9
    with pytest.raises(ConfigError, match="--trials 0"):
        with_trials(parse_experiment(GOOD), 0)


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_configurations_that_come_along(path: Path) -> None:
    load_experiment(path)
    text = path.read_text(encoding="utf-8")
    assert text.startswith("#")
    assert ("fallback" in text) == (path.stem == "quick")


def test_the_configurations_are_what_they_say() -> None:
    found = {path.stem: load_experiment(path) for path in CONFIGS}
    assert set(found) == {"quick", "best", "mnist", "article", "parameter_study"}
    assert found["mnist"].search.trials == 100
    article = found["article"]
    assert article.search.trials == 1
    assert not article.space.searched
    assert article.space.fixed["epochs"] == 14
    quick = found["quick"]
    assert quick.search.trials >= 12
    names = {"dropout1", "dropout2", "learning_rate", "conv1_width", "conv2_width", "kernel_size"}
    assert names <= set(quick.space.searched)
    assert set(found["best"].space.fixed) | set(found["best"].space.searched) >= {"rotation", "shift", "elastic"}
    study = found["parameter_study"]
    baseline = study.first_points[0]
    assert study.search.trials == len(study.first_points)
    for point in study.first_points[1:]:
        assert sum(point[name] != baseline[name] for name in point) == 1


def test_every_key_is_in_the_documentation() -> None:
    from model.hyperparameters import Hyperparameters
    from search.experiment import Experiment

    text = (Path(__file__).parents[2] / "docs" / "configuration.md").read_text(encoding="utf-8")
    tables = [
        field.annotation for field in Experiment.model_fields.values() if hasattr(field.annotation, "model_fields")
    ]
    keys = {key for table in tables for key in table.model_fields} | set(Hyperparameters.model_fields)
    assert {key for key in keys if f"`{key}`" not in text} == set()
