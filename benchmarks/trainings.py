"""Many trainings side by side, each in one process and one thread; what a CSV file holds already is not done again."""

import csv
import multiprocessing
import os
from collections.abc import Callable, Iterable
from multiprocessing.pool import Pool
from pathlib import Path
from typing import Any

import torch

from model.machine import usable_cpus
from search.on_ray.environment import OF_WORKERS

Task = tuple[Any, ...]
Rows = list[list[Any]]


def train_all(path: Path, columns: list[str], tasks: Iterable[Task], train: Callable[[Task], Rows]) -> None:
    """Append the rows of `train(task)` to the CSV file `path`, for each task that it does not hold yet.

    `columns` begin with the parts of a task, by which its rows are known; `train` is a function of a module.
    """
    tasks = list(tasks)
    done, size = set(), len(tasks[0])
    if path.exists():
        with path.open(newline="") as file:
            done = {tuple(row[name] for name in columns[:size]) for row in csv.DictReader(file)}
    left = [task for task in tasks if tuple(map(str, task)) not in done]
    with path.open("a", newline="") as file, workers(max(1, min(usable_cpus(), len(left)))) as pool:
        writer = csv.writer(file)
        if not done:
            writer.writerow(columns)
        for number, rows in enumerate(pool.imap_unordered(train, left), 1):
            writer.writerows(rows)
            file.flush()
            print(f"{number} of {len(left)}: {rows[-1]}", flush=True)


def workers(processes: int) -> Pool:
    """Return processes of one thread each, with the environment that a search gives its workers."""
    os.environ.update(OF_WORKERS)  # the C library and OpenMP read it as a process starts
    return multiprocessing.get_context("spawn").Pool(processes, torch.set_num_threads, (1,))
