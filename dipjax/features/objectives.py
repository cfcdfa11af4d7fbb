"""Energies of images in the feature space of a network."""

from collections.abc import Mapping
from typing import Literal, get_args

import flax.struct
import jax
import jax.numpy as jnp

from dipjax.features.network import Network, centred
from dipjax.objectives import Objective

Array = jax.Array
Statistics = Literal["activations", "gram"]
View = tuple[float, float, float]

TINY = 1e-12  # a layer that says nothing at all has an energy all the same


def gram(a: Array) -> Array:
    """`G = A^T A / (h w)` (c, c) of activations (h, w, c): texture, without where it is."""
    rows = a.reshape(-1, a.shape[-1])
    return rows.T @ rows / rows.shape[0]


@flax.struct.dataclass
class FeatureError(Objective):
    """`E(x) = sum_l w_l |S(Phi_l(x)) - S_l|^2 / |S_l|^2`: the squared relative error.

    The natural pre-image of Mahendran and Vedaldi (2015, eq. 2), summed over layers, which are
    computed in one pass. `S` is the identity, or the Gram matrix of Gatys et al. (2015).

    Attributes:
        network: `Phi`, of which the last layer asked for is the last.
        targets: layer -> `S_l`.
        weights: layer -> `w_l`.
        statistics: `S`, "activations" or "gram".
    """

    network: Network
    targets: Mapping[str, Array]
    weights: Mapping[str, float | Array]
    statistics: Statistics = flax.struct.field(pytree_node=False, default="activations")

    def __post_init__(self):
        if self.statistics not in get_args(Statistics):
            known = get_args(Statistics)
            raise ValueError(f"statistics must be one of {known}, not {self.statistics!r}")

    def errors(self, x: Array) -> dict[str, Array]:
        """The relative error of each layer, squared, without its weight."""
        found = self.network.activations(x, self.targets.keys())
        return {layer: self._error(found[layer], y) for layer, y in self.targets.items()}

    def __call__(self, x: Array) -> Array:
        errors = self.errors(x)
        return sum((self.weights[layer] * e for layer, e in errors.items()), jnp.zeros(()))

    def _error(self, a: Array, y: Array) -> Array:
        s = gram(a) if self.statistics == "gram" else a
        if s.shape != y.shape:
            raise ValueError(
                f"activations of shape {s.shape} against a target of {y.shape}: the target was "
                "made from an image of another size"
            )
        return jnp.sum((s - y) ** 2) / jnp.maximum(jnp.sum(y**2), TINY)


@flax.struct.dataclass
class MinusActivation(Objective):
    """`E(x) = -a(x)`, or `|target - a(x)|` where there is one, `a = mean_ij Phi(x)_iju`.

    The mean is over the central window of the channel's map. Activation maximisation of Simonyan
    et al. (2013); the forms "maximize" and "match" of Ulyanov et al. (IJCV 2020).

    Attributes:
        network: `Phi`, of which the last layer is looked at.
        unit: `u`, the channel, from 0.
        target: the activation to reach, or None for as much as possible.
        window: side of the window in entries of the map, or None for the whole map.
    """

    network: Network
    unit: int | Array
    target: float | Array | None = None
    window: int | None = flax.struct.field(pytree_node=False, default=None)

    def activation(self, x: Array) -> Array:
        """`a(x)`, a scalar."""
        layer = self.network.layers[-1]
        a = self.network.activations(x, (layer,))[layer]
        a = a if self.window is None else _centre(a, self.window)
        return jnp.take(a, self.unit, axis=-1).mean()

    def __call__(self, x: Array) -> Array:
        a = self.activation(x)
        return -a if self.target is None else jnp.abs(self.target - a)


@flax.struct.dataclass
class MinusClass(Objective):
    """`E(x) = -mean_v (log p_c(x_v) + a_c(x_v) / 10)`: the network is sure of class `c`.

    `a` are the arguments of the softmax `p`, and `x_v` is a part of the picture at another size. A
    pattern that only fools the network at one size and place does not at another; `log p_c` alone
    has nothing left to ask for as soon as the network is sure, and `a_c` alone pleases other
    classes as well.

    Attributes:
        network: `Phi`, whole: its last layer is a softmax.
        unit: `c`, from 0.
        views: where each part begins and ends, along both sides, as parts of them; and its size,
            as a part of the network's, which is 1 for networks that take one size only.
    """

    network: Network
    unit: int | Array
    views: tuple[View, ...] = flax.struct.field(pytree_node=False, default=((0.0, 1.0, 1.0),))

    def __call__(self, x: Array) -> Array:
        return sum((self._energy(x, *v) for v in self.views), jnp.zeros(())) / len(self.views)

    def _energy(self, x: Array, begin: float, end: float, size: float) -> Array:
        rows, columns = (slice(round(n * begin), round(n * end)) for n in x.shape[:2])
        view = centred(x[rows, columns], round(size * self.network.size))
        layer = self.network.layers[-2]
        a = self.network.activations(view, (layer,))[layer].ravel()
        return -jax.nn.log_softmax(a)[self.unit] - a[self.unit] / 10


def _centre(a: Array, n: int) -> Array:
    """The central `n` x `n` of a map (h, w, c), or what there is of it."""
    top, left = (max(0, (m - n) // 2) for m in a.shape[:2])
    return a[top : top + n, left : left + n]
