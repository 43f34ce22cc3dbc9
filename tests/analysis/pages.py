"""A reader of the report's page for the tests: its elements, what they load and link to, and its visible text."""

from html.parser import HTMLParser
from pathlib import Path

LOADING = {"src", "srcset", "data", "poster", "background"}


class Page(HTMLParser):
    """The page in the file `path`. `codes` are the texts of its <code> elements."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.source = path.read_text(encoding="utf-8")
        self.tags: list[str] = []
        self.loads: list[str] = []
        self.links: list[str] = []
        self.codes: list[str] = []
        self.text = ""
        self._open = ""
        self.feed(self.source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self._open = tag
        for name, value in attrs:
            if name in LOADING or (tag == "link" and name == "href"):
                self.loads.append(value or "")
            if tag == "a" and name == "href":
                self.links.append(value or "")

    def handle_endtag(self, tag: str) -> None:
        self._open = ""

    def handle_data(self, data: str) -> None:
        if self._open == "code":
            self.codes.append(data)
        if self._open not in ("script", "style"):
            self.text += data
