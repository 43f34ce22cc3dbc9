"""Augmentation moves, thickens, blurs and dims as its strengths say, each image by itself, from its generator alone."""

import pytest
import torch
from torch import Generator, Tensor

from model.augment import (
    STRENGTHS,
    add_noise,
    affine_maps,
    augment,
    augments,
    blur,
    brighten,
    draw,
    draw_affine,
    draw_nodes,
    elastic_field,
    thicken,
    warp,
)
from model.hyperparameters import RECIPE, Hyperparameters

STRONG = Hyperparameters(
    rotation=180, shift=14, scale=0.5, shear=1, elastic=14, thickness=1, blur=5, contrast=0.99, noise=1
)
GENTLE = {"rotation": 8, "shift": 2, "scale": 0.1, "shear": 0.1, "elastic": 2, "thickness": 0.5, "blur": 1}
GENTLE |= {"contrast": 0.2, "noise": 0.1}
ONE, NONE = torch.ones(1), torch.zeros(1)


def seeded(seed: int = 0) -> Generator:
    return Generator().manual_seed(seed)


def drawings(count: int) -> Tensor:
    """Return equal uint8 images of an L, away from the border."""
    images = torch.zeros(count, 28, 28, dtype=torch.uint8)
    images[:, 6:22, 9:12] = 200
    images[:, 19:22, 9:19] = 200
    return images


def pixels(count: int = 3) -> Tensor:
    return torch.rand(count, 1, 28, 28, generator=seeded())


def affine(**changes: float) -> Tensor:
    """Return one map of `affine_maps` that changes nothing but what is named."""
    whole = {"degrees": 0.0, "slant": 0.0, "width": 1.0, "height": 1.0, "right": 0.0, "down": 0.0} | changes
    return affine_maps(**{name: torch.tensor([value]) for name, value in whole.items()})


def test_the_recipe_draws_nothing() -> None:
    assert not augments(RECIPE)
    generator = seeded()
    before = generator.get_state()
    assert draw(3, 0.0, generator).tolist() == [0, 0, 0]
    assert draw_nodes(3, 0.0, generator) is None
    assert torch.equal(draw_affine(3, RECIPE, generator), affine().expand(3, 2, 3))
    assert torch.equal(generator.get_state(), before)


def test_every_field_of_the_augmentation_is_one_of_the_strengths() -> None:
    described = {name: str(field.description) for name, field in Hyperparameters.model_fields.items()}
    assert {name for name, words in described.items() if words.startswith("augmentation: ")} == set(STRENGTHS)


@pytest.mark.parametrize("name", STRENGTHS)
def test_each_strength_acts_by_itself(name: str) -> None:
    hyperparameters = Hyperparameters(**{name: GENTLE[name]})
    assert augments(hyperparameters)
    changed = augment(drawings(8), hyperparameters, seeded())
    assert len({image.numpy().tobytes() for image in changed}) >= 6  # a draw near 0 may leave an image as it is


def test_nothing_asked_for_leaves_an_image_as_it_is() -> None:
    images = pixels()
    count = len(images)
    for same in (
        warp(images, affine().expand(count, 2, 3)),
        warp(images, affine().expand(count, 2, 3), torch.zeros(count, 28, 28, 2)),
        thicken(images, torch.zeros(count)),
        blur(images, torch.zeros(count)),
        brighten(images, torch.ones(count)),
        add_noise(images, torch.zeros(count), torch.ones_like(images)),
    ):
        torch.testing.assert_close(same, images, atol=1e-5, rtol=0)


def test_a_quarter_turn_is_clockwise() -> None:
    image = pixels(1)
    torch.testing.assert_close(warp(image, affine(degrees=90)), image.rot90(-1, (2, 3)), atol=1e-4, rtol=0)


def test_a_shift_is_in_pixels_and_what_comes_in_is_black() -> None:
    image = pixels(1)
    moved = warp(image, affine(right=3, down=-2))
    torch.testing.assert_close(moved[..., :-2, 3:], image[..., 2:, :-3], atol=1e-5, rtol=0)
    assert float(moved[..., :3].abs().max() + moved[..., -2:, :].abs().max()) < 1e-5


