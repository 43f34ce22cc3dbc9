"""Experiment: one TOML file, checked and frozen before anything starts."""

from search.experiment.reading import check_cpus, load_experiment, parse_experiment, parse_text, with_trials
from search.experiment.rules import SHARED
from search.experiment.sections import Experiment

__all__ = [
    "SHARED",
    "Experiment",
    "check_cpus",
    "load_experiment",
    "parse_experiment",
    "parse_text",
    "with_trials",
]
