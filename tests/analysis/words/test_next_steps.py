"""What to do next follows from how a run stands, each step with a command that can be typed."""

import json
from dataclasses import replace

import pytest

from analysis.tables.run import read_run
from analysis.words.next_steps import again, next_steps
from search.store.candidates import attributes_of
from search.store.lock import run_lock
from search.store.study import CONFIRM, open_study
from tests.analysis.studies import NewRun, Writer

SPACE = {"learning_rate": {"low": 0.1, "high": 1.0, "log": True, "prior": 0.2}, "epochs": 1}
STARTED = "python -m search run configs/own.toml --out 'my runs' --resume"


def commands(run: Writer) -> list[str]:
    return [step.command for step in next_steps(read_run(run.run_dir))]


@pytest.fixture
def searched(new_run: NewRun) -> Writer:
    """A search of ten trials, the best of which have the highest learning rates."""
    run = new_run(SPACE, trials=10)
    (run.run_dir / "environment.json").write_text(json.dumps({"command": STARTED}))
    for number in range(10):
        run.trial([0.9 + number / 1000], params={"learning_rate": 0.1 if number < 4 else 1.0})
    run.export({}, {"source": {"candidate": 9}})
    return run


def test_a_search_that_was_interrupted_goes_on_as_it_was_started(new_run: NewRun) -> None:
    run = new_run(SPACE, trials=3)
    run.trial([0.9], params={"learning_rate": 0.5})
    confirm = f"python -m search confirm {run.run_dir}"
    assert commands(run) == ["python -m search run CONFIG.toml --resume", confirm]
    (run.run_dir / "environment.json").write_text(json.dumps({"command": STARTED}))
    assert commands(run) == ["python -m search run configs/own.toml --out 'my runs' --resume", confirm]


def test_a_running_search_is_only_to_be_watched(new_run: NewRun) -> None:
    run = new_run(SPACE)
    with run_lock(run.run_dir):
        assert commands(run) == [f"python -m search status {run.run_dir} --watch"]


def test_a_range_at_whose_end_the_best_lie_is_to_be_widened(searched: Writer) -> None:
    step = next_steps(read_run(searched.run_dir))[0]
    assert step.words == "The best values lie at the high end of learning_rate: widen the range and search on."
    assert step.lines == ("learning_rate = { low = 0.1, high = 3.16, log = true, prior = 0.2 }",)
    assert step.command == "python -m search run configs/own.toml --out 'my runs' --resume --trials 20"


def test_failed_trials_are_to_be_tried_again(new_run: NewRun) -> None:
    run = new_run(SPACE, trials=4)
    for _ in range(3):
        run.trial([0.9], params={"learning_rate": 0.5})
    run.trial([], "failed", params={"learning_rate": 0.5}, error="boom")
    assert commands(run)[0] == "python -m search run CONFIG.toml --resume --retry-failed"


def test_more_trials_are_named_where_they_can_pay_and_where_they_can_not(new_run: NewRun) -> None:
    run = new_run(SPACE, trials=10)
    for number in range(10):
        run.trial([0.9 + number / 1000], params={"learning_rate": 0.3 + number / 100})
    run.export({}, {"source": {"candidate": 9}})
    run.confirm(9, [0.9089, 0.9090, 0.9091], {"learning_rate": 0.39})
    assert any("More trials can pay" in step.words for step in next_steps(read_run(run.run_dir)))
    run.confirm(8, [0.88, 0.90, 0.92], {"learning_rate": 0.38})
    assert any("can hardly pay" in step.words for step in next_steps(read_run(run.run_dir)))


def test_a_gain_that_seeds_do_not_show_asks_for_more_seeds(searched: Writer) -> None:
    searched.confirm(9, [0.909, 0.911, 0.913], {"learning_rate": 1.0})
    searched.recipe([0.908, 0.912, 0.910], {})
    [step] = [step for step in next_steps(read_run(searched.run_dir)) if "do not tell" in step.words]
    assert step.lines[0] == f'start_from = "{searched.run_dir}"  # in [search]'
    assert step.command == "python -m search run configs/own-2.toml --out 'my runs'"


def test_what_was_exported_is_to_be_used(searched: Writer) -> None:
    export = searched.run_dir / "export"
    assert commands(searched)[-2] == f"python classify_image.py IMAGE... --model {export}"
    assert commands(searched)[-1] == f"python -m model.draw --model {export}"


def test_a_confirmation_that_was_cut_short_goes_on_before_anything_else(searched: Writer) -> None:
    study = open_study(searched.storage, CONFIRM)
    searched.begin({"learning_rate": 1.0}, study, **attributes_of(9, 1))
    assert commands(searched)[0] == f"python -m search confirm {searched.run_dir}"
    assert len(commands(searched)) == 3


def test_where_the_time_was_up_more_of_it_is_proposed(new_run: NewRun) -> None:
    new = new_run(SPACE, trials=3)
    new.trial([0.9], params={"learning_rate": 0.5})
    run = read_run(new.run_dir)
    short = run.experiment.resources.model_copy(update={"max_minutes": 0.01})
    run = replace(run, experiment=run.experiment.model_copy(update={"resources": short}))
    assert next_steps(run)[0].lines == ("max_minutes = 0.02  # in [resources], in place of 0.01",)


@pytest.mark.parametrize(
    ("started", "command"),
    [
        ("run --parent=12 --out=runs --name=x -- /tmp/x.toml", "run CONFIG.toml"),
        ("confirm runs/own", "run CONFIG.toml"),
        ("a.toml --trials 9 --resume --quiet", "a.toml"),
        ("run a.toml --name 'my run' --trials=9", "run a.toml --name 'my run'"),
    ],
)
def test_a_command_is_that_of_the_start_without_what_was_of_one_session(
    new_run: NewRun, started: str, command: str
) -> None:
    run = new_run(SPACE, trials=3)
    (run.run_dir / "environment.json").write_text(json.dumps({"command": f"python -m search {started}"}))
    assert commands(run) == [f"python -m search {command} --resume"]
    copied = again(read_run(run.run_dir), copied=True)
    assert "-2.toml" in copied
    assert "--name" not in copied


def test_more_seeds_stay_within_the_limit_of_the_race(new_run: NewRun) -> None:
    run = new_run(SPACE, trials=1, confirm={"seeds": 3, "most_seeds": 4})
    run.trial([0.91], params={"learning_rate": 0.5})
    run.export({}, {"source": {"candidate": 0}})
    run.confirm(0, [0.909, 0.911, 0.913], {"learning_rate": 0.5})
    run.recipe([0.908, 0.912, 0.910], {})
    lines = next_steps(read_run(run.run_dir))[0].lines
    assert lines[1:] == ("seeds = 12  # in [confirm], in place of its seeds", "most_seeds = 12  # likewise")


def test_the_larger_configuration_is_not_proposed_to_its_own_run(new_run: NewRun) -> None:
    run = new_run(SPACE, trials=10)
    (run.run_dir / "environment.json").write_text(json.dumps({"command": "python -m search run configs/best.toml"}))
    for number in range(10):
        run.trial([0.9 + number / 1000], params={"learning_rate": 0.3 + number / 100})
    run.export({}, {"source": {"candidate": 9}})
    run.confirm(8, [0.88, 0.90, 0.92], {"learning_rate": 0.38})
    assert not any("best.toml" in command for command in commands(run))
