"""Laws: the adjoint, composition, jit = eager. Oracles: matrices, Pillow, the published taps."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import convolve

import dipjax
from dipjax import images
from dipjax.operators import (
    Blur,
    Compose,
    Downsample,
    Fourier,
    Identity,
    Jpeg,
    Lambda,
    Mask,
    Radon,
    backproject,
    check_adjoint,
)

SHAPE = (9, 10, 3)
MASK = np.random.default_rng(0).random(SHAPE[:2]) > 0.5
KERNEL = jnp.asarray(np.random.default_rng(0).random((3, 4)), jnp.float32).at[1, 2].add(20) / 26
STEPS = jnp.asarray(1 + np.random.default_rng(0).random((3, 8, 8)) / 4, jnp.float32)
BORDERS = {"edge": "nearest", "reflect": "mirror", "wrap": "wrap"}  # SciPy's words
OPERATORS = {
    "identity": Identity(),
    "mask": Mask(jnp.asarray(MASK)),
    "mask_1": Mask(jnp.asarray(MASK)[..., None]),
    "mask_3": Mask(jnp.stack([jnp.asarray(MASK)] * 3, -1)),
    **{
        f"{kernel}_{n}": Downsample(n, kernel)
        for kernel in ("lanczos2", "lanczos3", "cubic", "box")
        for n in (1, 2, 3, 4)
    },
    **{f"blur_{border}": Blur(KERNEL, border) for border in ("valid", *BORDERS)},
    "jpeg": Jpeg(STEPS),
    "jpeg_turned": Jpeg(STEPS, (1, 2), orientation=6),
    "fourier": Fourier(jnp.asarray(MASK)),
    "radon": Radon(jnp.asarray([0.0, 30.0, 100.0])),
    "lambda": Lambda(lambda x: x.mean(-1)),
    "compose": Lambda(lambda x: jnp.fft.rfft2(x, axes=(0, 1)).real) @ Downsample(2),
    "adjoint": Downsample(3).T,
}


@pytest.fixture(params=OPERATORS.values(), ids=OPERATORS)
def A(request):
    return request.param


def test_adjoint_law(A):
    assert check_adjoint(A, SHAPE) < 1e-6


def test_adjoint_law_in_float64(A, x64):
    assert check_adjoint(A, SHAPE) < 1e-14


def test_adjoint_of_the_adjoint_is_the_operator(A, key):
    x = jax.random.normal(key, SHAPE)
    np.testing.assert_array_equal(A.T.T(x), A(x))


def test_jit_equals_eager(A, key):
    x = jax.random.normal(key, SHAPE)
    np.testing.assert_allclose(jax.jit(lambda A, x: A(x))(A, x), A(x), atol=1e-6)


def test_matrix_oracle(key):
    """On 4 x 4 an operator is a matrix, its adjoint the transpose, composition the product."""
    A, B = Downsample(2, "cubic"), Mask(jnp.asarray(MASK[:4, :4]))
    shape = (4, 4, 1)
    matrix = lambda A: jax.jacobian(lambda v: A(v.reshape(shape)).ravel())(jnp.zeros(16))  # noqa: E731
    v, u = jax.random.normal(key, (16,)), jax.random.normal(key, (4,))
    np.testing.assert_allclose(
        (A @ B)(v.reshape(shape)).ravel(), matrix(A) @ (matrix(B) @ v), atol=1e-6
    )
    np.testing.assert_allclose(
        (A @ B).T(u.reshape(2, 2, 1)).ravel(), matrix(A @ B).T @ u, atol=1e-6
    )


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=pytest.mark.slow if n == "radon" else ()) for n in OPERATORS]
)
def test_backprojection_measures_what_was_measured(name, key):
    """And moves nothing else: what `A` does not see of the change is zero."""
    A = OPERATORS[name]
    shape = (16, 16, 3) if isinstance(A, Jpeg) else SHAPE  # steps are too few for repeated edges
    truth, x = jax.random.uniform(key, (2, *shape))
    u = backproject(x, A, A(truth))
    np.testing.assert_allclose(A(u), A(truth), atol=1e-4 * jnp.abs(A(truth)).max())
    np.testing.assert_allclose(backproject(u, A, A(x)), x, atol=1e-3)


@pytest.mark.parametrize("A", [Downsample(2), Mask(jnp.asarray(MASK))])
def test_a_ridge_weighs_the_image_against_the_measurement(A, key):
    """Oracle: least squares of both, by a matrix."""
    shape, r = (9, 10, 1), 0.3
    x, truth = jax.random.uniform(key, (2, *shape))
    matrix = jax.jacobian(lambda v: A(v.reshape(shape)).ravel())(x.ravel())
    rows = jnp.concatenate([matrix / r**0.5, jnp.eye(x.size)])
    sides = jnp.concatenate([A(truth).ravel() / r**0.5, x.ravel()])
    expected = jnp.linalg.lstsq(rows, sides)[0].reshape(shape)
    np.testing.assert_allclose(backproject(x, A, A(truth), ridge=r), expected, atol=1e-4)


def test_composition_applies_the_right_one_first(key):
    x = jax.random.normal(key, (8, 8, 1))
    mask = Mask(jnp.asarray(MASK[:4, :4]))
    np.testing.assert_array_equal((mask @ Downsample(2))(x), mask(Downsample(2)(x)))


def test_a_function_takes_part_in_a_composition(key):
    x = jax.random.normal(key, (8, 8, 1))
    D = Downsample(2)
    np.testing.assert_array_equal((D @ jnp.abs)(x), D(jnp.abs(x)))
    np.testing.assert_array_equal((jnp.abs @ D)(x), jnp.abs(D(x)))
    with pytest.raises(TypeError, match="operator 3: must be one of"):
        D @ 3
    for product in (lambda: D @ x, lambda: x @ D, lambda: np.asarray(x) @ D):
        with pytest.raises(TypeError, match=r"operator of shape \(8, 8, 1\).*A\(x\) applies"):
            product()


def test_lists_are_taken_for_arrays(key):
    x = jax.random.normal(key, (2, 2, 1))
    rows = [[1.0, 0.0], [0.0, 1.0]]
    np.testing.assert_array_equal(Mask(rows)(x), Mask(jnp.array(rows))(x))
    np.testing.assert_array_equal(Blur(rows)(x), Blur(jnp.array(rows))(x))
    np.testing.assert_array_equal(Fourier(rows)(x), Fourier(jnp.array(rows))(x))
    np.testing.assert_array_equal(Radon([0.0, 30.0])(x), Radon(jnp.array([0.0, 30.0]))(x))
    coils = [[[1.0, 1j]] * 2] * 2
    np.testing.assert_array_equal(Fourier(rows, coils)(x), Fourier(rows, jnp.array(coils))(x))
    assert len(jax.tree.leaves(Fourier(rows, coils))) == 2
    for A in (Mask(rows), Fourier(rows), Radon([0.0, 30.0]), Jpeg([[[1.0] * 8] * 8])):
        assert len(jax.tree.leaves(A)) == 1
    u = jnp.ones((1, 1, 1))
    np.testing.assert_array_equal(jax.jit(lambda A, u: A.T(u))(Blur(rows), u), Blur(rows).T(u))


@pytest.mark.parametrize("make", [lambda: Downsample(2), lambda: Lambda(lambda x: x[::2, ::3])])
def test_an_adjoint_in_a_composition_knows_its_shape(key, make):
    """`A.T A`, of which neither part was called before, for a shape that is no multiple."""
    x, A = jax.random.normal(key, (7, 7, 2)), make()
    expected = A.T(A(x))
    A = make()
    np.testing.assert_allclose((A.T @ A)(x), expected, rtol=1e-5, atol=1e-6)
    check_adjoint(A.T @ A, x.shape)


def test_a_picture_of_integers_is_shrunk():
    x = np.full((8, 8, 3), 200, np.uint8)
    np.testing.assert_allclose(Downsample(2)(jnp.asarray(x)), 200, rtol=1e-5)


def test_shape_is_known_once_called(key):
    A = Mask(jnp.ones((5, 5))) @ Downsample(2)
    assert A.shape is None
    y = A(jnp.ones(SHAPE))
    assert A.shape == SHAPE
    assert A.T(y).shape == SHAPE  # and not (10, 10, 3), which would fit as well


def test_an_adjoint_keeps_the_shape_it_was_made_for():
    """Whatever its operator is applied to later, and within `jit`, too."""
    A = Downsample(2)
    A(jnp.ones((7, 7, 1)))
    adjoint = A.T
    A(jnp.ones((8, 8, 1)))
    u = jnp.ones((4, 4, 1))
    assert adjoint(u).shape == jax.jit(lambda B, u: B(u))(adjoint, u).shape == (7, 7, 1)
    assert A.T(u).shape == (8, 8, 1)


def test_adjoint_without_a_call():
    assert Downsample(3).T(jnp.ones((4, 5, 1))).shape == (12, 15, 1)
    with pytest.raises(ValueError, match="apply the operator to an image first"):
        Lambda(lambda x: x[::2]).T(jnp.ones((4, 4, 1)))


def test_questions_do_not_change_the_shape():
    A = Downsample(2)
    A(jnp.ones((7, 7, 1)))
    assert (A @ Identity()).T(jnp.ones((4, 4, 1))).shape == (8, 8, 1)
    assert A.T(jnp.ones((4, 4, 1))).shape == (7, 7, 1)


@pytest.mark.parametrize("function", [jnp.sin, lambda x: x * x])
def test_what_is_not_linear_has_no_adjoint(function):
    A = Lambda(function)
    A(jnp.ones(SHAPE))
    with pytest.raises(TypeError, match="not linear"):
        A.T(jnp.ones(SHAPE))


def test_vmap_over_masks(key):
    masks = jax.random.bernoulli(key, 0.5, (3, 4, 4, 1))
    x = jax.random.normal(key, (4, 4, 3))
    many = jax.vmap(lambda mask: Mask(mask)(x))(masks)
    np.testing.assert_array_equal(many[2], Mask(masks[2])(x))


@pytest.mark.parametrize(
    "kernel, pillow", [("lanczos3", "LANCZOS"), ("cubic", "BICUBIC"), ("box", "BOX")]
)
@pytest.mark.parametrize("size", [(32, 24), (30, 25), (3, 1)])
@pytest.mark.parametrize("factor", [2, 3, 4, 8])
def test_downsample_equals_pillow(kernel, pillow, size, factor):
    x = np.random.default_rng(1).random(size, np.float32)
    y = Downsample(factor, kernel)(jnp.asarray(x)[..., None])[..., 0]
    oracle = Image.fromarray(x).resize(y.shape[::-1], Image.Resampling[pillow])
    np.testing.assert_allclose(y, np.asarray(oracle), atol=1e-5)


def test_lanczos2_has_the_published_taps():
    row = jax.jacobian(lambda x: Downsample(4)(x)[8, 0, 0])(jnp.zeros((64, 1, 1)))[:, 0, 0]
    half = [-0.0011, -0.0098, -0.0204, -0.0149, 0.0246, 0.0987, 0.1831, 0.2397]
    np.testing.assert_allclose(row[26:42], half + half[::-1], atol=5e-5)
    assert jnp.count_nonzero(row) == 16


def test_lanczos2_repeats_the_border():
    x = np.random.default_rng(2).random((16, 12, 1), np.float32)
    wide = np.pad(x, ((8, 8), (8, 8), (0, 0)), mode="edge")
    inside = Downsample(4)(jnp.asarray(wide))[2:-2, 2:-2]
    np.testing.assert_allclose(Downsample(4)(jnp.asarray(x)), inside, atol=1e-6)


@pytest.mark.parametrize("kernel", ["lanczos2", "lanczos3", "cubic", "box"])
def test_downsample_keeps_constants_at_every_size(kernel):
    for size in (1, 2, 5, 7):
        y = Downsample(3, kernel)(jnp.full((size, size, 2), 0.3))
        assert y.shape == (-(-size // 3), -(-size // 3), 2)
        np.testing.assert_allclose(y, 0.3, rtol=1e-5)


@pytest.mark.parametrize("border", BORDERS)
def test_blur_equals_scipy(border, key):
    x, k = jax.random.uniform(key, SHAPE), KERNEL[:, :3]
    oracle = convolve(x, k[..., None], mode=BORDERS[border])
    np.testing.assert_allclose(Blur(k, border)(x), oracle, atol=1e-6)
    np.testing.assert_allclose(Blur(k)(x), oracle[1:-1, 1:-1], atol=1e-6)


def test_a_point_of_light_becomes_the_kernel():
    x = jnp.zeros((9, 10, 1)).at[4, 5].set(1)
    y = Blur(KERNEL, "wrap")(x)[..., 0]
    np.testing.assert_allclose(y[3:6, 3:7], KERNEL, atol=1e-6)
    np.testing.assert_allclose(y.sum(), KERNEL.sum(), rtol=1e-6)


@pytest.mark.parametrize("shape", [(1, 1), (3, 5), (4, 2)])
def test_where_a_kernel_has_its_middle(shape, key):
    """A point there changes nothing, but for what is cut away."""
    x = jax.random.uniform(key, SHAPE)
    point = jnp.zeros(shape).at[shape[0] // 2, shape[1] // 2].set(1)
    y = Blur(point)(x)
    np.testing.assert_allclose(y, images.middle(x, y.shape), atol=1e-6)
    np.testing.assert_allclose(Blur(point, "edge")(x), x, atol=1e-6)


def test_a_picture_of_integers_is_blurred():
    y = Blur(jnp.full((3, 3), 1 / 9))(jnp.full((4, 4, 1), 200, jnp.uint8))
    np.testing.assert_allclose(y, 200, rtol=1e-6)


def test_bad_blur():
    with pytest.raises(ValueError, match="border must be one of"):
        Blur(KERNEL, "zero")
    with pytest.raises(ValueError, match=r"kernel of shape \(3, 4\) is larger"):
        Blur(KERNEL)(jnp.ones((9, 3, 1)))
    with pytest.raises(ValueError, match=r"must be \(h, w\)"):
        Blur(jnp.ones(3))(jnp.ones(SHAPE))


@pytest.mark.parametrize("factor", [0, -1, 1.5, "2"])
def test_bad_factor(factor):
    with pytest.raises(ValueError, match="factor must be an integer of at least 1"):
        Downsample(factor)


def test_what_is_no_image():
    for A in (Downsample(2), Blur(KERNEL)):
        with pytest.raises(ValueError, match=r"an image is \(H, W, C\).*not of shape \(9, 8\)"):
            A(jnp.ones((9, 8)))


def test_bad_kernel_and_mask():
    with pytest.raises(ValueError, match="kernel must be one of"):
        Downsample(2, "gauss")
    with pytest.raises(ValueError, match="does not fit an image"):
        Mask(jnp.ones((4, 5)))(jnp.ones((4, 4, 3)))


def test_operators_are_pytrees():
    A = Mask(jnp.ones((4, 4))) @ Downsample(2)
    assert isinstance(A, Compose)
    assert len(jax.tree.leaves(A)) == 1
    assert dipjax.operators.Downsample(2) == Downsample(2)


ODD = {
    "radon": (Radon(jnp.asarray([0.0, 30.0, 100.0])), (9, 12, 1)),
    "downsample": (Downsample(4), (23, 30, 1)),
    "lambda": (Lambda(lambda x: x[::2]), (9, 10, 2)),
    "compose": (Lambda(lambda x: 2 * x) @ Downsample(3), (10, 11, 1)),
}


@pytest.mark.parametrize("A, shape", ODD.values(), ids=ODD)
@pytest.mark.parametrize("through", [False, True])
def test_within_jit_an_adjoint_knows_its_images(A, shape, through, key):
    """Those that the operator behind it has just taken, though `jit` makes two of it."""
    A = jax.tree.map(jnp.copy, A)  # one that has not been called
    N = A.T @ Lambda(abs) @ A if through else A.T @ A
    x = jax.random.uniform(key, shape)
    made = jax.jit(lambda N, x: N(x))(N, x)
    assert made.shape == shape
    np.testing.assert_allclose(made, N(x), rtol=1e-4, atol=1e-5)


def test_an_adjoint_takes_the_shape_of_its_images_along(key):
    A = Downsample(4)
    y = A(jax.random.uniform(key, (23, 30, 1)))
    assert jax.jit(lambda B, y: B(y))(A.T, y).shape == (23, 30, 1)


@pytest.mark.parametrize("A", [Downsample(2), Identity(), Mask(jnp.ones((8, 8, 1)))])
def test_the_adjoint_of_a_measurement_of_integers(A):
    u = np.full((4, 4, 1) if Downsample(2) == A else (8, 8, 1), 200, np.uint8)
    np.testing.assert_allclose(A.T(u), A.T(u.astype(np.float32)))


def test_an_adjoint_keeps_the_shape_that_it_knows(key):
    """Behind another operator of the same kind."""

    def half(x):
        return x[::2]

    A, B = Lambda(half), Lambda(half)
    B(jnp.zeros((7, 8, 1)))
    x = jax.random.uniform(key, (9, 8, 1))
    made = (B.T @ Lambda(lambda u: u[:4]) @ A)(x)
    np.testing.assert_array_equal(made, B.T(A(x)[:4]))
    assert made.shape == (7, 8, 1)
