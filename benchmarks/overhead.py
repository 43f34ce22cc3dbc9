"""What a trial costs beyond its training: python -m benchmarks.overhead [TRIALS [N]]

TRIALS (100) trials of three epochs that train nothing, two at a time, through our engine and through stock Ray Tune
with OptunaSearch, N times each (5), in turn. It prints the seconds per trial from the first trial's end to the last
one's (median, least and most), their ratio, our driver's memory at the end and the size of its study (medians), and one
JSON line. Stock Ray Tune gets a tenth of the trials, from 5 to 100.
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
train_images = 100
validation_images = 100
[search]
trials = {trials}
sampler = "random"
pruner = "none"
[hyperparameters]
epochs = 3
conv1_width = 2
conv2_width = 2
hidden_width = 4
pool = "early"
dropout1 = {{ low = 0.0, high = 0.3 }}
[confirm]
top = 0
"""
FEWER = 10  # stock Ray Tune takes so many times as long


def main(trials: str = "100", repeats: str = "5") -> None:
    found: dict[str, list[float]] = {"ours": [], "stock": [], "memory": [], "study": []}
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "overhead.toml").write_text(CONFIG.format(trials=trials))
        for repeat in range(int(repeats)):
            ours = ["benchmarks.nothing", f"{folder}/overhead.toml", "--out", folder, "--name", str(repeat)]
            seconds, megabytes = _per_trial(ours)
            found["ours"].append(seconds)
            found["memory"].append(megabytes)
            found["study"].append((Path(folder) / str(repeat) / "study.db").stat().st_size / 1e6)
            seconds, _ = _per_trial(["benchmarks.stock", str(min(max(int(trials) // FEWER, 5), 100))])
            found["stock"].append(seconds)
    for side in ("ours", "stock"):
        spread = f"({min(found[side]):.3f} to {max(found[side]):.3f})"
        print(f"{side}: {statistics.median(found[side]):.3f} s per trial {spread}, n = {repeats}")
    print(f"ratio {statistics.median(found['stock']) / statistics.median(found['ours']):.1f}")
    print(f"driver {statistics.median(found['memory']):.0f} MB, study {statistics.median(found['study']):.1f} MB")
    print(json.dumps(found))


def _per_trial(words: list[str]) -> tuple[float, float]:
    """Return the seconds per trial from the first trial's end to the last one's, and the driver's MB then."""
    ended, status = [], ""
    with subprocess.Popen([sys.executable, "-m", *words], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        for line in process.stdout:
            if line.startswith("trial") and "complete" in line:
                ended.append(time.monotonic())
                status = Path(f"/proc/{process.pid}/status").read_text()
    assert process.returncode == 0
    [kilobytes] = [line.split()[1] for line in status.splitlines() if line.startswith("VmRSS")]
    return (ended[-1] - ended[0]) / (len(ended) - 1), int(kilobytes) / 1000


if __name__ == "__main__":
    main(*sys.argv[1:])
