"""When each trial was trained, and where: the stretches of its epochs, laid out so that those side by side are seen."""

import heapq

import pandas as pd

COLUMNS = ["number", "state", "start", "end", "place", "lane"]
PAUSE = 0.5  # of an epoch: a trial that waits longer between two of its epochs was not trained meanwhile


def timeline(trials: pd.DataFrame, epochs: pd.DataFrame) -> pd.DataFrame:
    """Return one row per stretch in which a trial was trained without a pause, in the order of their starts.

    Columns: number, state, start and end (seconds of searching, over all sessions), place (the machine, and the GPUs if
    any, of the trial's last epoch) and lane (from 0): stretches in one lane of a place do not overlap, so a place has
    as many lanes as it trained trials at once.
    """
    known = epochs.dropna(subset=["clock", "duration"]).sort_values(["number", "epoch"])
    if known.empty:
        return pd.DataFrame(columns=COLUMNS)
    number = known.number.astype("int64")  # so that the first row, which has none before it, begins a stretch too
    end, seconds = known.clock.dt.total_seconds(), known.duration.dt.total_seconds()
    start = end - seconds
    begins = number.ne(number.shift()) | (start > end.shift() + PAUSE * seconds)
    found = known.assign(start=start, end=end, stretch=begins.cumsum()).groupby("stretch")
    rows = found.agg(number=("number", "first"), state=("state", "first"), start=("start", "min"), end=("end", "max"))
    rows["place"] = rows.number.map(_places(trials))
    rows = rows.sort_values(["start", "number"], ignore_index=True)
    rows["lane"] = 0
    for _, there in rows.groupby("place"):
        rows.loc[there.index, "lane"] = _lanes(there)
    return rows[COLUMNS]


def _places(trials: pd.DataFrame) -> dict[int, str]:
    """Return the place of each trial by its number."""
    places = {}
    for number, node, gpu in zip(trials.number, trials.node, trials.gpu, strict=True):
        machine = "unknown" if pd.isna(node) else str(node)
        places[number] = machine if pd.isna(gpu) else f"{machine}, GPU {gpu}"
    return places


def _lanes(rows: pd.DataFrame) -> list[int]:
    """Return the first lane that is free at each row's start; the rows are in the order of their starts."""
    busy: list[tuple[float, int]] = []  # when each lane becomes free
    free: list[int] = []
    lanes = []
    for start, end in zip(rows.start, rows.end, strict=True):
        # What is written one after the other may overlap by a rounding error.
        while busy and busy[0][0] <= start + 1e-3 * (end - start):
            heapq.heappush(free, heapq.heappop(busy)[1])
        lane = heapq.heappop(free) if free else len(busy)
        heapq.heappush(busy, (end, lane))
        lanes.append(lane)
    return lanes