def test_a_displacement_says_where_a_pixel_comes_from() -> None:
    image, displacements = pixels(1), torch.zeros(1, 28, 28, 2)
    displacements[:, 10, 10] = torch.tensor([4.0, 1.0])  # x, y
    warped = warp(image, affine(), displacements)
    assert float(warped[0, 0, 10, 10]) == pytest.approx(float(image[0, 0, 11, 14]), abs=1e-5)
    warped[..., 10, 10] = image[..., 10, 10]
    torch.testing.assert_close(warped, image, atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    "changes",
    [
        {"degrees": 30.0},
        {"width": 1.3},
        {"height": 0.7},
        {"slant": 0.4},
        {"degrees": -20.0, "slant": 0.2, "width": 1.2, "height": 0.9, "right": 2.0, "down": -1.5},
    ],
    ids=str,
)
@pytest.mark.parametrize("place", [(-6, 3), (5, 5)])
def test_ink_goes_where_the_map_says(changes: dict[str, float], place: tuple[int, int]) -> None:
    dot = torch.zeros(1, 1, 28, 28)
    column, row = 14 + place[0], 14 + place[1]
    dot[..., row - 1 : row + 2, column - 1 : column + 2] = 1
    start = torch.tensor([column - 13.5, row - 13.5])
    map_ = affine(**changes)[0]
    torch.testing.assert_close(
        centre_of_mass(warp(dot, map_[None])), map_[:, :2] @ start + map_[:, 2], atol=0.2, rtol=0
    )


def centre_of_mass(image: Tensor) -> Tensor:
    """Return (x, y) of the ink in pixels from the centre."""
    middles = torch.arange(28) - 13.5
    weights = image[0, 0] / image.sum()
    return torch.stack([(weights.sum(dim=0) * middles).sum(), (weights.sum(dim=1) * middles).sum()])


def test_maps_do_what_their_words_say() -> None:
    right_end, below = torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0])
    for changes, point, expected in (
        ({"width": 1.5}, right_end, [1.5, 0.0]),
        ({"height": 0.5}, below, [0.0, 0.5]),
        ({"slant": 0.25}, below, [0.25, 1.0]),
        ({"degrees": 90.0}, right_end, [0.0, 1.0]),
        ({"degrees": 90.0, "width": 2.0}, right_end, [0.0, 2.0]),
        ({"degrees": 90.0, "height": 2.0}, below, [-2.0, 0.0]),
        ({"degrees": 90.0, "slant": 0.5}, below, [-1.0, 0.5]),
    ):
        assert (affine(**changes)[0, :, :2] @ point).tolist() == pytest.approx(expected, abs=1e-6)


def test_strengths_bound_what_is_drawn_and_are_reached() -> None:
    maps = draw_affine(5000, Hyperparameters(rotation=20, scale=0.2), seeded())
    degrees = torch.rad2deg(torch.atan2(maps[:, 1, 0], maps[:, 0, 0]))
    width, height = maps[:, :, 0].norm(dim=1), maps[:, :, 1].norm(dim=1)
    sheared = draw_affine(5000, Hyperparameters(shift=3, shear=0.3), seeded())
    nodes = draw_nodes(500, 2.5, seeded())
    assert nodes is not None
    for drawn, strength in (
        (degrees, 20),
        (width - 1, 0.2),
        (height - 1, 0.2),
        (sheared[:, 0, 2], 3),
        (sheared[:, 1, 2], 3),
        (sheared[:, 0, 1], 0.3),
        (nodes, 2.5),
        (draw(5000, 0.5, seeded()), 0.5),
    ):
        assert -strength - 1e-4 <= float(drawn.min()) < -0.98 * strength
        assert 0.98 * strength < float(drawn.max()) <= strength + 1e-4
    assert (width - height).abs().max() > 0.3  # each by itself
    assert float(elastic_field(nodes).abs().max()) <= 2.5


