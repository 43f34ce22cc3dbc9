"""The rules between the keys of a configuration: those that are valid each by itself may not go together."""

from urllib.parse import parse_qsl, urlsplit

import sqlalchemy
from optuna.distributions import CategoricalDistribution, IntDistribution
from sqlalchemy.exc import ArgumentError

from model.errors import ConfigError, shown
from search.experiment.sections import Experiment
from search.space import Space, complete, size, smallest

SHARED = "postgresql+psycopg://"
EXAMPLE = f"{SHARED}USER@HOST/DATABASE"
STORES = ("s3", "gs")
SECRETS = {"access_key", "secret_key", "session_token"}  # options of Arrow's S3


def check(experiment: Experiment) -> None:
    """Raise ConfigError where keys that are valid each by itself do not go together."""
    space, search = experiment.space, experiment.search
    if search.storage is not None:
        _check_storage(search.storage)
    if search.checkpoints is not None:
        _check_place(search.checkpoints)
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


def _check_place(place: str) -> None:
    """Raise ConfigError, which shows no password, unless checkpoints can lie at `place`."""
    try:
        parts = urlsplit(place)
        secret = "@" in parts.netloc or any(name in SECRETS for name, _ in parse_qsl(parts.query))
    except ValueError:
        parts, secret = urlsplit(""), False
    if secret:
        raise ConfigError(
            "search.checkpoints: a key in it would be copied into experiment.toml and the report; "
            "take it out and put it into ~/.aws/credentials or AWS_SECRET_ACCESS_KEY"
        )
    plain = place.isascii() and place.isprintable() and not set(place) & set(" #")
    if not plain or not (place.startswith("/") or (parts.scheme in STORES and parts.netloc)):
        raise ConfigError(
            f"search.checkpoints = {shown(place)}: neither an object store nor an absolute path, without spaces, "
            "in ASCII; write s3://BUCKET/PREFIX, gs://BUCKET/PREFIX or /PATH, or leave it out for the run's folder"
        )
