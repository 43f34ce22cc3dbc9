"""How many trials to train side by side: python -m benchmarks.packing [TRIALS [N]]

Searches of TRIALS (four for each CPU) trials of one network of `make search`, each with another number of CPUs per
trial: all, half as many, ... one, and what "auto" chooses; N times each (5), in turn. It prints the trials per hour
once all places are taken (median, least and most), the share of the best that "auto" reaches, and one JSON line. GPUs
are not packed here.
"""

import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from analysis.numbers.timeline import timeline
from analysis.tables import epoch_table, trial_table
from model.machine import usable_cpus

CONFIG = """
[data]
train_images = 20000
validation_images = 5000
[search]
trials = {trials}
sampler = "random"
pruner = "none"
recipe_first = false
precision = "auto"
[hyperparameters]
epochs = 2
pool = "early"
batch_norm = true
optimizer = "adamw"
schedule = "one-cycle"
batch_size = 128
weight_decay = 0.01
conv1_width = 16
conv2_width = 48
kernel_size = 5
shift = 1.0
learning_rate = {{ low = 3e-3, high = 3e-2, log = true }}
[confirm]
top = 0
[resources]
cpus_per_trial = {cpus}
"""


def main(trials: str = str(4 * usable_cpus()), repeats: str = "5") -> None:
    cpus = [usable_cpus() // 2**halvings for halvings in range(usable_cpus().bit_length())]
    settings: dict[str, list[float]] = {**{str(count): [] for count in cpus}, '"auto"': []}
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "packing.toml"
        for repeat in range(int(repeats)):
            for number, (setting, speeds) in enumerate(settings.items()):
                config.write_text(CONFIG.format(trials=trials, cpus=setting))
                name = f"{number}-{repeat}"
                words = ["run", str(config), "--out", folder, "--name", name]
                speeds.append(_per_hour(words, Path(folder) / name))
    for setting, speeds in settings.items():
        spread = f"({min(speeds):,.0f} to {max(speeds):,.0f})"
        print(f"cpus_per_trial = {setting}: {statistics.median(speeds):,.0f} trials per hour {spread}, n = {repeats}")
    middle = [statistics.median(speeds) for speeds in settings.values()]
    print(f'"auto" reaches {middle[-1] / max(middle[:-1]):.0%} of the best')
    print(json.dumps(settings))


def _per_hour(words: list[str], run_dir: Path) -> float:
    """Search, and return the trials per hour from the end of the first trial in each place to the end of the last."""
    subprocess.run([sys.executable, "-m", "search", *words], check=True, stdout=subprocess.DEVNULL)
    stretches = timeline(trial_table(run_dir), epoch_table(run_dir))
    ends, places = sorted(stretches.groupby("number").end.max()), stretches.lane.nunique()
    return float(3600 * (len(ends) - places) / (ends[-1] - ends[places - 1]))


if __name__ == "__main__":
    main(*sys.argv[1:])
