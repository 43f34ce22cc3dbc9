"""Experiment: one TOML file, validated and frozen before anything starts."""

import os
import tomllib
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

import sqlalchemy
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from sqlalchemy.exc import ArgumentError

from model.catalogue import DatasetName
from model.errors import ConfigError, shown
from model.files import read_file
from model.hyperparameters import Hyperparameters
from search.pruner import PrunerName
from search.sampler import SamplerName
from search.space import Space, complete, did_you_mean, parse_space, recipe_point, size

SHARED = "postgresql+psycopg://"
EXAMPLE = f"{SHARED}USER@HOST/DATABASE"
MAX_BYTES, MAX_LINE = 64_000, 1_000  # bytes, characters: tomllib takes quadratic time over the parts of a key
UNION_MEMBERS = ("int", "literal", "constrained-int")  # parts of an error's place that are no keys of the file
REMEDIES = {
    "greater_than": "raise it",
    "greater_than_equal": "raise it",
    "less_than": "lower it",
    "less_than_equal": "lower it",
    "literal_error": "write one of these, in quotes",
    "int_type": "write a whole number, without quotes",
    "int_from_float": "write a whole number",
    "float_type": "write a number, without quotes",
    "finite_number": "leave the key out for no limit",
    "bool_type": "write true or false, without quotes",
    "model_type": "write it as a table, [name] on a line of its own",
    "dict_type": "write it as a table, [name] on a line of its own",
    "list_type": "write it as tables, [[points]] on lines of their own",
}
Count = Annotated[int, Field(ge=1, le=1_000_000)]


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class Data(_Table):
    """[data]: which images, and how they are split."""

    dataset: DatasetName = "mnist"
    fallback: Literal["uci-digits"] | None = None
    validation_images: int = Field(10_000, ge=100, le=1_000_000)
    train_images: int | None = Field(None, ge=100, le=1_000_000)


class Search(_Table):
    """[search]: how many trials, who suggests them, who stops them early, which shared database holds them."""

    trials: Count
    seed: int = Field(0, ge=0, lt=2**32)
    sampler: SamplerName = "tpe"
    recipe_first: bool = True
    pruner: PrunerName = "halving"
    grace_epochs: Count = 1
    reduction_factor: int = Field(3, ge=2, le=1_000_000)
    storage: str | None = None


class Confirm(_Table):
    """[confirm]: how many of the best are trained again, on how many fresh seeds; top = 0 for none."""

    top: int = Field(3, ge=0, le=1_000_000)
    seeds: Count = 3


class Export(_Table):
    """[export]: refit = true retrains the winner on training plus validation images."""

    refit: bool = False


class Resources(_Table):
    """[resources]: what a search may use. With `search.trials` the only part that may change on resume."""

    cpus_per_trial: Count = 1
    trials_per_gpu: Annotated[int, Field(ge=1, le=100)] | Literal["auto"] = "auto"
    max_minutes: float | None = Field(None, gt=0, le=1e9)
    trial_timeout: float | None = Field(None, gt=0, le=1e9)
    max_consecutive_failures: Count = 10


class Experiment(_Table):
    """A whole configuration. `automatic` is what a search chose itself: written for the reader, ignored when read."""

    data: Data = Data()
    search: Search
    hyperparameters: dict[str, Any] = {}
    points: list[dict[str, Any]] = []
    confirm: Confirm = Confirm()
    export: Export = Export()
    resources: Resources = Resources()
    automatic: dict[str, Any] = {}

    @cached_property
    def space(self) -> Space:
        return parse_space(self.hyperparameters)

    @cached_property
    def first_points(self) -> list[dict[str, Any]]:
        """The points to try before the sampler is asked: the article's recipe, then those listed."""
        named: list[dict[str, Any]] = [{}] if self.search.recipe_first and self.space.searched else []
        return [recipe_point(self.space, point) for point in [*named, *self.points]]


def load_experiment(path: Path) -> Experiment:
    """Read and check a configuration. Raises ConfigError, one line that begins with the file's name."""
    try:
        text = read_file(path, MAX_BYTES).decode("utf-8-sig")
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file; the configurations that come along are in configs/") from None
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ConfigError(f"{path}: can't be read as a text file ({reason}); name a TOML file") from None
    longest = max(map(len, text.split("\n")))
    if longest > MAX_LINE:
        raise ConfigError(f"{path}: a line of {longest:,} characters, more than {MAX_LINE:,}; break or shorten it")
    return parse_text(path, text)


