"""Programs that call the library: from many threads, with pictures in any form; their process stays as it was."""

import io
import os
import resource
import signal
import subprocess
import sys
import threading
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import model.decode
from model.classify import classify
from model.export import Export, newest_export, read_export
from model.image import load_digit
from model.picture import ImageError
from tests.harness import environment
from tests.model.drawings import seven
from tests.places.exports import small_export


@pytest.fixture(scope="module")
def export(tmp_path_factory: pytest.TempPathFactory) -> Export:
    return small_export(tmp_path_factory.mktemp("runs") / "run" / "export")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    seven().save(tmp_path / "seven.png")
    return tmp_path / "seven.png"


def state_of_process() -> dict[str, Any]:
    """Everything of the whole process that reading a picture might change."""
    return {
        "files": {name: str(Path(f"/proc/self/fd/{name}").readlink()) for name in ("0", "1", "2")},
        "limits": [resource.getrlimit(getattr(resource, name)) for name in dir(resource) if name.startswith("RLIMIT")],
        "handlers": [signal.getsignal(number) for number in signal.valid_signals()],
        "timers": signal.getitimer(signal.ITIMER_PROF),
        "environment": dict(os.environ),
        "threads": torch.get_num_threads(),
        "warnings": list(warnings.filters),
        "random": torch.random.get_rng_state().tolist(),
        "folder": Path.cwd(),
    }


def test_eight_threads_classify_and_leave_the_process_as_it_was(
    export: Export, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside, most, real = [0], [0], model.decode._decoded

    def slowly(source: Any) -> Any:
        inside[0] += 1
        most[0] = max(most[0], inside[0])
        time.sleep(0.01)  # others would come in now
        try:
            return real(source)
        finally:
            inside[0] -= 1

    monkeypatch.setattr(model.decode, "_decoded", slowly)
    before = state_of_process()
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: classify(path, export)[0], range(32)))
    assert most == [1]  # what is the whole process's, stderr and the limit of memory, is one thread's at a time
    assert state_of_process() == before
    assert len({answer.digit for answer in answers}) == 1
    assert not any(answer.error for answer in answers)


def test_a_timer_that_runs_already_runs_on(path: Path) -> None:
    before = signal.signal(signal.SIGPROF, lambda *_: None)
    signal.setitimer(signal.ITIMER_PROF, 1000, 7)
    try:
        load_digit(path)
        left, interval = signal.getitimer(signal.ITIMER_PROF)
        assert (left > 900, interval) == (True, 7)
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def test_pictures_come_in_any_form(export: Export, path: Path) -> None:
    image = seven()
    digit = load_digit(path)
    forms = [
        str(path), path.read_bytes(), bytearray(path.read_bytes()), io.BytesIO(path.read_bytes()), image,
        np.asarray(image), np.asarray(image.convert("RGB")), np.asarray(image) > 128, np.asarray(image) / 255,
        torch.from_numpy(np.array(image)), Image.open(path),
    ]  # fmt: skip
    for form in forms:
        assert torch.equal(load_digit(form), digit), type(form)
    with path.open("rb") as file:
        assert torch.equal(load_digit(file), digit)
    answers = classify([path, np.asarray(image), path.read_bytes()], export)
    assert [answer.image for answer in answers] == [str(path), "picture 2", "picture 3"]
    assert len({answer.probability for answer in answers}) == 1
    one = classify(str(path), export)
    # Alone or beside others: some processors add up in another order then.
    assert one[0].probabilities == pytest.approx(answers[0].probabilities, abs=1e-6)
    for single in (path, image, np.asarray(image), path.read_bytes(), io.BytesIO(path.read_bytes())):
        assert classify(single, export)[0].digit == one[0].digit
    assert len(classify((each for each in (path, path)), export)) == 2


def test_an_image_of_pillows_is_left_as_it_was(path: Path) -> None:
    with Image.open(path) as image:
        load_digit(image)
        assert image.size == (200, 200)
        assert image.getpixel((0, 0)) == 255  # not closed either


@pytest.mark.parametrize(
    ("picture", "why"),
    [
        (7, "a picture is a path, bytes, an open binary file, .* not int"),
        (None, "a picture is .* not NoneType"),
        (io.StringIO("text"), "is open as text; open it with mode 'rb'"),
        (np.zeros((2, 28, 28)), r"an array of float64 of shape \(2, 28, 28\) is no picture; give uint8"),
        (np.array(["a"]), "is no picture"),
    ],
)
def test_what_is_no_picture_is_a_typed_error(picture: Any, why: str, export: Export) -> None:
    with pytest.raises(TypeError, match=why):
        load_digit(picture)
    with pytest.raises(TypeError, match=why):
        classify([picture], export)


def test_bytes_that_are_no_picture_are_an_error_with_their_number(export: Export) -> None:
    with pytest.raises(ImageError, match="^picture: not a readable picture"):
        load_digit(b"no picture")
    with pytest.raises(ImageError, match="^picture: is empty"):
        load_digit(b"")
    answers = classify([b"no picture", np.zeros((28, 28), np.uint8)], export)
    assert [str(answer.error).split(":")[0] for answer in answers] == ["picture 1", "picture 2"]


def test_pictures_that_can_not_be_read_are_told_apart(export: Export, path: Path, tmp_path: Path) -> None:
    with path.open("rb") as closed:
        pass
    with (tmp_path / "new.png").open("wb") as writing:
        with pytest.raises(ImageError, match=r"new\.png: can't be read \(.*\); open it with mode 'rb'"):
            load_digit(writing)
        with pytest.raises(ImageError, match="can't be read"):
            load_digit(closed)
    with pytest.raises(TypeError, match="an array that can't be read is no picture"):
        load_digit(torch.zeros(28, 28, requires_grad=True))
    with pytest.raises(ImageError, match="^picture: has no pixels"):
        load_digit(Image.new("L", (0, 0)))
    assert [bool(answer.error) for answer in classify([closed, path], export)] == [True, False]


def test_a_closed_stderr_is_no_fault_of_the_picture(path: Path) -> None:
    script = "import os, sys; os.close(2); from model.image import load_digit; print(load_digit(sys.argv[1]).shape)"
    done = subprocess.run(
        [sys.executable, "-c", script, str(path)], env=environment(), stdout=subprocess.PIPE, text=True
    )
    assert done.stdout == "torch.Size([28, 28])\n"


def test_folders_may_be_strings(export: Export) -> None:
    assert read_export(str(export.folder)).classes == export.classes
    assert newest_export(str(export.folder.parents[1])) == export.folder


def test_the_limit_of_memory_is_lifted_when_all_have_read(path: Path) -> None:
    threads = [threading.Thread(target=load_digit, args=(path,)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(bytearray(3 * 2**29)) == 3 * 2**29
