"""The only writer: CSV tables, PNG figures and one self-contained HTML page, from one run or several."""

import io
from dataclasses import replace
from pathlib import Path

import pandas as pd

from analysis.gallery import Picture, comparison, pictures
from analysis.interactive import parallel_coordinates
from analysis.page import Image, page
from analysis.run import Run, read_run
from model.files import write_atomically

DPI = 110


def write_report(run_dirs: list[Path], out: Path | None = None) -> Path:
    """Write trials.csv, epochs.csv, *.png and index.html; returns the path of index.html.

    One run's report lies in its folder report/. Several are compared in one report, in the first one's folder unless
    `out` names another. Works on a live, interrupted, empty or finished run. Raises ConfigError where a folder is not
    a run, OSError where the report can't be written.
    """
    runs = _named_apart([read_run(path) for path in {path.resolve(): path for path in run_dirs}.values()])
    folder = out or runs[0].path / "report"
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(folder / "trials.csv", _csv(runs, [run.trials for run in runs]))
    write_atomically(folder / "epochs.csv", _csv(runs, [run.epochs for run in runs]))
    images = {run.name: [_image(picture) for picture in pictures(run)] for run in runs}
    compared = _image(comparison(runs)) if len(runs) > 1 else None
    for name, of_run in images.items():
        prefix = f"{name}-" if compared else ""
        for image in of_run:
            write_atomically(folder / f"{prefix}{image.name}.png", image.png)
    if compared:
        write_atomically(folder / f"{compared.name}.png", compared.png)
    # Last, so that a page is never newer than what it speaks of.
    index = folder / "index.html"
    write_atomically(index, page(runs, images, compared, parallel_coordinates(runs)).encode("utf-8"))
    return index


def _named_apart(runs: list[Run]) -> list[Run]:
    """Folders of one name in different places get a number after it."""
    names = [run.name for run in runs]
    earlier = [names[:place].count(name) for place, name in enumerate(names)]
    return [
        replace(run, name=f"{run.name}-{count + 1}") if count else run for run, count in zip(runs, earlier, strict=True)
    ]


def _csv(runs: list[Run], tables: list[pd.DataFrame]) -> bytes:
    if len(runs) > 1:
        named = [pd.Series(run.name, table.index, name="run") for run, table in zip(runs, tables, strict=True)]
        tables = [pd.concat([name, table], axis=1) for name, table in zip(named, tables, strict=True)]
    text: str = pd.concat(tables, ignore_index=True).to_csv(index=False, lineterminator="\n")
    return text.encode("utf-8")


def _image(picture: Picture) -> Image:
    buffer = io.BytesIO()
    picture.figure.savefig(buffer, format="png", dpi=DPI)
    return Image(picture.name, picture.sentence, buffer.getvalue())
