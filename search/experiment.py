"""Experiment: one TOML file, checked and frozen before anything starts."""

import os
import tomllib
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

import sqlalchemy
from optuna.distributions import CategoricalDistribution, IntDistribution
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from sqlalchemy.exc import ArgumentError

from model.catalogue import DatasetName
from model.errors import ConfigError, shown
from model.files import read_file
from model.hyperparameters import Hyperparameters
from model.validation import message
from search.space import Space, complete, did_you_mean, fixed_values, parse_space, recipe_point, size, smallest
from search.strategy.pruner import PACE, PrunerName
from search.strategy.sampler import SamplerName, startup_of
from search.strategy.stop import StopName, Stopping

SHARED = "postgresql+psycopg://"
EXAMPLE = f"{SHARED}USER@HOST/DATABASE"
EXAMPLE_TRIALS = "as in trials = 20 under [search]"  # `trials` is the only key without a default
MANUAL = "docs/configuration.md"
MAX_BYTES, MAX_LINE = 64_000, 1_000  # bytes, characters: tomllib takes quadratic time over the parts of a key
Count = Annotated[int, Field(ge=1, le=1_000_000)]


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class Data(_Table):
    """The section [data]: which images to use, and how to split them."""

    dataset: DatasetName = "mnist"
    fallback: Literal["uci-digits"] | None = None
    validation_images: int = Field(10_000, ge=100, le=1_000_000)
    train_images: int | None = Field(None, ge=100, le=1_000_000)


class Search(_Table):
    """The section [search]: how many trials, their sampler and pruner, and the shared database that holds them."""

    trials: Count
    stop: StopName | None = None
    seed: int = Field(0, ge=0, lt=2**32)
    sampler: SamplerName = "tpe"
    recipe_first: bool = True
    pruner: PrunerName = "promote"
    grace_epochs: Count = 1
    reduction_factor: int = Field(2, ge=2, le=1_000_000)
    storage: str | None = None
    start_from: str | None = None


class Constraints(_Table):
    """The section [constraints]: what a network must not exceed, so that its trial is not trained, or ends early."""

    max_parameters: int | None = Field(None, ge=1, le=10_000_000_000)
    max_milliseconds_per_image: float | None = Field(None, gt=0, le=1e9)


class Confirm(_Table):
    """The section [confirm]: how many of the best trials to train again, on how many fresh seeds, beside which recipe.

    `recipe` holds what differs from the article's recipe; None compares with none.
    """

    top: int = Field(3, ge=0, le=1_000_000)  # 0 confirms none
    seeds: Count = 3
    most_seeds: Count | None = None
    recipe: dict[str, Any] | None = None


class Export(_Table):
    """The section [export]: whether to train the winner once more, on most validation images too."""

    refit: bool = False


class Resources(_Table):
    """The section [resources]: what a search may use. It may change on resume, as a few keys of other sections may."""

    cpus_per_trial: Count = 1
    trials_per_gpu: Annotated[int, Field(ge=1, le=100)] | Literal["auto"] = "auto"
    max_minutes: float | None = Field(None, gt=0, le=1e9)
    trial_timeout: float | None = Field(None, gt=0, le=1e9)  # seconds
    max_consecutive_failures: Count = 10


class Experiment(_Table):
    """A whole configuration. `automatic` holds what a search itself chose and found out."""

    data: Data = Data()
    search: Search
    hyperparameters: dict[str, Any] = {}
    points: list[dict[str, Any]] = []
    constraints: Constraints = Constraints()
    confirm: Confirm = Confirm()
    export: Export = Export()
    resources: Resources = Resources()
    automatic: dict[str, Any] = {}

    @cached_property
    def space(self) -> Space:
        return parse_space(self.hyperparameters, self.constraints.max_parameters)

    @cached_property
    def recipe_differences(self) -> dict[str, Any] | None:
        """Return what the recipe that the best are compared with has otherwise than the article's; None for none."""
        recipe = self.confirm.recipe
        return None if recipe is None else fixed_values(recipe, "confirm.recipe.")

    @cached_property
    def first_points(self) -> list[dict[str, Any]]:
        """Return the points to try before the sampler suggests any: the article's recipe, then those in [[points]]."""
        named: list[dict[str, Any]] = [{}] if self.search.recipe_first and self.space.searched else []
        return [recipe_point(self.space, point) for point in [*named, *self.points]]

    @property
    def images(self) -> int:
        """Return the number of validation images: of a run's own configuration those that it found, else the wanted."""
        return int(self.automatic.get("validation_images", self.data.validation_images))

    def stopping(self, images: int) -> Stopping | None:
        """Return the rule that may end the search early, of accuracies over so many images; None without one."""
        search = self.search
        return Stopping(search.trials, startup_of(search.trials), images, PACE) if search.stop else None


