"""A whole search against what people do without: python -m benchmarks.search [N [SIDE ...]]

Each side once, N times (1) in turn, with nothing beside it:
  ours     configs/quick.toml: 24 trials, confirmation, refit, export, report; accuracy on the test images
  article  the article's one training of 14 epochs; accuracy on the test images
  stock    Ray Tune with OptunaSearch and ASHA (benchmarks/stock_search.py); accuracy on its validation images
  optuna   Optuna alone with n_jobs = 2 (benchmarks/optuna_search.py); likewise
  a number between 0 and 1: ours, on as many images as stock and optuna have, until a trial's accuracy is no lower
After stock and optuna ours follows until it reaches their accuracy. It prints the seconds of each command and the
accuracies, and one JSON line. On two cores the article, stock and optuna take about a quarter of an hour each.
"""

import json
import re
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Callable
from functools import partial
from pathlib import Path

import tomli_w

from benchmarks.stock_search import TRAINED

CONFIG = Path(__file__).parents[1] / "configs" / "quick.toml"
ARTICLE = "from benchmarks.article import train_and_test; print('best', train_and_test())"
SEARCHES = ("stock", "optuna")


def main(repeats: str = "1", *named: str) -> None:
    sides: dict[str, Callable[[], float]] = {
        "ours": _ours,
        "article": lambda: _printed(["-c", ARTICLE]),
        "stock": lambda: _printed(["-m", "benchmarks.stock_search"]),
        "optuna": lambda: _printed(["-m", "benchmarks.optuna_search"]),
    }
    found: dict[str, list[tuple[float, float]]] = {}

    def measure(name: str, side: Callable[[], float]) -> float:
        began = time.monotonic()
        accuracy = side()
        found.setdefault(name, []).append((time.monotonic() - began, accuracy))
        print(f"{name}: {found[name][-1][0]:.0f} s, {accuracy:.2%}", flush=True)
        return accuracy

    for _ in range(int(repeats)):
        for name in named or sides:
            least = float(name) if name not in sides else measure(name, sides[name])
            if name in SEARCHES or name not in sides:
                measure(f"ours until {least:.2%}", partial(_reached, least))
    print(json.dumps(found))


def _ours() -> float:
    """Search, and return the accuracy of the exported network on the test images."""
    with tempfile.TemporaryDirectory() as folder:
        words = ["-m", "search", "run", str(CONFIG), "--out", folder]
        subprocess.run([sys.executable, *words], check=True, stdout=subprocess.DEVNULL)
        card = json.loads((Path(folder) / "quick" / "export" / "model.json").read_text())
    return float(card["metrics"]["test_accuracy"])


def _reached(least: float) -> float:
    """Search in the space of CONFIG until a trial has at least this accuracy on 10,000 images, and return it."""
    table = tomllib.loads(CONFIG.read_text())
    table["data"] = {"train_images": TRAINED, "validation_images": 60_000 - TRAINED}
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "until.toml"
        config.write_text(tomli_w.dumps(table))
        line = [sys.executable, "-m", "search", "run", str(config), "--out", folder]
        with subprocess.Popen(line, stdout=subprocess.PIPE, text=True) as search:
            assert search.stdout
            reached = next((found for found in map(_accuracy_of_trial, search.stdout) if found >= least), None)
            search.terminate()
            search.communicate()
    assert reached, f"no trial reached {least:.2%}"
    return reached


def _accuracy_of_trial(line: str) -> float:
    """Return the accuracy in the line of a trial that has paused or ended, else 0."""
    found = re.match(r"trial +\d+ .* epochs +([\d.]+)%", line)
    return float(found[1]) / 100 if found else 0.0


def _printed(words: list[str]) -> float:
    """Return the number after the word `best` in what a command prints."""
    done = subprocess.run([sys.executable, *words], check=True, stdout=subprocess.PIPE, text=True)
    [line] = [line for line in done.stdout.splitlines() if line.startswith("best ")]
    return float(line.split()[1])


if __name__ == "__main__":
    main(*sys.argv[1:])
