"""Tables and report of many trials: python -m benchmarks.report [TRIALS]

A made-up search of TRIALS (10000) trials in the space of configs/mnist.toml, each of them complete after 10 epochs. It
prints the seconds of CPU time of each table and the seconds of the report, in processes of their own, the report's
size, and one JSON line.
"""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import optuna
from optuna.samplers import RandomSampler

from benchmarks.scale import EPOCHS, SPACE, made_up_trial
from search.experiment import load_experiment
from search.store import location
from search.store.resolved import resolved
from search.store.study import SEARCH, open_study
from search.strategy.given import quiet_optuna

SIDE_BY_SIDE = 64  # trials
TABLE = """
import sys, time
from analysis import tables
began = time.process_time()
getattr(tables, sys.argv[1])(sys.argv[2])
print(time.process_time() - began)
"""
