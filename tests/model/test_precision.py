"""The choice of a precision, and a training in bfloat16: weights of float32, the same numbers after an interruption."""

from pathlib import Path

import pytest
import torch

from model import checkpoint, precision
from model.data import load_dataset
from model.hyperparameters import Hyperparameters
from model.train import fit, start

pytestmark = pytest.mark.usefixtures("one_thread")
NEW, OLD = "flags\t\t: fpu sse2 avx512_bf16 amx_bf16\n", "flags\t\t: fpu sse2 avx2\nbugs\t: amx_bf16\n"


@pytest.mark.parametrize(
    ("wanted", "processor", "gpus", "alone", "chosen"),
    [
        ("auto", NEW, 0, True, "bfloat16"),
        ("auto", OLD, 0, True, "float32"),
        ("auto", NEW, 1, True, "float32"),
        ("auto", NEW, 0, False, "float32"),  # other machines may lack what this one has
        ("bfloat16", OLD, 1, False, "bfloat16"),
        ("float32", NEW, 0, True, "float32"),
    ],
)
def test_bfloat16_is_chosen_where_it_is_faster(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wanted, processor: str, gpus: int, alone: bool, chosen: str
) -> None:
    (tmp_path / "cpuinfo").write_text(processor)
    monkeypatch.setattr(precision, "CPUINFO", tmp_path / "cpuinfo")
    monkeypatch.setattr(precision, "usable_gpus", lambda: gpus)
    assert precision.resolved(wanted, alone=alone) == chosen


def test_a_machine_that_says_nothing_of_its_processor_has_no_bfloat16(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision, "CPUINFO", Path("/absent"))
    assert not precision.has_bfloat16()


def test_bfloat16_trains_float32_weights_and_goes_on_bit_for_bit(tmp_path: Path, tiny_root: Path) -> None:
    data, device = load_dataset("mnist", tiny_root, validation_images=100), torch.device("cpu")
    small = Hyperparameters(conv1_width=4, conv2_width=8, hidden_width=16, pool="early", epochs=3, batch_norm=True)
    straight, precise = (start(small, seed=1, number=0, device=device) for _ in range(2))
    whole = [metrics.train_loss for metrics in fit(straight, data, "bfloat16")]
    assert {weights.dtype for weights in straight.net.parameters()} == {torch.float32}

    state = start(small, seed=1, number=0, device=device)
    begun = next(fit(state, data, "bfloat16")).train_loss
    checkpoint.save(state, tmp_path)
    rest = [metrics.train_loss for metrics in fit(checkpoint.load(tmp_path, device), data, "bfloat16")]
    assert [begun, *rest] == whole

    in_float32 = [metrics.train_loss for metrics in fit(precise, data)]
    assert in_float32 != whole
    assert in_float32 == pytest.approx(whole, rel=0.05)
