"""The drawing page in a real browser: what is drawn there is read, and read as classify_image.py would."""

import base64
import io
from collections.abc import Iterator
from itertools import accumulate
from typing import TYPE_CHECKING, Any

import pytest

from model.classify import classify
from model.export import Export
from tests.browser import Visit, serious_violations, visit
from tests.model.draw.conftest import served
from tests.model.draw.strokes import DIGITS, Point
from tests.model.drawings import seven

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

PHONE, WIDE = 390, 1200
# Give the page a file, as a hand that drops it or a clipboard does.
GIVE = """([kind, name, contents]) => {
    const given = new DataTransfer()
    given.items.add(new File([Uint8Array.from(atob(contents), letter => letter.charCodeAt(0))], name))
    const event = kind === "drop" ? new DragEvent(kind, { dataTransfer: given, bubbles: true, cancelable: true })
                                  : new ClipboardEvent(kind, { clipboardData: given, bubbles: true })
    document.body.dispatchEvent(event)
}"""


@pytest.fixture
def visited(browser: "Browser", address: str) -> Iterator[Visit]:
    with visit(browser, address) as seen:
        yield seen
        assert seen.complaints == []
        assert {request.rpartition("/")[0] for request in seen.requests} == {address}


@pytest.fixture
def page(visited: Visit) -> "Page":
    return visited.page


def draw(page: "Page", strokes: list[list[Point]], shift: float = 0, lift: bool = True) -> None:
    """Draw strokes with the mouse, `shift` sheets to the right; without `lift` the button stays down."""
    box = page.locator("#pad").bounding_box()
    assert box
    for stroke in strokes:
        points = [(box["x"] + (x + shift) * box["width"], box["y"] + y * box["height"]) for x, y in stroke]
        page.mouse.move(*points[0])
        page.mouse.down()
        for point in points[1:]:
            page.mouse.move(*point)
        if lift:
            page.mouse.up()


def answer(page: "Page") -> str:
    """Return what the page says once it has an answer to all that is on the sheet."""
    page.wait_for_selector("#answer[aria-busy=false]")
    return page.inner_text("#answer")


def as_the_script(export: Export, picture: bytes) -> str:
    (prediction,) = classify(picture, export)
    if prediction.error:
        return prediction.error.removeprefix("picture 1: ")
    return f"{prediction.digit} {100 * (prediction.probability or 0):.1f} %"


def saved(form: str, **options: Any) -> bytes:
    file = io.BytesIO()
    seven(**options).save(file, form)
    return file.getvalue()


def give(page: "Page", kind: str, name: str, contents: bytes) -> None:
    page.evaluate(GIVE, [kind, name, base64.b64encode(contents).decode()])


def test_ten_digits_drawn_by_mouse_are_recognised(page: "Page") -> None:
    under_way: list[int] = []
    page.on("request", lambda _: under_way.append(1))
    page.on("requestfinished", lambda _: under_way.append(-1))
    read = {}
    for digit, strokes in DIGITS.items():
        draw(page, strokes)
        read[digit] = answer(page).partition(" ")[0]
        assert page.inner_text(".best th") == read[digit]
        page.click("#clear")
    assert read == {digit: str(digit) for digit in DIGITS}
    assert max(accumulate(under_way)) == 1  # however fast a hand is


def test_the_answer_moves_while_the_pen_is_down(page: "Page") -> None:
    draw(page, DIGITS[7], lift=False)
    page.wait_for_selector(".best th:text-is('7')")
    assert page.get_attribute("#answer", "aria-busy") == "true"  # nothing is read out yet
    shares = [float(text.removesuffix(" %")) for text in page.locator("#bars td:last-child").all_inner_texts()]
    assert sum(shares) == pytest.approx(100, abs=0.5)
    width = "row => row.querySelector('.bar').style.width"
    widest = page.locator("#bars tr").nth(7).evaluate(width)
    assert float(widest.removesuffix("%")) == pytest.approx(shares[7], abs=0.05)
    page.mouse.up()
    assert answer(page).startswith("7 ")


def test_the_page_shows_the_image_that_the_network_sees(page: "Page") -> None:
    levels = "[...document.getElementById('seen').getContext('2d').getImageData(0, 0, 28, 28).data]"
    draw(page, DIGITS[1])
    answer(page)
    red = page.evaluate(levels)[::4]
    assert max(red) == 255
    rows = {index // 28 for index, level in enumerate(red) if level > 100}
    assert max(rows) - min(rows) + 1 == 20  # as tall as MNIST's


def test_undo_and_clear_take_back_strokes(page: "Page") -> None:
    empty = answer(page)
    draw(page, DIGITS[1], shift=-0.2)
    one = answer(page)
    assert one.startswith("1 ")
    draw(page, DIGITS[1], shift=0.2)
    assert answer(page) == "more than one digit (2); cut the picture into one per digit"
    assert page.locator(".best").count() == 0
    page.keyboard.press("Control+z")
    assert answer(page) == one
    page.click("#clear")
    assert answer(page) == empty
    page.click("#undo")
    assert answer(page) == one
    for _ in range(3):
        page.click("#undo")
    assert answer(page) == empty


@pytest.mark.parametrize(("kind", "form"), [("drop", "TIFF"), ("paste", "JPEG"), ("choose", "PNG")])
def test_a_picture_is_answered_as_the_script_does(page: "Page", trained: Export, kind: str, form: str) -> None:
    picture = saved(form, ink=30, paper=200)
    if kind == "choose":
        page.set_input_files("#file", {"name": "seven", "mimeType": "image/png", "buffer": picture})
    else:
        give(page, kind, "seven", picture)
    page.wait_for_selector(".best")
    assert answer(page) == as_the_script(trained, picture)
    draw(page, DIGITS[0])  # on a new sheet
    assert answer(page).startswith("0 ")
    page.click("#undo")
    assert answer(page) == as_the_script(trained, picture)


def test_what_is_no_picture_is_refused_as_the_script_does(page: "Page", trained: Export) -> None:
    give(page, "drop", "words.png", b"no picture")
    page.wait_for_selector("#said:has-text('not a readable picture')")
    assert answer(page) == as_the_script(trained, b"no picture")


@pytest.mark.parametrize(("width", "scheme"), [(PHONE, "dark"), (WIDE, "light")])
def test_everybody_can_use_the_page(browser: "Browser", address: str, width: int, scheme: str) -> None:
    with visit(browser, address, width, color_scheme=scheme, has_touch=width == PHONE) as seen:
        draw(seen.page, DIGITS[4])
        answer(seen.page)
        assert serious_violations(seen.page) == []
        assert seen.page.evaluate("document.documentElement.scrollWidth") <= width
        box = seen.page.locator("#answer").bounding_box()
        assert box
        assert box["y"] + box["height"] < 640  # seen while one draws, on a small phone too


def test_the_page_says_so_when_its_server_has_ended(browser: "Browser", trained: Export) -> None:
    with served(trained) as address:
        context = visit(browser, address)
        page = context.__enter__().page
    draw(page, DIGITS[1])
    assert answer(page) == "the network does not answer; start it again: python -m model.draw"
    context.__exit__(None, None, None)
