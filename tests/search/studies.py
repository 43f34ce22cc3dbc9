"""A small study on disk, for tests of the store, the sampler and the decisions."""

from pathlib import Path

from search.space import parse_space
from search.store import location
from search.store.study import SEARCH, StoredStudy, open_study
from search.strategy.sampler import SeededSampler

SEARCHED = parse_space(
    {
        "learning_rate": {"low": 0.1, "high": 3.0, "log": True},
        "kernel_size": [3, 5],
        "dropout1": {"low": 0.0, "high": 0.5},
    }
).searched


def opened(run_dir: Path) -> StoredStudy:
    return open_study(location.open_storage(run_dir), SEARCH, SeededSampler("random", 0, SEARCHED))


def begin(study: StoredStudy) -> int:
    """Hand out a trial; return its number."""
    number = study.study.ask(fixed_distributions=SEARCHED).number
    study.set_attributes(number, started=1.0)
    return number


def metrics(epoch: int, accuracy: float) -> dict[str, float]:
    return {"epoch": epoch, "val_accuracy": accuracy, "train_loss": 1.0, "val_loss": 1.0, "seconds": 2.0, "clock": 7.0}
