"""A whole search against what people do without: python -m benchmarks.search [N [SIDE ...]]

Each side once, N times (1) in turn, with nothing beside it:
  ours     configs/quick.toml: 24 trials, confirmation, refit, export, report; accuracy on the test images
  article  the article's one training of 14 epochs; accuracy on the test images
  stock    Ray Tune with OptunaSearch and ASHA (benchmarks/stock_search.py); accuracy on its validation images
  optuna   Optuna alone with n_jobs = 2 (benchmarks/optuna_search.py); likewise
It prints the seconds of each command and the accuracies, and one JSON line. On two cores the article takes a quarter of
an hour, stock and optuna longer.
"""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

CONFIG = Path(__file__).parents[1] / "configs" / "quick.toml"
ARTICLE = "from benchmarks.article import train_and_test; print('best', train_and_test())"


def main(repeats: str = "1", *named: str) -> None:
    sides: dict[str, Callable[[], float]] = {
        "ours": _ours,
        "article": lambda: _printed(["-c", ARTICLE]),
        "stock": lambda: _printed(["-m", "benchmarks.stock_search"]),
        "optuna": lambda: _printed(["-m", "benchmarks.optuna_search"]),
    }
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in named or sides}
    for _ in range(int(repeats)):
        for name, results in found.items():
            began = time.monotonic()
            accuracy = sides[name]()
            results.append((time.monotonic() - began, accuracy))
            print(f"{name}: {results[-1][0]:.0f} s, {accuracy:.2%}", flush=True)
    print(json.dumps(found))


def _ours() -> float:
    """Search, and return the accuracy of the exported network on the test images."""
    with tempfile.TemporaryDirectory() as folder:
        words = ["-m", "search", "run", str(CONFIG), "--out", folder]
        subprocess.run([sys.executable, *words], check=True, stdout=subprocess.DEVNULL)
        card = json.loads((Path(folder) / "quick" / "export" / "model.json").read_text())
    return float(card["metrics"]["test_accuracy"])


def _printed(words: list[str]) -> float:
    """Return the number after the word `best` in what a command prints."""
    done = subprocess.run([sys.executable, *words], check=True, stdout=subprocess.PIPE, text=True)
    [line] = [line for line in done.stdout.splitlines() if line.startswith("best ")]
    return float(line.split()[1])


if __name__ == "__main__":
    main(*sys.argv[1:])
