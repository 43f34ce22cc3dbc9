"""Damaged files of MNIST give images or one clear line."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

from model.data import DataError, load_dataset
from tests.conftest import write_idx
from tests.fuzz.mutation import INPUTS, every_input, mutated_bytes
from tests.fuzz.survival import survived

KINDS = st.sampled_from(["missing", "exchanged", *["mutated"] * 18])


@st.composite
def changes(draw: DrawFn, contents: dict[Path, bytes]) -> tuple[Path, bytes | None]:
    """Draw one of the files and its new content, None for a file that is gone."""
    path, kind = draw(st.sampled_from(list(contents))), draw(KINDS)
    if kind == "missing":
        return path, None
    if kind == "exchanged":
        return path, contents[draw(st.sampled_from(list(contents)))]
    return path, mutated_bytes(draw, contents[path])


def test_mutated_data_files(tmp_path: Path) -> None:
    raw = tmp_path / "MNIST" / "raw"
    write_idx(raw, train=220, test=20)
    contents = {path: path.read_bytes() for path in sorted(raw.iterdir())}
    loaded: list[bool] = []

    @every_input
    @given(changes(contents), st.sampled_from((None, 100, 119)))
    def test(change: tuple[Path, bytes | None], limit: int | None) -> None:
        for path, content in {**contents, change[0]: change[1]}.items():
            path.unlink(missing_ok=True) if content is None else path.write_bytes(content)
        loaded.append(False)
        with survived(DataError, f"data ({change[0].name})", raw):
            data = load_dataset("mnist", tmp_path, validation_images=100, train_images=limit)
            assert (len(data.train), len(data.val), len(data.rest)) == (limit or 120, 100, 120 - (limit or 120))
            assert 0 < data.std < 1
            loaded[-1] = True

    test()
    assert len(loaded) >= INPUTS
    assert 0 < sum(loaded) < INPUTS
