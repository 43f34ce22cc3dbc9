"""The pages of docs/ lead where they say, on a code host and in the built site, which anybody can read from a disk."""

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from mkdocs.commands.build import build
from mkdocs.config import load_config

from tests.browser import serious_violations, visit
from tests.links import Html, broken_in_markdown, broken_in_site

if TYPE_CHECKING:
    from playwright.sync_api import Browser

ROOT = Path(__file__).parent.parent
PAGES = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("docs/*.ipynb"), ROOT / "benchmarks" / "README.md"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_between_pages_resolve_on_a_code_host(page: Path) -> None:
    assert broken_in_markdown(page) == []


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the site, strictly: each warning is an error."""
    folder = tmp_path_factory.mktemp("site")
    build(load_config(str(ROOT / "docs" / "mkdocs.yml"), site_dir=str(folder)))
    return folder


def test_links_within_the_site_resolve(site: Path) -> None:
    assert broken_in_site(site) == []


def test_every_page_is_in_the_site(site: Path) -> None:
    built = {page.relative_to(site).with_suffix("").as_posix() for page in site.glob("**/*.html")}
    names = {page.relative_to(ROOT).with_suffix("").as_posix() for page in PAGES if page.suffix == ".md"}
    assert {name.replace("README", "index") for name in names} <= built


def test_the_gallery_shows_figures_of_all_kept_searches(site: Path) -> None:
    shown = {path.split("/")[-1].partition("_")[0] for path in Html(site / "gallery.html").loaded if "figures/" in path}
    assert shown == {"article", "best", "parameter", "quick"}


def test_the_first_page_has_a_door_for_each_of_the_questions(site: Path) -> None:
    links = Html(site / "index.html").links
    for page in ("docs/configuration.html", "docs/tables.html", "docs/classify.html", "docs/reliability.html"):
        assert links.count(page) > 1  # the navigation has it too


@pytest.mark.parametrize(("name", "scheme"), [("index", "light"), ("api/search", "dark")])
def test_pages_ask_no_other_host_and_everybody_can_read_them(
    site: Path, browser: "Browser", name: str, scheme: str
) -> None:
    with visit(browser, (site / f"{name}.html").as_uri(), color_scheme=scheme) as seen:
        assert seen.complaints == []
        assert {address.partition(":")[0] for address in seen.requests} == {"file"}
        assert serious_violations(seen.page) == []


def test_pages_are_searched_without_a_server(site: Path, browser: "Browser") -> None:
    with visit(browser, (site / "index.html").as_uri(), width=1280) as seen:
        seen.page.locator(".md-search__input").press_sequentially("AsyncHalvingPruner")
        seen.page.locator(".md-search-result__link", has_text="API: search").wait_for()
