"""Kernels of a blur: their sum, their form, and what is none."""

import numpy as np
import pytest

from dipjax import kernels

KERNELS = {
    "gaussian": kernels.gaussian(1.6),
    "disc": kernels.disc(2.2),
    "across": kernels.motion(5),
    "down": kernels.motion(5, 90),
    "aslant": kernels.motion(7, 30),
}


@pytest.fixture(params=KERNELS.values(), ids=KERNELS)
def k(request):
    return np.asarray(request.param)


def test_a_kernel_moves_light_and_makes_none(k):
    assert np.all(k >= 0) and all(n % 2 for n in k.shape)
    np.testing.assert_allclose(k.sum(), 1, rtol=1e-6)
    np.testing.assert_allclose(k, k[::-1, ::-1], atol=1e-6)  # its middle is where a point is


def test_how_far_light_goes():
    """Its variance along rows and columns, in squares of pixels."""

    def variance(k):
        return [
            np.var(np.repeat(np.arange(len(p)), np.round(1e4 * p).astype(int)))
            for p in (k.sum(1), k.sum(0))
        ]

    np.testing.assert_allclose(variance(np.asarray(kernels.gaussian(2.0))), 4, rtol=0.03)
    np.testing.assert_allclose(variance(np.asarray(kernels.disc(6.0))), 36 / 4, rtol=0.02)
    # A line of bilinear points, which widen it by a sixth along each axis that it is not on.
    rows, columns = variance(np.asarray(kernels.motion(12, 30)))
    np.testing.assert_allclose([rows, columns], [3 + 1 / 6, 9 + 1 / 6], rtol=0.03)


def test_the_angle_is_counter_clockwise():
    k = np.asarray(kernels.motion(7, 30))
    half = k[: k.shape[0] // 2]  # above the middle the line is on the right
    assert half[:, k.shape[1] // 2 + 1 :].sum() > 0.3 > 0.01 > half[:, : k.shape[1] // 2].sum()


def test_what_is_smaller_than_a_pixel():
    for radius in (0.3, 0.01, 1e-300):
        np.testing.assert_array_equal(kernels.disc(radius), [[1]])
    assert kernels.motion(0.1)[0, 1] > 0.95


@pytest.mark.parametrize("value", [0, -1, np.inf, np.nan])
def test_no_length(value):
    for name, make in (
        ("sigma", kernels.gaussian),
        ("radius", kernels.disc),
        ("length", kernels.motion),
    ):
        with pytest.raises(ValueError, match=f"{name} {value}: must be a positive number"):
            make(value)
    with pytest.raises(ValueError, match="angle nan: must be a number"):
        kernels.motion(3, np.nan)


def test_a_kernel_is_scaled():
    k = kernels.checked(np.full((3, 3, 1), 7.0), (8, 6, 3))
    np.testing.assert_allclose(k, np.full((3, 3), 1 / 9), rtol=1e-6)


@pytest.mark.parametrize(
    ("kernel", "message"),
    [
        (np.ones((3, 3, 3)), r"array \(h, w\)"),
        (np.ones(3), r"array \(h, w\)"),
        (np.ones((0, 3)), r"array \(h, w\)"),
        (np.ones((9, 3)), "of 3 x 9 for pictures or tiles of 6 x 8 pixels: must not be larger"),
        (np.zeros((3, 3)), "sum must be positive"),
        (np.full((3, 3), np.nan), "sum must be positive"),
    ],
)
def test_no_kernel(kernel, message):
    with pytest.raises(ValueError, match=message):
        kernels.checked(kernel, (8, 6, 3))


def test_a_kernel_of_counts_does_not_overflow():
    counts = np.full((9, 9), 2000, np.float16)
    np.testing.assert_allclose(kernels.checked(counts, (9, 9, 1)), 1 / 81, rtol=1e-3)
