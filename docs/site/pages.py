"""Take the pages of the repository into the site as they are, each at its own path, and give the first one doors."""

from html import escape
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.nav import Navigation, Section
from mkdocs.structure.pages import Page
from mkdocs.utils import get_relative_url

ROOT = Path(__file__).parents[2]
TAKEN = (
    "*.md",
    "docs/*.md",
    "docs/*.ipynb",
    "analysis/*.ipynb",
    "docs/*.sh",
    "docs/*.yaml",
    "docs/images/*",
    "benchmarks/README.md",
    "benchmarks/results/*.csv",
)


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Return the site's own files and those that are taken in."""
    for pattern in TAKEN:
        for path in sorted(ROOT.glob(pattern)):
            name = path.relative_to(ROOT).as_posix()
            files.append(File(name, str(ROOT), config.site_dir, config.use_directory_urls))
    return files


def on_page_context(context: dict[str, Any], *, page: Page, config: MkDocsConfig, nav: Navigation) -> dict[str, Any]:
    """Put a door per section of the navigation below the first paragraph of the first page."""
    if page.is_homepage and page.content:
        doors = "".join(_door(section, page) for section in nav.items if isinstance(section, Section))
        first, end, rest = page.content.partition("</p>")
        page.content = f'{first}{end}\n<div class="grid cards"><ul>{doors}</ul></div>{rest}'
    return context


def on_post_page(output: str, *, page: Page, config: MkDocsConfig) -> str:
    """Give the search dialog the name that Material leaves out, for those who hear the page."""
    return output.replace('role="dialog"', 'role="dialog" aria-label="Search"')


def _door(section: Section, page: Page) -> str:
    """Return a section of the navigation as a card with a link to each of its pages."""
    pages = [child for child in section.children if isinstance(child, Page)]
    links = [f'<a href="{get_relative_url(child.url, page.url)}">{escape(str(child.title))}</a>' for child in pages]
    return f"<li><p><strong>{escape(section.title)}</strong></p><hr><p>{'<br>'.join(links)}</p></li>"
