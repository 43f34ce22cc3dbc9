"""A run for TensorBoard: a folder of event files per trial, derived from the study and written anew by each session."""

import re
import shutil
import struct
import time
from collections.abc import Callable, Iterator
from itertools import accumulate
from pathlib import Path
from typing import Any

from optuna.trial import FrozenTrial, TrialState
from tensorboardX.proto.event_pb2 import Event, SessionLog
from tensorboardX.proto.summary_pb2 import Summary
from tensorboardX.record_writer import masked_crc32c
from tensorboardX.summary import hparams

from model.errors import summary
from search.progress.wording import name_of
from search.store.records import record_of
from search.store.study import SEARCH, StoredStudy

ACCURACY = "accuracy/validation"
SCALARS = {ACCURACY: "val_accuracy", "loss/training": "train_loss", "loss/validation": "val_loss"}


class EventFiles:
    """The event files of all trials that have begun, in `folder`.

    What an earlier session left there is deleted: a kill may have torn it, or come before a point that the study holds.
    (tensorboardX's own SummaryWriter would have a thread and an open file for each trial.)
    """

    def __init__(self, folder: Path, studies: list[StoredStudy], warn: Callable[[str], None]) -> None:
        self.folder, self.studies, self.warn = folder, studies, warn
        # A name that no earlier session has: a TensorBoard that is open may still hold a deleted file of the old name.
        self._file = f"events.out.tfevents.{time.time():.0f}"
        self._written: dict[tuple[str, int], FrozenTrial] = {}  # as each trial was when its file was last written
        self._lost = False
        shutil.rmtree(folder, ignore_errors=True)

    def update(self) -> None:
        """Write what the studies hold and the files do not. Where that fails the search goes on without the files."""
        if self._lost:
            return
        try:
            for study in self.studies:
                for trial in study.trials():
                    self._follow(study.name, trial)
        except OSError as error:
            self._lost = True
            self.warn(f"{self.folder}: can't be written ({summary(error)}); the search goes on, --resume tries again")

    def _follow(self, study: str, trial: FrozenTrial) -> None:
        """Write what has come since the trial's file was last written; a trial that changes is a new object."""
        before = self._written.get((study, trial.number))
        if trial is before or "started" not in trial.user_attrs:
            return
        if events := list(events_since(before, trial, study == SEARCH)):
            path = self.folder / study / _folder(trial) / self._file
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("ab") as file:
                file.write(b"".join(map(_framed, events)))
        self._written[study, trial.number] = trial


def events_since(before: FrozenTrial | None, trial: FrozenTrial, searched: bool) -> Iterator[Event]:
    """Yield what TensorBoard must be told of `trial`, where it knows what was true `before`; None: nothing.

    A step is an epoch, its time that of training alone. Trials that were `searched` have a row in the table of
    hyperparameters, in which an accuracy is the trial's last.
    """
    began = trial.user_attrs["started"]
    epochs, known = _epochs(trial), _epochs(before) if before else []
    if before is None:
        yield Event(wall_time=began, file_version="brain.Event:2")
        yield Event(wall_time=began, session_log=SessionLog(status=SessionLog.START))
        if searched:
            table, row, _ = hparams(trial.params, {ACCURACY: None})
            yield Event(wall_time=began, summary=table)
            yield Event(wall_time=began, summary=row)
    same = 0
    while same < min(len(known), len(epochs)) and known[same] == epochs[same]:
        same += 1
    if same < len(known):  # trained again after a death: TensorBoard drops this step and those after it
        yield Event(wall_time=began, step=known[same]["epoch"], session_log=SessionLog(status=SessionLog.START))
    times = list(accumulate((metrics["seconds"] for metrics in epochs), initial=began))[1:]
    for metrics, moment in list(zip(epochs, times, strict=True))[same:]:
        values = [Summary.Value(tag=tag, simple_value=metrics[name]) for tag, name in SCALARS.items()]
        yield Event(wall_time=moment, step=metrics["epoch"], summary=Summary(value=values))
    if searched and trial.state in (TrialState.COMPLETE, TrialState.PRUNED):
        *_, end = hparams(trial.params, {ACCURACY: None})
        yield Event(wall_time=trial.user_attrs.get("ended", began), summary=end)


def _folder(trial: FrozenTrial) -> str:
    """Return what TensorBoard calls a trial: as the terminal does, but so that names are in the order of numbers."""
    name = re.sub(r"\W+", "-", name_of(trial))
    return re.sub(r"(?<=^trial-)\d+", lambda number: number[0].zfill(4), name)


def _epochs(trial: FrozenTrial) -> list[dict[str, Any]]:
    return record_of(trial, live=True).epochs


def _framed(event: Event) -> bytes:
    """Return an event as it stands in a file: a record of TFRecord, with the checksums of its length and its bytes."""
    record: bytes = event.SerializeToString()
    length = struct.pack("<Q", len(record))
    sums = [struct.pack("<I", masked_crc32c(part)) for part in (length, record)]
    return length + sums[0] + record + sums[1]
