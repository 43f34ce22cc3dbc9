"""The sentences agree with the study, whatever state its search is in."""

from pathlib import Path

import pytest

from analysis.tables import trial_table
from analysis.tables.run import read_run
from analysis.words.in_short import headline, in_short
from analysis.words.verdict import fallback_note, verdict
from search.store.lock import run_lock
from tests.analysis.studies import NewRun, Writer

SPACE = {"learning_rate": {"low": 0.1, "high": 3.0, "log": True}, "epochs": 2}


def test_an_empty_study_says_that_nothing_has_begun(new_run: NewRun) -> None:
    run = read_run(new_run(SPACE).run_dir)
    assert headline(run) == "run: no trial has begun"
    assert verdict(run)[0] == "0 of 60 planned trials begun."
    assert "`python -m search CONFIG --resume`" in verdict(run)[1]


def test_a_finished_search_has_its_best_trial_its_counts_and_the_noise(new_run: NewRun) -> None:
    new = new_run(SPACE, trials=5)
    for accuracy in (0.98, 0.99, 0.9895):
        new.trial([0.9, accuracy], params={"learning_rate": 10 * (1 - accuracy)})
    new.trial([0.8], "pruned")
    new.trial([], "failed", error="boom")
    run = read_run(new.run_dir)
    assert (
        headline(run)
        == "run: trial 1 reaches 99.00 % validation accuracy, a single run, the best of 4 trials, hence optimistic"
    )
    best, counts, confirming, noise = verdict(run)
    assert best == "Best single run of the search: trial 1 with 99.00 % after 2 epochs: learning_rate = 0.1."
    assert counts == "5 of 5 planned trials begun: 3 complete, 1 pruned, 1 failed."
    assert confirming.startswith("The confirmation stopped before its end, after 0 of 9 runs.")
    assert noise == (
        "A single run per trial gives no measure of the noise between seeds; `[confirm]` with `seeds = 2` does."
    )
    assert in_short(run) == {
        "winner": "trial 1 with 99.00 % validation accuracy (a single run, the best of 4 trials, hence optimistic): "
        "learning_rate = 0.1",
        "failed": "1 of 5 trials: boom; --retry-failed tries them again",
        "cost": "5 trials, 7 epochs, 14 s of training",
        "saved": "1 of the 10 epochs that all trials to their end would have taken",
    }


def test_the_noise_between_seeds_says_which_trials_can_not_be_told_from_the_best(new_run: NewRun) -> None:
    new = new_run(SPACE, trials=3)
    for accuracy in (0.985, 0.99, 0.9895):
        new.trial([0.9, accuracy], params={"learning_rate": 10 * (1 - accuracy)})
    new.confirm(1, [0.9899, 0.9900, 0.9901], {"learning_rate": 0.1})
    new.confirm(2, [0.9894, 0.9895, 0.9896], {"learning_rate": 0.105})
    # q(0.05; 3, 4) = 5.04 in any table
    [noise] = [sentence for sentence in verdict(read_run(new.run_dir)) if sentence.startswith("Between")]
    assert noise == (
        "Between fresh seeds an accuracy has a standard deviation of 0.01 points, so single runs up to 0.05 points "
        "apart can't be told from each other (Tukey, 5 %): 1 of the other 2 complete trials came that close to the "
        "best."
    )


def test_a_search_that_ended_itself_says_what_that_saved_and_is_not_called_stopped(new_run: NewRun) -> None:
    new = new_run(SPACE, trials=30, stop="auto")
    for _ in range(17):
        new.trial([0.9, 0.99])
    told = verdict(read_run(new.run_dir))
    assert "17 of 17 planned trials begun: 17 complete." in told
    assert (
        "The search ends after 17 of 30 trials, as its last 10 with a value gained no more than the noise of "
        "one accuracy, 0.10 points: 13 trials, about 26 epochs, "
        "are saved (raise --trials or drop search.stop to go on)."
    ) in told
    assert not any("search stopped before its end" in sentence for sentence in told)
    new.trial([0.9, 0.995])
    told = verdict(read_run(new.run_dir))
    assert "18 of 30 planned trials begun: 18 complete." in told
    assert any("search stopped before its end, after 18 of 30 trials." in sentence for sentence in told)


def test_an_interrupted_search_says_how_to_resume_it_and_a_running_one_that_it_runs(new_run: NewRun) -> None:
    new = new_run(SPACE)
    new.trial([0.9, 0.95])
    new.trial([0.9], "open")
    run = read_run(new.run_dir)
    assert "2 of 60 planned trials begun: 1 complete, 1 interrupted." in verdict(run)
    assert any(
        "stopped before its end, after 1 of 60 trials. Go on with `python -m" in sentence for sentence in verdict(run)
    )
    with run_lock(new.run_dir):
        live = read_run(new.run_dir)
    assert "2 of 60 planned trials begun: 1 complete, 1 running." in verdict(live)
    assert any(sentence.startswith("The search is running; this is how it stood at 20") for sentence in verdict(live))
    assert not any("--resume" in sentence for sentence in verdict(live))


