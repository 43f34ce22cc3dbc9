"""Studies in memory made of given trials: what a sampler or a pruner of Optuna is shown in place of the stored one."""

from collections.abc import Container, Iterator
from contextlib import contextmanager

import optuna
from optuna.samplers import BaseSampler
from optuna.storages import InMemoryStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

NAME = "given"


class _Given(InMemoryStorage):
    """A storage that answers with the given trials; one that is asked for is not among them."""

    def __init__(self, trials: list[FrozenTrial], direction: StudyDirection) -> None:
        super().__init__()
        self.trials = trials
        with quiet_optuna():
            self.create_new_study([direction], NAME)

    def get_all_trials(
        self, study_id: int, deepcopy: bool = True, states: Container[TrialState] | None = None
    ) -> list[FrozenTrial]:
        return [trial for trial in self.trials if states is None or trial.state in states]


def study_of(trials: list[FrozenTrial], direction: StudyDirection, sampler: BaseSampler | None = None) -> optuna.Study:
    """Return a study that holds just these trials, which are not copied."""
    return optuna.Study(NAME, _Given(trials, direction), sampler)


@contextmanager
def quiet_optuna() -> Iterator[None]:
    """Keep Optuna's log lines off the terminal while the body runs; we print our own."""
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(before)
