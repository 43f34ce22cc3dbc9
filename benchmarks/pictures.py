"""Measure the classification of pictures made from MNIST: python -m benchmarks.pictures --model runs/quick/export.

Every kind of picture is made at three strengths from `--n` images each, the same ones for the same seed. The table
says how many were answered rightly, and how many the same network answers rightly from MNIST's own 28x28 pixels.
"""

import tempfile
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer

from benchmarks.drawing import Picture, Random, Values, picture
from benchmarks.kinds import KINDS
from benchmarks.mnist_c import CORRUPTIONS
from benchmarks.no_digit import NO_DIGIT
from model.classify import Prediction, classify
from model.data import Split, load_dataset, normalise
from model.export import Export, read_export

STRENGTHS = 3
GROUPS = {"kinds": KINDS, "MNIST-C": CORRUPTIONS, "no digit": NO_DIGIT}


@dataclass(frozen=True)
class Row:
    """What was found for one kind at one strength: of `n` pictures so many right, and as many by the tensors."""

    group: str
    kind: str
    strength: int
    n: int
    right: int
    clean: int
    seconds: float


def main(
    model: Annotated[Path, typer.Option(help="An export folder.")],
    n: Annotated[int, typer.Option(min=1, help="Pictures of each kind and strength.")] = 20,
    kinds: Annotated[str, typer.Option(help="Kinds or groups, with commas between them; all if empty.")] = "",
    part: Annotated[str, typer.Option(help="The images to make pictures from: val (to choose on) or test.")] = "test",
    seed: Annotated[int, typer.Option(help="Another seed makes other pictures.")] = 0,
    out: Annotated[Path | None, typer.Option(help="A file for the table.")] = None,
    keep: Annotated[Path | None, typer.Option(help="A folder for the pictures that were answered wrongly.")] = None,
) -> None:
    """Make the pictures, classify them and print the table."""
    torch.set_num_threads(1)
    export = read_export(model)
    dataset = load_dataset("mnist")
    images = dataset.test if part == "test" else dataset.val
    wanted = [name for name in kinds.split(",") if name]
    rows = []
    for group, makers in GROUPS.items():
        for maker in makers:
            if not wanted or maker.__name__ in wanted or group in wanted:
                for strength in range(STRENGTHS):
                    rows.append(_measure(group, maker, strength, images, n, seed, export, keep))
                    print(_line(rows[-1]), flush=True)
    table = "\n".join([HEAD, *map(_line, rows), "", *_summary(rows), ""])
    print("\n".join(_summary(rows)))
    if out:
        out.write_text(table, encoding="utf-8")


def _measure(
    group: str, maker: Callable[[Random, Values, int], Picture | Values], strength: int, images: Split, n: int,
    seed: int, export: Export, keep: Path | None,
) -> Row:  # fmt: skip
    """Classify `n` pictures of one kind at one strength."""
    random = np.random.default_rng([seed, zlib.crc32(maker.__name__.encode()), strength])
    chosen = torch.from_numpy(random.choice(len(images), n, replace=False))
    digits, labels = images.images[chosen], images.labels[chosen].tolist()
    with tempfile.TemporaryDirectory() as folder:
        made = [maker(random, digit / 255.0, strength) for digit in digits.numpy()]
        shown = [each if isinstance(each, Picture) else picture(each) for each in made]
        names = [f"{maker.__name__}-{strength}-{number}-{label}" for number, label in enumerate(labels)]
        paths = [each.save(Path(folder), name) for each, name in zip(shown, names, strict=True)]
        start = time.process_time()
        answers = classify([*paths], export)
        seconds = time.process_time() - start
        count = [0 if group == "no digit" else each.digits for each in shown]
        right = [_is_right(*each) for each in zip(answers, labels, count, strict=True)]
        if keep:
            keep.mkdir(parents=True, exist_ok=True)
            for path, answer in ((paths[i], answers[i]) for i in range(n) if not right[i]):
                (keep / path.name).write_bytes(path.read_bytes())
                print(f"    {path.name}: {answer.digit} {answer.probability or 0:.2f} {_cause(answer)}")
    with torch.inference_mode():
        clean = export.net(normalise(digits, export.mean, export.std)).argmax(dim=1).tolist()
    return Row(group, maker.__name__, strength + 1, n, sum(right), _equal(clean, labels), seconds)


def _is_right(answer: Prediction, label: int, digits: int) -> bool:
    """Return whether the answer is the digit, or says how many digits there are where it is not one."""
    if digits == 0:
        return answer.digit is None and "no digit found" in (answer.error or "")
    if digits > 1:
        return answer.digit is None and f"more than one digit ({digits})" in (answer.error or "")
    return answer.digit == label


def _cause(answer: Prediction) -> str:
    return (answer.error or "").partition(": ")[2].partition(";")[0]


def _equal(some: list[int], others: list[int]) -> int:
    return sum(one == other for one, other in zip(some, others, strict=True))


HEAD = """| group | kind | strength | n | right | right from the tensor | CPU ms per picture |
| --- | --- | --- | --- | --- | --- | --- |"""


def _line(row: Row) -> str:
    cells = (row.group, row.kind, row.strength, row.n, row.right, row.clean, f"{1000 * row.seconds / row.n:.0f}")
    return f"| {' | '.join(map(str, cells))} |"


def _summary(rows: list[Row]) -> Iterator[str]:
    """Yield a line for each group: the mean over its kinds, the worst kind."""
    for group in GROUPS:
        kinds = {row.kind for row in rows if row.group == group}
        shares = {kind: _share([row for row in rows if row.kind == kind]) for kind in kinds}
        if shares:
            worst = sorted(shares, key=lambda kind: shares[kind])[:5]
            told = ", ".join(f"{kind} {100 * shares[kind]:.1f} %" for kind in worst)
            clean = _share([row for row in rows if row.group == group], "clean")
            mean = f"{group}: mean of {len(kinds)} kinds {100 * sum(shares.values()) / len(shares):.2f} %"
            yield f"{mean} (from the tensors {100 * clean:.2f} %); lowest: {told}"


def _share(rows: list[Row], what: str = "right") -> float:
    return float(sum(getattr(row, what) for row in rows) / sum(row.n for row in rows))


if __name__ == "__main__":
    typer.run(main)
