"""Configurations changed at random are accepted and work, or are refused in one clear line."""

import tomllib
from pathlib import Path

import optuna
import pytest
import tomli_w
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

from model.errors import ConfigError
from model.network import Net
from search.experiment import check_cpus, load_experiment, with_trials
from search.space import complete, largest
from search.store.resolved import differences, resolved
from search.strategy.sampler import SeededSampler
from tests.fuzz.mutation import ANYTHING, INPUTS, altered_table, every_input, mutated_bytes
from tests.fuzz.survival import survived

EVERY_KEY = b"""
[data]\ndataset = "kmnist"\nfallback = "uci-digits"\nvalidation_images = 1000\ntrain_images = 500
[search]\ntrials = 8\nseed = 3\nsampler = "gp"\nstop = "auto"\nrecipe_first = false\npruner = "median"\ngrace_epochs = 2
reduction_factor = 4\nstorage = "postgresql+psycopg://me@host:5432/studies"
[hyperparameters]\nepochs = [3, 5]\nbatch_size = { low = 16, high = 64, step = 16 }\nmomentum = 0.5\noptimizer = "sgd"
learning_rate = { low = 0.01, high = 1.0, log = true, prior = 0.05 }
[[points]]\nepochs = 3\nbatch_size = 32
[confirm]\ntop = 2\nseeds = 2\n[export]\nrefit = true
[resources]\ncpus_per_trial = 1\ntrials_per_gpu = 2\nmax_minutes = 5.5\ntrial_timeout = 60\nmax_consecutive_failures = 4
"""
ORIGINALS = [path.read_bytes() for path in sorted((Path(__file__).parents[2] / "configs").glob("*.toml"))] + [EVERY_KEY]
TABLES = [tomllib.loads(original.decode()) for original in ORIGINALS]
TRIALS = st.sampled_from((*[None] * 8, 0, 20))


@st.composite
def changed_bytes(draw: DrawFn) -> bytes:
    """Draw a configuration with damaged bytes."""
    return mutated_bytes(draw, draw(st.sampled_from(ORIGINALS)))


@st.composite
def changed_tables(draw: DrawFn) -> bytes:
    """Draw a configuration with altered tables; one in ten has an arbitrary section."""
    table = altered_table(draw, TABLES[draw(st.integers(0, len(TABLES) - 1))])
    if draw(st.integers(0, 9)) == 9:
        table[draw(st.sampled_from(sorted(TABLES[-1])))] = draw(ANYTHING)
    return tomli_w.dumps(table).encode()


@pytest.mark.parametrize("kind", ["bytes", "tables"])
def test_mutated_configurations(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "changed.toml"
    accepted: list[bool] = []
    path.write_bytes(ORIGINALS[0])
    use(path, None)  # imports half of torch, which must not count as work for an input

    @every_input
    @given(changed_bytes() if kind == "bytes" else changed_tables(), TRIALS)
    def test(content: bytes, trials: int | None) -> None:
        path.write_bytes(content)
        accepted.append(False)
        with survived(ConfigError, f"configuration ({kind})", path):
            use(path, trials)
            accepted[-1] = True

    test()
    assert len(accepted) >= INPUTS
    assert 0 < sum(accepted) < INPUTS


def use(path: Path, trials: int | None) -> None:
    """Do with a configuration all that a search does before it needs data or Ray, and draw two points."""
    experiment = with_trials(load_experiment(path), trials)
    check_cpus(experiment, str(path))
    written = path.with_suffix(".resolved")
    written.write_text(resolved(experiment, {"dataset": "mnist"}))
    assert differences(load_experiment(written), experiment) is None
    study = optuna.create_study(sampler=SeededSampler("random", 0, experiment.space.searched))
    for point in experiment.first_points[:1]:
        study.enqueue_trial(point)
    for _ in range(2):
        complete(experiment.space, study.ask(fixed_distributions=experiment.space.searched).params)
    with torch.device("meta"):  # without memory, however wide
        net = Net(**largest(experiment.space).architecture())
        assert net(torch.zeros(1, 1, 28, 28)).shape == (1, 10)