def parse_text(path: Path, text: str) -> Experiment:
    """Check the text of a configuration. Raises ConfigError, one line that begins with `path`."""
    try:
        return parse_experiment(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: not valid TOML ({error}); correct that line") from None
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None
    except RecursionError:
        raise ConfigError(f"{path}: nested too deeply; write it as docs/configuration.md shows") from None


def parse_experiment(table: dict[str, Any]) -> Experiment:
    """Return the Experiment that a parsed TOML table describes, every rule checked. Raises ConfigError."""
    try:
        experiment = Experiment(**table)
    except ValidationError as error:
        raise ConfigError(_one_line(error)) from None
    _check_search(experiment)
    return experiment


def with_trials(experiment: Experiment, trials: int | None) -> Experiment:
    """Return the experiment with another number of trials, checked again; None changes nothing. Raises ConfigError."""
    if trials is None:
        return experiment
    table = experiment.model_dump(exclude_none=True)
    try:
        return parse_experiment({**table, "search": {**table["search"], "trials": trials}})
    except ConfigError as error:
        raise ConfigError(f"--trials {trials}: {error}") from None


def check_cpus(experiment: Experiment, source: str) -> None:
    """Refuse trials that need more CPUs than this machine has, before Ray starts on it. Raises ConfigError."""
    wanted, there = experiment.resources.cpus_per_trial, os.cpu_count() or 1
    if wanted > there:
        rule = f"this machine has {there}"
        raise ConfigError(f"{source}: resources.cpus_per_trial = {wanted}: {rule}; use at most {there}")


def _check_search(experiment: Experiment) -> None:
    space, search = experiment.space, experiment.search
    if search.storage is not None:
        _check_storage(search.storage)
    points = experiment.first_points
    for index, point in enumerate(points):
        if point in points[:index]:
            recipe = search.recipe_first and point == points[0]
            known = "the article's recipe, which comes first" if recipe else "an earlier one"
            raise ConfigError(f"points: {shown(point)}: the same point as {known}; list each once")
    if len(points) > search.trials:
        raise ConfigError(
            f"search.trials = {search.trials}: fewer than the {len(points)} points to try first; raise it or list fewer"
        )
    if search.trials > size(space):
        holds = "nothing is searched" if not space.searched else f"the space holds only {size(space):.0f} points"
        remedy = f"use trials = {size(space):.0f} or search more in [hyperparameters]"
        raise ConfigError(f"search.trials = {search.trials}: {holds}; {remedy}")
    epochs = complete(space, recipe_point(space)).epochs
    if "epochs" in space.searched:
        epochs = int(getattr(space.searched["epochs"], "high", 0) or max(space.searched["epochs"].choices))  # type: ignore[attr-defined]
    if search.pruner != "none" and search.grace_epochs >= epochs and search.trials > 1:
        raise ConfigError(
            f"search.grace_epochs = {search.grace_epochs}: nothing can be stopped early in {epochs} epochs; "
            "lower it or set pruner = 'none'"
        )


def _check_storage(storage: str) -> None:
    """Refuse what is not the address of a PostgreSQL, or holds a password. Raises ConfigError, which shows neither."""
    try:
        address = sqlalchemy.make_url(storage)
    except (ArgumentError, ValueError):
        raise ConfigError(f"search.storage: not the address of a database; write {EXAMPLE}") from None
    if not storage.startswith(SHARED):
        raise ConfigError(
            f"search.storage = '{address.drivername}://...': must begin with {SHARED}; write {EXAMPLE}, "
            "or leave it out for a study.db in the run's folder"
        )
    if address.password is not None or any("password" in key for key in address.query):
        raise ConfigError(
            "search.storage: a password in it would be copied into experiment.toml and the report; "
            "take it out and put it into ~/.pgpass or PGPASSWORD"
        )


def _place_of(key: str, known: list[str]) -> str:
    """Where a misplaced key belongs, else the nearest known one."""
    sections: dict[str, type[BaseModel]] = {"hyperparameters": Hyperparameters, "data": Data, "search": Search}
    sections |= {"confirm": Confirm, "export": Export, "resources": Resources}
    for section, model in sections.items():
        if key in model.model_fields:
            return f"it belongs under [{section}]"
    if "gpu" in key.lower():
        return "a search takes all GPUs that there are; resources.trials_per_gpu says how many trials share one"
    return did_you_mean(key, [name for name in known if name != "automatic"])


def _one_line(error: ValidationError) -> str:
    # A misspelt key is told before the key that is missing because of it.
    first = min(error.errors(), key=lambda found: found["type"] != "extra_forbidden")
    kind, path = first["type"], [str(part) for part in first["loc"]]
    if kind != "extra_forbidden":  # whose place is made of the file's own keys alone
        path = [part for part in path if not part.startswith(UNION_MEMBERS)]
    key, value = ".".join(path), shown(first["input"])
    if kind == "missing":
        return f"{key}: missing; add it" + (", as in trials = 20 under [search]" if path[0] == "search" else "")
    if kind == "extra_forbidden":
        model: type[BaseModel] = Experiment
        for part in path[:-1]:
            model = model.model_fields[part].annotation  # type: ignore[assignment]
        return f"{key} = {value}: unknown key; {_place_of(path[-1], list(model.model_fields))}"
    # A value that may be of several kinds has an error for each.
    rules = [
        found["msg"].removeprefix("Input ")
        for found in error.errors()
        if found["loc"][: len(path)] == first["loc"][: len(path)]
    ]
    rule = " or ".join(rule[0].lower() + rule[1:] for rule in dict.fromkeys(rules))
    return f"{key} = {value}: {rule}; {REMEDIES.get(kind, 'change it')} (docs/configuration.md)"
