"""The Python of docs/classify.md runs, beside an export and the pictures that it names."""

import re
from pathlib import Path

import pytest

from tests.model.drawings import Save, seven

PAGE = Path(__file__).parents[2] / "docs" / "classify.md"


def test_the_lines_of_python_run(
    folder: Path, save: Save, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    [lines] = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.S)
    save(seven(), "drawing.png")
    monkeypatch.chdir(save(seven(), "photo.jpg").parent)
    exec(lines, {})
    answers = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert [(answer[0], answer[-1]) for answer in answers] == [("drawing.png", "None"), ("photo.jpg", "None")]
    assert answers[0][1] in "0123456789"
