"""The only module that writes: tables as CSV, figures as PNG and SVG, and one page of one or several runs."""

import io
from dataclasses import replace
from itertools import count
from pathlib import Path

import pandas as pd

from analysis.figures import default_look
from analysis.gallery import Picture, comparison, pictures
from analysis.page.page import Image, page
from analysis.tables.run import Run, read_run
from model.errors import ConfigError
from model.files import write_atomically

DPI = 110


def write_report(run_dirs: list[Path], out: Path | None = None) -> Path:
    """Write trials.csv, epochs.csv, *.png, *.svg and index.html, and return the path of index.html.

    Several runs, which may be running, interrupted, empty or finished, are compared in one report. It is written to
    `out` or, by default, to report/ in the folder of the first run.

    Raises:
        ConfigError: a folder is not a run, or there can be no folder for the report.
        OSError: the report can't be written.
    """
    runs = _named_apart([read_run(path) for path in {path.resolve(): path for path in run_dirs}.values()])
    folder = out or runs[0].path / "report"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"{folder}: {error.strerror}; name another folder with --out") from error
    write_atomically(folder / "trials.csv", _csv(runs, [run.trials for run in runs]))
    write_atomically(folder / "epochs.csv", _csv(runs, [run.epochs for run in runs]))
    with default_look():
        images = {run.name: [_image(picture) for picture in pictures(run)] for run in runs}
        compared = [_image(comparison(runs))] if len(runs) > 1 else []
    files = {image.name: image for image in compared}
    for name, of_run in images.items():
        files |= {f"{name}-{image.name}" if compared else image.name: image for image in of_run}
    for name, image in files.items():
        write_atomically(folder / f"{name}.png", image.png)
        write_atomically(folder / f"{name}.svg", image.svg)
    # The page comes last, so that it is never newer than the files it refers to.
    index = folder / "index.html"
    write_atomically(index, page(runs, images, list(files)).encode("utf-8"))
    return index


def _named_apart(runs: list[Run]) -> list[Run]:
    """Return the runs with a number after the name of each whose name an earlier one has already."""
    apart: list[Run] = []
    taken = {run.name for run in runs}
    for run in runs:
        name = run.name
        if any(earlier.name == name for earlier in apart):
            name = next(new for number in count(2) if (new := f"{name}-{number}") not in taken)
            taken.add(name)
        apart.append(replace(run, name=name))
    return apart


def _csv(runs: list[Run], tables: list[pd.DataFrame]) -> bytes:
    """Return the tables of all runs as one CSV file, with a first column `run` if there are several."""
    if len(runs) > 1:
        tables = [_with_run(table, run.name) for table, run in zip(tables, runs, strict=True)]
    text: str = pd.concat(tables, ignore_index=True).to_csv(index=False, lineterminator="\n")
    return text.encode("utf-8")


def _with_run(table: pd.DataFrame, name: str) -> pd.DataFrame:
    return pd.concat([pd.Series(name, table.index, name="run"), table], axis=1)


def _image(picture: Picture) -> Image:
    png = _drawn(picture, "png")
    picture.figure.set_layout_engine("none")  # it is laid out now, which takes as long as drawing
    svg = _drawn(picture, "svg")
    return Image(picture.name, picture.sentence, png, svg, picture.interactive)


def _drawn(picture: Picture, form: str) -> bytes:
    buffer = io.BytesIO()
    picture.figure.savefig(buffer, format=form, dpi=DPI)
    return buffer.getvalue()
