"""The links of Markdown pages, as a code host shows them, and those of built HTML pages; which of them lead nowhere."""

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

FENCED, CODE = re.compile(r"^```.*?^```", re.M | re.S), re.compile(r"`[^`\n]+`")


def broken_in_markdown(page: Path) -> list[str]:
    """Return the links of a page, or of a notebook, within the repository whose file or heading is missing."""
    return [link for link in _links(page) if not _resolves(page, link)]


def _links(page: Path) -> list[str]:
    text = CODE.sub("", FENCED.sub("", page.read_text(encoding="utf-8")))
    links = re.findall(r"\]\(([^)\s]+)\)", text)
    return [link for link in links if not urlsplit(link).scheme]


def _resolves(page: Path, link: str) -> bool:
    parts = urlsplit(link)
    target = page.parent / unquote(parts.path) if parts.path else page
    return target.exists() and (not parts.fragment or parts.fragment in _headings(target))


def _headings(page: Path) -> set[str]:
    """Return the anchors that a code host gives to the headings of a page."""
    headings = re.findall(
        r"^#+ (.+)$", re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.M | re.S), re.M
    )
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@dataclass
class Html(HTMLParser):
    """A built page: its anchors, what its links lead to, and what a browser loads to show it."""

    page: Path
    anchors: set[str] = field(default_factory=set)
    links: list[str] = field(default_factory=list)
    loaded: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()
        self.feed(self.page.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value for name, value in attrs if value is not None}
        self.anchors |= {given[name] for name in ("id", "name") if name in given}
        if "href" in given:
            (self.links if tag == "a" else self.loaded).append(given["href"])
        if "src" in given:
            self.loaded.append(given["src"])


def broken_in_site(site: Path) -> list[str]:
    """Return "page: link" for each link of a built site, and each file that it loads, that is not in the site."""
    pages = {page: Html(page) for page in site.glob("**/*.html")}
    found = []
    for page, html in pages.items():
        for link in html.links + html.loaded:
            parts = urlsplit(link)
            if parts.scheme:
                continue
            # An absolute one, as on the page for what is not found, begins at the site's root.
            start = site if parts.path.startswith("/") else page.parent
            target = (start / unquote(parts.path).lstrip("/")).resolve() if parts.path else page
            target = target / "index.html" if target.is_dir() and link.startswith("/") else target
            if not target.is_file() or (parts.fragment and parts.fragment not in pages[target].anchors):
                found.append(f"{page.relative_to(site)}: {link}")
    return found
