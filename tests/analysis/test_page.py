"""The page is complete, needs nothing from outside, and shows text from a run as text."""

import re
from pathlib import Path

import pytest
from jinja2 import UndefinedError

from analysis.page.page import templates
from analysis.report import write_report
from tests.analysis.pages import Page
from tests.analysis.studies import NewRun

SPACE = {"learning_rate": {"low": 0.1, "high": 3.0, "log": True}, "epochs": 3}


@pytest.fixture(scope="module")
def page(halving_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Page:
    return Page(write_report([halving_run], tmp_path_factory.mktemp("report")))


def test_the_page_loads_nothing_from_outside(page: Page) -> None:
    assert page.loads
    assert all(place.startswith("data:image/png;base64,") for place in page.loads)
    assert page.links[-2:] == ["trials.csv", "epochs.csv"]
    assert not any(":" in link or link.startswith("/") for link in page.links)
    assert "default-src 'none'" in page.source
    assert not re.search(r"@import|url\(http", re.sub(r"<script.*?</script>", "", page.source, flags=re.S))


def test_the_page_has_its_style_inside(page: Page) -> None:
    (style,) = re.findall(r"<style>(.*?)</style>", page.source, re.S)
    assert "prefers-color-scheme: dark" in style


@pytest.mark.parametrize(
    "text",
    [
        "validation accuracy, mean of 3 fresh seeds",
        "What to do next",
        "95 % interval, simultaneous for 3 candidates: Student t over seeds, each at 98.33 %",
        "What accuracy costs: parameters",
        "What accuracy costs: milliseconds per image",
        "What helps early need not help at the end.",
        "5 trials failed (7, 20, 33, 46, 59): OutOfMemoryError: 7 MiB were missing",
        "60 of 60 planned trials begun: 14 complete, 41 pruned, 5 failed.",
        "[hyperparameters.learning_rate]",
        "versions.python",
        "<b>&",
    ],
)
def test_the_page_shows_verdict_confirmation_failures_and_environment(page: Page, text: str) -> None:
    assert text in page.text


def test_the_page_has_one_heading_every_figure_and_every_chart(page: Page) -> None:
    searched = ["learning_rate", "conv1_width", "kernel_size", "pool", "dropout2"]
    assert page.tags.count("h1") == 1
    assert page.tags.count("img") == 5  # confirmation, pareto, losses, calibration, importance
    charts = re.findall(r'<div class="chart" id="([^"]+)">', page.source)
    values = [f"values-{name}" for name in (*searched, "parameters", "milliseconds per image")]
    assert set(charts) == {"curves", "parallel", *values, "best-by-number", "best-by-time", "timeline"}


def test_words_between_backticks_are_code_and_markup_of_a_run_stays_text(new_run: NewRun) -> None:
    run = new_run(SPACE)
    run.trial([], "failed", error="<script>alert('boom')</script>, see `a <b>`")
    page = Page(write_report([run.run_dir]))
    assert "<script>alert" not in page.source
    assert "<script>alert('boom')</script>, see a <b>" in page.text
    assert "a <b>" in page.codes


def test_a_template_that_names_unknown_data_fails() -> None:
    with pytest.raises(UndefinedError, match="title"):
        templates().get_template("page.html").render()
