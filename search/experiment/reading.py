"""Reading a configuration: from a file, a text or a table, checked before anything starts."""

import tomllib
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from model.errors import ConfigError
from model.files import read_file
from model.hyperparameters import Hyperparameters
from model.machine import usable_cpus
from model.validation import message
from search.experiment.rules import check
from search.experiment.sections import Confirm, Constraints, Data, Experiment, Export, Report, Resources, Search
from search.space import did_you_mean

EXAMPLE_TRIALS = "as in trials = 20 under [search]"  # `trials` is the only key without a default
MANUAL = "docs/configuration.md"
MAX_BYTES, MAX_LINE = 64_000, 1_000  # bytes, characters: tomllib takes quadratic time over the parts of a key


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
    check(experiment)
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
    """Raise ConfigError, beginning with `source`, if a trial needs more CPUs than may be used of this machine."""
    wanted, present = experiment.resources.cpus_per_trial, usable_cpus()
    if wanted != "auto" and wanted > present:
        rule = f"only {present} of this machine's may be used"
        raise ConfigError(f"{source}: resources.cpus_per_trial = {wanted}: {rule}; use at most {present}")


def _suggest(key: str, known: list[str]) -> str:
    """Return the remedy for an unknown key: the section that it belongs to, or the known key most like it."""
    sections: dict[str, type[BaseModel]] = {"hyperparameters": Hyperparameters, "data": Data, "search": Search}
    sections |= {"constraints": Constraints, "confirm": Confirm, "export": Export}
    sections |= {"resources": Resources, "report": Report}
    for section, model in sections.items():
        if key in model.model_fields:
            return f"it belongs under [{section}]"
    if "gpu" in key.lower():
        return "a search takes all GPUs that there are; resources.trials_per_gpu says how many trials share one"
    return did_you_mean(key, [name for name in known if name != "automatic"])