def test_the_confirmed_winner_may_differ_from_the_best_trial_and_is_compared_with_the_runner_up(
    new_run: NewRun,
) -> None:
    new = new_run(SPACE, trials=2)
    new.trial([0.9, 0.99], params={"learning_rate": 1.0})
    new.trial([0.9, 0.98], params={"learning_rate": 2.0})
    new.confirm(0, [0.970, 0.971, 0.972], {"learning_rate": 1.0})
    new.confirm(1, [0.981, 0.982, 0.983], {"learning_rate": 2.0})
    run = read_run(new.run_dir)
    assert run.winner == 1
    assert headline(run) == "run: trial 1 reaches 98.20 % validation accuracy, mean of 3 fresh seeds"
    assert verdict(run)[0] == (
        "Trained again on 3 fresh seeds, trial 1 has a mean of 98.20 % (95 % interval, simultaneous for 2 candidates: "
        "97.84 to 98.56 %); +1.10 points over the runner-up, trial 0 (97.10 %) (95 % interval, 3 pairs: +1.10 to "
        "+1.10)."
    )


@pytest.mark.parametrize(
    ("second", "expected"),
    [
        (
            [0.9816, 0.982],
            "-0.03 points over the runner-up, trial 1 (98.18 %) (95 % interval, 2 pairs: -0.41 to +0.35): these seeds "
            "do not tell the two apart.",
        ),
        # The intervals of the two means overlap; by pairs of one seed they can be told apart.
        (
            [0.9809, 0.9818, 0.9828],
            "+0.02 points over the runner-up, trial 1 (98.18 %) (95 % interval, 3 pairs: +0.00 to +0.03).",
        ),
        ([0.97], "the runner-up, trial 1 (97.00 %), has no two seeds in common with it."),
        ([], "(95 % interval: 97.95 to 98.45 %)."),
    ],
)
def test_the_comparison_with_the_runner_up_depends_on_its_runs(
    new_run: NewRun, second: list[float], expected: str
) -> None:
    new = new_run(SPACE, trials=2)
    for rate in (1.0, 2.0):
        new.trial([0.9, 0.98], params={"learning_rate": rate})
    new.confirm(0, [0.981, 0.982, 0.983], {"learning_rate": 1.0})
    new.confirm(1, second, {"learning_rate": 2.0})
    assert verdict(read_run(new.run_dir))[0].endswith(expected)


def test_the_stand_in_data_set_is_named_first(new_run: NewRun) -> None:
    run = read_run(new_run(SPACE, automatic={"dataset": "uci-digits", "validation_images": 300}).run_dir)
    assert verdict(run)[0] == fallback_note(run)
    assert "mnist was not available" in verdict(run)[0]
    assert "uci-digits" in verdict(run)[0]


def test_calibration_is_told_where_there_is_one(new_run: NewRun, halving_run: Path) -> None:
    new = new_run(SPACE)
    new.export({"test_ece": 0.002, "test_ece_uncalibrated": 0.0061}, {"calibration_images": 2_000})
    told = (
        "The probabilities of the exported model are calibrated by a temperature of 1.20, fitted on 2,000 images new "
        "to it; their expected calibration error is 0.20 % on the test images, 0.61 % without it."
    )
    assert told in verdict(read_run(new.run_dir))
    assert not any("calibrat" in sentence for sentence in verdict(read_run(halving_run)))


def test_trials_that_were_too_slow_are_told(new_run: NewRun, tmp_path: Path) -> None:
    run = new_run({"conv1_width": [8, 16], "epochs": 3}, trials=2)
    run.trial([0.9, 0.95, 0.96])
    assert not any("slower" in sentence for sentence in verdict(read_run(run.run_dir)))
    table = {"search": {"trials": 2}, "hyperparameters": {"conv1_width": [8, 16]}}
    limited = Writer(tmp_path / "limited", {**table, "constraints": {"max_milliseconds_per_image": 2.0}})
    number = limited.begin({"conv1_width": 16})
    limited.epoch(number, 0.99)
    limited.study.set_attributes(number, broken_constraint="2.5 ms per image, the limit is 2")
    limited.end(number, "pruned")
    told = "1 trial (0) ended after the first epoch: slower than `max_milliseconds_per_image = 2` allows."
    assert told in verdict(read_run(limited.run_dir))
    assert trial_table(limited.run_dir).broken_constraint.tolist() == ["2.5 ms per image, the limit is 2"]
