"""experiment.toml in a run's folder: the configuration with all defaults and choices, and a digest of its own text."""

from pathlib import Path
from typing import Any

from model.errors import ConfigError
from model.files import digest
from search.experiment import Experiment, parse_text
from search.space import widened

DIGEST = "# sha256 "  # begins the last line of a resolved configuration; the SHA-256 is of all lines before it


def differences(old: Experiment, new: Experiment) -> str | None:
    """Return the first key that makes `new` another search than `old`.

    None if only trials, stop, resources or report differ, or ranges of `new` are wider than those of `old`.
    """
    exempt: dict[str, Any] = {"resources": True, "report": True, "automatic": True, "search": {"trials", "stop"}}
    before, after = _comparable(old, exempt), _comparable(new, exempt)
    for name in widened(old.space, new.space):
        after["hyperparameters"][name] = before["hyperparameters"][name]
    return _first_difference(before, after)


def resolved(experiment: Experiment, automatic: dict[str, Any]) -> str:
    """Return the TOML text of the whole configuration, with defaults and automatic choices, and its own SHA-256."""
    import tomli_w

    table = experiment.model_dump(exclude_none=True)
    table["hyperparameters"] = {**experiment.space.fixed, **experiment.hyperparameters}
    table["automatic"] = automatic
    return _signed(tomli_w.dumps({key: value for key, value in table.items() if value not in ([], {})}))


def load_resolved(run_dir: Path) -> Experiment:
    """Return the configuration in a run's folder. Raises ConfigError unless its text is as `resolved` returned it."""
    path = run_dir / "experiment.toml"
    try:
        text = path.read_bytes().decode()
    except FileNotFoundError:
        raise ConfigError(
            f"{run_dir}: holds no experiment.toml, so its trials can't be read; restore it from a copy"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: can't be read as a text file ({error}); restore it from a copy") from None
    if text != _signed(text.rpartition(DIGEST)[0]):
        raise ConfigError(
            f"{path}: damaged or edited (its last line is not the SHA-256 of the others); put back what the search "
            "wrote, as report/index.html shows it; to change a search edit your own CONFIG"
        )
    return parse_text(path, text)  # without a limit on its size: a search wrote it


def _signed(text: str) -> str:
    return f"{text}{DIGEST}{digest(text.encode())}\n"


def _comparable(experiment: Experiment, exempt: dict[str, Any]) -> dict[str, Any]:
    table = experiment.model_dump(exclude=exempt)
    table["hyperparameters"] = {**experiment.space.fixed, **experiment.hyperparameters}
    return table


def _first_difference(old: Any, new: Any, key: str = "") -> str | None:
    if isinstance(old, dict) and isinstance(new, dict):
        for name in dict.fromkeys([*old, *new]):
            found = _first_difference(old.get(name), new.get(name), f"{key}.{name}" if key else str(name))
            if found:
                return found
        return None
    return None if old == new else f"{key} was {old!r} and is now {new!r}"