def test_elastic_fields_are_smooth_and_differ() -> None:
    nodes = draw_nodes(100, 4.0, seeded())
    assert nodes is not None
    fields = elastic_field(nodes)
    assert fields.shape == (100, 28, 28, 2)
    assert float(fields.diff(dim=1).abs().max()) < 1 > float(fields.diff(dim=2).abs().max())
    assert (fields[0] - fields[1]).abs().max() > 0.5
    assert (fields[..., 0] - fields[..., 1]).abs().max() > 0.5
    assert float(fields.std()) == pytest.approx(0.27 * 4, rel=0.15)


def test_thickness_is_dilation_above_zero_and_erosion_below() -> None:
    image = drawings(1)[:, None].float() / 255
    wider, thinner = torch.zeros_like(image), torch.zeros_like(image)
    wider[..., 5:23, 8:13] = wider[..., 18:23, 8:20] = 200 / 255
    thinner[..., 7:21, 10:11] = thinner[..., 20:21, 10:18] = 200 / 255
    torch.testing.assert_close(thicken(image, ONE), wider)
    torch.testing.assert_close(thicken(image, -ONE), thinner)
    torch.testing.assert_close(thicken(image, ONE / 4), image + (wider - image) / 4)


def test_a_blur_spreads_a_dot_by_its_width_and_keeps_its_ink() -> None:
    dots = torch.zeros(2, 1, 28, 28)
    dots[..., 14, 14] = 1
    blurred = blur(dots, torch.tensor([1.0, 2.5]))
    squares = (torch.arange(28) - 14) ** 2
    for image, width in zip(blurred[:, 0], (1.0, 2.5), strict=True):
        assert float(image.sum()) == pytest.approx(1, abs=1e-3)
        for axis in range(2):
            assert float((image.sum(dim=axis) * squares).sum()) == pytest.approx(width**2, rel=0.02)


def test_contrast_leaves_black_alone_and_noise_has_the_given_deviation() -> None:
    image = torch.zeros(1, 1, 28, 28)
    image[..., :14, :] = 0.5
    assert brighten(image, torch.tensor([1.4])).unique().tolist() == pytest.approx([0, 0.7])
    assert brighten(image, torch.tensor([2.5])).unique().tolist() == [0, 1]
    noise = torch.randn(1, 1, 28, 28, generator=seeded())
    assert float((add_noise(image, torch.tensor([0.1]), noise) - image)[..., :14, :].std()) == pytest.approx(
        0.1, rel=0.1
    )


def test_strong_augmentation_stays_between_black_and_white() -> None:
    changed = augment(torch.randint(0, 256, (200, 28, 28), dtype=torch.uint8), STRONG, seeded())
    assert (changed.shape, changed.dtype) == ((200, 28, 28), torch.float32)
    assert changed.isfinite().all()
    assert float(changed.min()) >= 0
    assert float(changed.max()) <= 255


def test_an_image_is_changed_whatever_else_is_in_the_batch() -> None:
    images, others = drawings(5), drawings(5)
    others[2] = 90
    hyperparameters = Hyperparameters(**GENTLE)
    first, second = augment(images, hyperparameters, seeded()), augment(others, hyperparameters, seeded())
    same = [torch.equal(a, b) for a, b in zip(first, second, strict=True)]
    assert same == [True, True, False, True, True]


def test_only_the_generator_decides() -> None:
    images, hyperparameters = drawings(4), Hyperparameters(**GENTLE)
    torch.manual_seed(1)
    before, first = torch.get_rng_state(), augment(images, hyperparameters, seeded(7))
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    assert torch.equal(augment(images, hyperparameters, seeded(7)), first)
    assert not torch.equal(augment(images, hyperparameters, seeded(8)), first)
    assert torch.equal(images, drawings(4))


def test_what_is_drawn_does_not_depend_on_the_device() -> None:
    here, there = seeded(), seeded()
    hyperparameters = Hyperparameters(**GENTLE)
    augment(drawings(4), hyperparameters, here)
    assert augment(drawings(4).to("meta"), hyperparameters, there).device.type == "meta"  # as on any other device
    assert torch.equal(here.get_state(), there.get_state())