def load_experiment(path: Path) -> Experiment:
    """Return the checked configuration in the file `path`. Raises ConfigError, whose line begins with `path`."""
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
    """Return the checked configuration in `text`. Raises ConfigError, whose line begins with `path`."""
    try:
        return parse_experiment(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: not valid TOML ({error}); correct that line") from None
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None
    except RecursionError:
        raise ConfigError(f"{path}: nested too deeply; write it as docs/configuration.md shows") from None


def parse_experiment(table: dict[str, Any]) -> Experiment:
    """Return the checked configuration in a parsed TOML table. Raises ConfigError."""
    try:
        experiment = Experiment(**table)
    except ValidationError as error:
        raise ConfigError(message(error, Experiment, _suggest, example=EXAMPLE_TRIALS, manual=MANUAL)) from None
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
    """Raise ConfigError, beginning with `source`, if a trial needs more CPUs than this machine has."""
    wanted, present = experiment.resources.cpus_per_trial, os.cpu_count() or 1
    if wanted > present:
        rule = f"this machine has {present}"
        raise ConfigError(f"{source}: resources.cpus_per_trial = {wanted}: {rule}; use at most {present}")


def _check_search(experiment: Experiment) -> None:
    """Raise ConfigError where keys that are valid each by itself do not go together."""
    space, search = experiment.space, experiment.search
    if search.storage is not None:
        _check_storage(search.storage)
    _check_smallest(space)
    _check_points(experiment)
    _check_confirm(experiment)
    if search.trials > (points := size(space)):
        within = " within constraints.max_parameters" if space.max_parameters else ""
        holds = f"the space holds only {points:.0f} points{within}" if space.searched else "nothing is searched"
        remedy = f"use trials = {points:.0f} or search more in [hyperparameters]"
        raise ConfigError(f"search.trials = {search.trials}: {holds}; {remedy}")
    epochs = _most_epochs(space)
    if search.pruner != "none" and search.grace_epochs >= epochs and search.trials > 1:
        raise ConfigError(
            f"search.grace_epochs = {search.grace_epochs}: nothing can be stopped early in {epochs} epochs; "
            "lower it or set pruner = 'none'"
        )


def _check_smallest(space: Space) -> None:
    """Raise ConfigError where no network of the space has as few parameters as it must."""
    if space.max_parameters is None:
        return
    fewest = complete(space, smallest(space)).num_parameters
    if fewest > space.max_parameters:
        rule = f"the smallest network of the space has {fewest:,} parameters"
        raise ConfigError(
            f"constraints.max_parameters = {space.max_parameters}: {rule}; raise it or search smaller networks"
        )


def _check_points(experiment: Experiment) -> None:
    """Raise ConfigError where a point to try first is listed twice, or there are more of them than trials."""
    points, search = experiment.first_points, experiment.search
    for index, point in enumerate(points):
        if point in points[:index]:
            recipe = search.recipe_first and point == points[0]
            known = "the article's recipe, which comes first" if recipe else "an earlier one"
            raise ConfigError(f"points: {shown(point)}: the same point as {known}; list each once")
    if len(points) > search.trials:
        raise ConfigError(
            f"search.trials = {search.trials}: fewer than the {len(points)} points to try first; raise it or list fewer"
        )


def _check_confirm(experiment: Experiment) -> None:
    """Raise ConfigError where the race would end before it begins, or the recipe is none."""
    seeds, most = experiment.confirm.seeds, experiment.confirm.most_seeds
    if most is not None and most < seeds:
        raise ConfigError(f"confirm.most_seeds = {most}: fewer than confirm.seeds = {seeds}; raise it or leave it out")
    _ = experiment.recipe_differences


def _most_epochs(space: Space) -> int:
    """Return the number of epochs of the longest trial in the space."""
    searched = space.searched.get("epochs")
    if isinstance(searched, IntDistribution):
        return searched.high
    if isinstance(searched, CategoricalDistribution):
        return max(searched.choices)  # type: ignore[type-var, return-value]
    return int(space.fixed["epochs"])


def _check_storage(storage: str) -> None:
    """Raise ConfigError, which shows no password, unless `storage` is a PostgreSQL address without one."""
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


def _suggest(key: str, known: list[str]) -> str:
    """Return the remedy for an unknown key: the section that it belongs to, or the known key most like it."""
    sections: dict[str, type[BaseModel]] = {"hyperparameters": Hyperparameters, "data": Data, "search": Search}
    sections |= {"constraints": Constraints, "confirm": Confirm, "export": Export, "resources": Resources}
    for section, model in sections.items():
        if key in model.model_fields:
            return f"it belongs under [{section}]"
    if "gpu" in key.lower():
        return "a search takes all GPUs that there are; resources.trials_per_gpu says how many trials share one"
    return did_you_mean(key, [name for name in known if name != "automatic"])
