"""The temperature of a network that is too sure is found again; the calibration error is the one computed by hand."""

import pytest
import torch
from torch import Tensor

from model.calibration import calibrated, calibration_error, fit_temperature


def honest(images: int) -> tuple[Tensor, Tensor]:
    """Return log-probabilities (N, 10), sure ones and others, and labels that are drawn from them."""
    random = torch.Generator().manual_seed(0)
    answers = (4 * torch.randn(images, 10, generator=random, dtype=torch.float64)).log_softmax(dim=1)
    return answers, torch.multinomial(answers.exp(), 1, generator=random)[:, 0]


@pytest.mark.parametrize("factor", [5.0, 1.0, 0.2])
def test_logits_that_were_scaled_get_their_temperature_back(factor: float) -> None:
    answers, labels = honest(20_000)
    scaled = (factor * answers).log_softmax(dim=1)
    temperature = fit_temperature(scaled.float(), labels)
    assert temperature == pytest.approx(factor, rel=0.03)
    torch.testing.assert_close(calibrated(scaled, factor), answers)
    assert calibration_error(calibrated(scaled, temperature).exp(), labels) < 0.01
    if factor != 1:
        assert calibration_error(scaled.exp(), labels) > 0.05


def test_where_all_answers_are_right_probabilities_stay_below_certainty() -> None:
    answers, _ = honest(20)
    temperature = fit_temperature(answers, answers.argmax(dim=1))
    assert 0.1 < temperature < 1
    assert float(calibrated(answers, temperature).max(dim=1).values.min()) < 0.999


def test_without_images_there_is_nothing_to_calibrate() -> None:
    assert fit_temperature(torch.zeros(0, 10), torch.zeros(0, dtype=torch.int64)) == pytest.approx(1, abs=1e-4)


def test_the_expected_calibration_error_is_the_one_computed_by_hand() -> None:
    probabilities = torch.full((5, 10), 0.01)
    for image, probability in enumerate([0.95, 0.97, 0.35, 0.61, 0.69]):
        probabilities[image, image] = probability
    labels = torch.tensor([0, 9, 9, 3, 9])
    # Bins of 1/15: of two of 0.96 on average one is right; one of 0.35 is wrong, one of 0.61 right, one of 0.69 wrong.
    by_hand = (2 * abs(0.96 - 0.5) + abs(0.35 - 0) + abs(0.61 - 1) + abs(0.69 - 0)) / 5
    assert calibration_error(probabilities, labels) == pytest.approx(by_hand, abs=1e-6)
    assert calibration_error(torch.eye(10), torch.arange(10)) == 0
