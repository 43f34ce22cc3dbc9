"""The points that TensorBoard reads in the folder of a run, and those that should be there by the run's study."""

from pathlib import Path

import numpy as np

from search.store.records import read_trials
from search.store.study import STUDIES

SCALARS = {"val_accuracy": "accuracy/validation", "train_loss": "loss/training", "val_loss": "loss/validation"}
Points = list[tuple[float, ...]]  # of one trial: epoch and scalars


def points_in(folder: Path) -> Points:
    """Return the points of a trial's folder, as TensorBoard's own reader finds them."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    reader = EventAccumulator(str(folder))
    reader.Reload()
    curves = [reader.Scalars(tag) for tag in reader.Tags()["scalars"] and SCALARS.values()]
    return [(at[0].step, *(point.value for point in at)) for at in zip(*curves, strict=True)]


def points_shown(run_dir: Path) -> list[Points]:
    """Return the points of all trials that TensorBoard shows, in their own order."""
    return sorted(points_in(folder) for folder in (run_dir / "tensorboard").glob("*/*"))


def points_stored(run_dir: Path) -> list[Points]:
    """Return the points of all trials that have begun, in the same order; TensorBoard holds numbers in 32 bits."""
    records = [record for study in STUDIES for record in read_trials(run_dir, study)]
    begun = [record.epochs for record in records if "started" in record.attributes]
    return sorted(
        [(epoch["epoch"], *(float(np.float32(epoch[name])) for name in SCALARS)) for epoch in epochs]
        for epochs in begun
    )
