"""Pictures are classified in order, in one batch, with errors as text."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

import model.classify
from model.classify import classify
from model.export import Export, read_export
from model.image import load_digit
from model.novelty import novelty
from tests.model.exports import novel_beyond, write_sure


def test_predictions_are_the_networks_in_order(here: Path, export: Export) -> None:
    predictions = classify(["two.png", "broken.png", here / "one.png"], export)
    assert [prediction.image for prediction in predictions] == ["two.png", "broken.png", str(here / "one.png")]
    for prediction, name in ((predictions[0], "two.png"), (predictions[2], "one.png")):
        image = (load_digit(Path(name)).float()[None, None] / 255 - 0.2) / 0.4
        expected = export.net(image).exp()[0].tolist()
        assert prediction.probabilities == pytest.approx(expected, abs=1e-6)
        assert prediction.probability == max(prediction.probabilities or [])
        assert prediction.digit == expected.index(max(expected))
        assert prediction.error is None
    broken = predictions[1]
    assert (broken.digit, broken.probability, broken.probabilities) == (None, None, None)
    assert "broken.png: not a readable picture" in str(broken.error)


def test_probabilities_are_at_the_temperature_of_the_model(here: Path, export: Export) -> None:
    cold = classify(["one.png"], export)[0].probabilities or []
    warm = classify(["one.png"], replace(export, temperature=2e6))[0].probabilities or []
    assert warm.index(max(warm)) == cold.index(max(cold))
    assert max(warm) < 0.999 < max(cold)
    with torch.inference_mode():
        answer = export.net((load_digit(Path("one.png")).float()[None, None] / 255 - 0.2) / 0.4).double()
    assert warm == pytest.approx((answer / 2e6).softmax(dim=1)[0].tolist(), abs=1e-9)


def test_pictures_go_through_the_network_together(here: Path, export: Export, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []
    export.net.register_forward_pre_hook(lambda _, images: sizes.append(len(images[0])))
    one_by_one = [classify([name], export)[0] for name in ("one.png", "two.png")]
    assert sizes == [1, 1]
    sizes.clear()
    monkeypatch.setattr(model.classify, "BATCH", 3)
    together = classify(["one.png", "two.png", "broken.png", "two.png"], export)
    assert sizes == [2, 1]
    assert [prediction.digit for prediction in together[:2]] == [prediction.digit for prediction in one_by_one]
    assert classify(["broken.png"], export)[0].error
    assert classify([], export) == []


def test_a_prediction_is_a_value(here: Path, export: Export) -> None:
    prediction = classify(["one.png"], export)[0]
    assert replace(prediction) == prediction
    with pytest.raises(AttributeError):
        prediction.digit = 3  # type: ignore[misc]


def test_what_is_novel_to_the_network_is_no_digit(here: Path) -> None:
    net = read_export(write_sure(here / "plain")).net
    digit = ((load_digit(here / "one.png").float() / 255 - 0.2) / 0.4)[None, None]
    found = float(novelty(net, digit, novel_beyond(net, 0)))
    known = read_export(write_sure(here / "known", unlike=novel_beyond(net, found + 1)))
    assert classify(["one.png"], known)[0].digit is not None
    strange = read_export(write_sure(here / "strange", unlike=novel_beyond(net, found - 1)))
    prediction = classify(["one.png"], strange)[0]
    assert (prediction.digit, prediction.probability, prediction.probabilities) == (None, None, None)
    assert (prediction.error or "").startswith("one.png: no digit found, at best something like ")
