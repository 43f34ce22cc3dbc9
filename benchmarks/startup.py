"""From the command to the prompt: python -m benchmarks.startup [N]

A whole search of four trials of one short epoch, with export and report but no confirmation; and four trials that do
nothing, on stock Ray Tune. Both N times (5), in turn. It prints the median, least and most seconds, and one JSON line.
"""

import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

CONFIG = """
[data]
train_images = 500
validation_images = 500
[search]
trials = 4
sampler = "random"
pruner = "none"
[hyperparameters]
epochs = 1
conv1_width = 2
conv2_width = 2
hidden_width = 16
pool = "early"
dropout1 = { low = 0.0, high = 0.3 }
[confirm]
top = 0
"""
EVENTS = ["first line", "first trial ended", "last trial ended", "prompt"]
Seconds = dict[str, float]


def main(repeats: str = "5") -> None:
    found: dict[str, list[Seconds]] = {"ours": [], "stock": []}
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "startup.toml").write_text(CONFIG)
        for repeat in range(int(repeats)):
            ours = ["search", "run", f"{folder}/startup.toml", "--out", folder, "--name", str(repeat)]
            found["ours"].append(_timed(ours))
            found["stock"].append(_timed(["benchmarks.stock"]))
    result = {side: {event: _spread([run[event] for run in runs]) for event in EVENTS} for side, runs in found.items()}
    for side, events in result.items():
        print(f"{side}, n = {repeats}")
        for event, (median, least, most) in events.items():
            print(f"  {event:18} {median:5.1f} s ({least:.1f} to {most:.1f})")
    print(json.dumps(result))


def _timed(words: list[str]) -> Seconds:
    """Return the seconds from the start of a command to each of EVENTS."""
    began = time.monotonic()
    lines = []
    with subprocess.Popen([sys.executable, "-m", *words], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        for line in process.stdout:
            lines.append((time.monotonic() - began, line))
    assert process.returncode == 0, lines
    ended = [seconds for seconds, line in lines if line.startswith("trial") and "complete" in line]
    return dict(zip(EVENTS, [lines[0][0], ended[0], ended[-1], time.monotonic() - began], strict=True))


def _spread(seconds: list[float]) -> tuple[float, float, float]:
    """Return median, least and greatest."""
    return statistics.median(seconds), min(seconds), max(seconds)


if __name__ == "__main__":
    main(*sys.argv[1:])
