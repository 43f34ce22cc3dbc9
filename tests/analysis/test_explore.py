"""The page in a real browser: table and charts answer to each other, it reaches for nothing, everybody can use it."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from analysis.report import write_report
from analysis.tables import trial_table
from tests.browser import Visit, serious_violations, visit

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

POINTS = "#values-dropout2 .mark-symbol path"


@pytest.fixture(scope="module")
def index(halving_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_report([halving_run], tmp_path_factory.mktemp("report"))


@pytest.fixture
def seen(browser: "Browser", index: Path) -> Iterator[Visit]:
    """The report of one search, drawn."""
    with visit(browser, index.as_uri()) as found:
        found.page.wait_for_selector("html[data-drawn]")
        yield found
        assert found.complaints == []


def numbers(page: "Page") -> list[int]:
    """Return the trials of the table, from above."""
    cells = page.locator("#trials tbody td:first-child button").all_text_contents()
    return [int(cell.removesuffix(" ★")) for cell in cells]


def column(page: "Page", name: str) -> list[str]:
    names = page.locator("#trials thead button").all_text_contents()
    return page.locator(f"#trials tbody td:nth-child({names.index(name) + 1})").all_text_contents()


def strong(page: "Page") -> int:
    """Return how many points of a chart are drawn at full strength."""
    return int(
        page.evaluate(
            f"[...document.querySelectorAll('{POINTS}')].filter(p => p.getAttribute('opacity') === '1').length"
        )
    )


def test_nothing_leaves_the_page_and_nothing_is_complained_of(seen: Visit, index: Path) -> None:
    assert seen.requests == [index.as_uri()]
    assert index.stat().st_size < 6e6
    assert seen.page.locator(".chart svg").count() == seen.page.locator(".chart").count() == 12


@pytest.mark.parametrize("width", [390, 768, 1400])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everybody_can_use_it_on_any_screen(browser: "Browser", index: Path, width: int, scheme: str) -> None:
    with visit(browser, index.as_uri(), width, color_scheme=scheme) as found:
        found.page.wait_for_selector("html[data-drawn]")
        assert serious_violations(found.page) == []
        assert found.page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def test_a_click_on_a_column_sorts_the_table_and_a_second_one_turns_it(seen: Visit, halving_run: Path) -> None:
    best = trial_table(halving_run).nlargest(5, "val_accuracy").number.tolist()
    assert numbers(seen.page)[:5] == best
    seen.page.get_by_role("button", name="trial", exact=True).click()
    assert numbers(seen.page)[:3] == [0, 1, 2]
    seen.page.get_by_role("button", name="trial", exact=True).click()
    assert numbers(seen.page)[:3] == [59, 58, 57]
    seen.page.get_by_role("button", name="pool", exact=True).click()
    assert column(seen.page, "pool") == sorted(column(seen.page, "pool"))


def test_one_filter_rules_the_table_and_every_chart(seen: Visit, halving_run: Path) -> None:
    trials = trial_table(halving_run)
    seen.page.get_by_label("pruned").uncheck()
    complete = set(trials.number[trials.state == "complete"])
    assert set(numbers(seen.page)) == complete | set(trials.number[trials.state == "failed"])
    assert seen.page.locator(POINTS).count() == len(complete)
    seen.page.get_by_label("top").fill("4")
    assert set(numbers(seen.page)) == set(trials[trials.state == "complete"].nlargest(4, "val_accuracy").number)
    assert seen.page.locator(POINTS).count() == 4
    assert seen.page.locator("#curves .mark-line path").count() == 4
    assert seen.page.locator("#parallel .mark-line path").count() == 4
    seen.page.get_by_role("searchbox").fill("pool=early dropout2<0.3 learning_rate>0.1")
    chosen = column(seen.page, "pool"), column(seen.page, "dropout2")
    assert set(chosen[0]) <= {"early"}
    assert all(float(value) < 0.3 for value in chosen[1])
    seen.page.get_by_role("searchbox").fill("pol=early")
    assert seen.page.locator("#fault").inner_text() == "there is no column pol"


def test_what_is_marked_in_one_place_is_marked_everywhere(seen: Visit) -> None:
    page = seen.page
    page.locator("#trials tbody button").nth(2).click()
    number = numbers(page)[2]
    assert page.locator("#marks button").inner_text().startswith(f"trial {number} ")
    assert page.locator("tr.marked").count() == 1
    assert strong(page) == 1
    page.locator(POINTS).first.click(force=True)  # a click in a chart marks too
    assert page.locator("tr.marked").count() == 2
    assert strong(page) == 2
    page.get_by_role("button", name="unmark all").click()
    assert page.locator("tr.marked").count() == 0


def test_the_pointer_names_the_trial_and_finds_it_in_the_table(seen: Visit) -> None:
    seen.page.locator(POINTS).last.hover(force=True)
    told = seen.page.locator("#vg-tooltip-element").inner_text()
    assert told.startswith("trial ")
    assert "dropout2" in told
    assert strong(seen.page) == 1
    number = numbers(seen.page)[0]
    seen.page.locator("#trials tbody tr").first.hover()
    assert strong(seen.page) == 1
    assert seen.page.locator("tr.hovered").inner_text().startswith(str(number))


def test_a_hyperparameter_gives_the_curves_their_colours_medians_and_bands(seen: Visit) -> None:
    seen.page.get_by_label("colours by").select_option("pool")
    seen.page.wait_for_selector("#curves .mark-area path")
    assert seen.page.locator("#curves .role-legend-label text").all_text_contents() == ["late", "early"]
    assert seen.page.locator("#curves .mark-area path").count() == 2


def test_equal_curves_of_several_runs_do_not_hide_each_other(
    browser: "Browser", halving_run: Path, tmp_path: Path
) -> None:
    shutil.copytree(halving_run, tmp_path / "again")
    compared = write_report([halving_run, tmp_path / "again"], tmp_path / "report")
    with visit(browser, compared.as_uri()) as found:
        found.page.wait_for_selector("html[data-drawn]")
        assert "these seeds do not tell the two apart" in found.page.locator("main > ul").inner_text()
        widths = found.page.evaluate(
            "[...document.querySelectorAll('#curves .mark-line path')].map(path => path.getAttribute('stroke-width'))"
        )
        each = [float(width) for width in widths[:-2]]  # without the medians
        first, later = each[: len(each) // 2], each[len(each) // 2 :]
        assert min(first) > max(later)
        assert found.page.locator("#curves .role-legend-label text").all_text_contents() == ["halving", "again"]
        assert found.complaints == []
