"""Images from the activations of a network: feature inversion and activation maximisation.

    invert_features       E(x) = |Phi(x) - Phi_0|^2 / |Phi_0|^2
    maximize_activation   E(x) = -Phi_u(x), or |target - Phi_u(x)|, or for a class
                                 -log p_c(x) - a_c(x) / 10

Recipes like those of `dipjax.tasks`: an energy and published settings for the one fit, which are in
`features.presets`.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import flax.struct
import jax
import jax.numpy as jnp

from dipjax import images
from dipjax.features.network import Network, class_index
from dipjax.features.objectives import FeatureError, MinusActivation, MinusClass, Statistics, gram
from dipjax.features.presets import PRESETS
from dipjax.fitting import fit
from dipjax.objectives import Objective
from dipjax.presets import Preset, choose
from dipjax.restoration import Driver, Restoration

Array = jax.Array
Layers = str | Sequence[str] | Mapping[str, float]


def invert_features(
    key: Array,
    target: Array | Mapping[str, Array],
    phi: Network,
    layer: Layers,
    *,
    shape: tuple[int, int] | None = None,
    statistics: Statistics = "activations",
    preset: str = "fast",
    driver: Driver = fit,
    **settings,
) -> Restoration:
    """The image behind activations: `min E(x) = sum_l w_l |Phi_l(x) - Phi_l|^2 / |Phi_l|^2`.

    Args:
        key: of all randomness; the same key gives the same bits.
        target: an image (H, W, 3), whose activations are taken; or activations (h, w, c) of the
            layer, or layer -> activations where there are several.
        phi: a network of `dipjax.features`.
        layer: the name of a layer, several names, or name -> weight `w_l`.
        shape: (H, W) of the image to find; that of the target by default, and the network's own
            size where the target is activations. With "gram" it may be another than the target's.
        statistics: "activations", or "gram" for their Gram matrices: texture of any size.
        preset: "paper" (Ulyanov et al. 2018, sec. 4), "appendix" (the same with heavy jitter and
            parameter noise), "fast", with more steps and sooner fading jitter where entries of the
            (last) layer see less than half of the picture, or "tv", the total variation
            of Mahendran and Vedaldi (2015) in place of the network.
        driver: what runs the fit; any function with the arguments of `fit`.
        **settings: arguments of `fit`, `multiple`, `regularizer` or `local` in place of the
            preset's.

    Returns:
        A `Restoration`; `.image` (H, W, 3) is the average of the iterates.

    Raises:
        ValueError: for a bad image or preset, a layer that the network has not, activations that
            do not fit it, or an image too small for it.
    """
    weights = {phi.resolve(name): w for name, w in _weighted(layer).items()}
    targets, size = _targets(target, phi, weights, shape)
    if statistics == "gram":
        targets = {name: gram(a) for name, a in targets.items()}
    last = max(weights, key=phi.layers.index)
    energy = FeatureError(phi.upto(last), targets, weights, statistics)
    chosen = dict(choose(PRESETS["invert_features"], preset))
    local = settings.pop("local", chosen.pop("local", {}))
    if 2 * phi.receptive(last).size <= min(size):
        chosen |= local
    return _run(key, energy, size, driver, {**chosen, **settings})


def maximize_activation(
    key: Array,
    phi: Network,
    layer: str | None,
    unit: int | str,
    *,
    shape: tuple[int, int] | None = None,
    target: float | None = None,
    window: int | None = None,
    preset: str = "fast",
    driver: Driver = fit,
    **settings,
) -> Restoration:
    """The image that a unit or a class of a network likes best: `min E(x) = -Phi_u(x)`.

    For a class of a whole network, and nothing asked for but that, "fast" and "tv" minimise
    `-log p_c - a_c / 10` of several parts of the picture instead (see `features.MinusClass`): of
    the class alone, and of no pattern that is lost when the picture is moved.

    Args:
        key: of all randomness; the same key gives the same bits.
        phi: a network of `dipjax.features`.
        layer: the name of a layer; None for the one whose channels are the classes.
        unit: a channel of the layer, from 0; or the name of a class of ImageNet.
        shape: (H, W) of the image; the network's own size by default.
        target: the activation to reach, as `|target - Phi_u(x)|` (300 in the paper, for classes
            of AlexNet); as much as possible by default.
        window: only this many entries of the map around its centre count, in both directions;
            1 is a single neuron, and the whole map the default.
        preset: "paper" (Ulyanov et al. 2020), "fast", or "tv", total variation in
            place of the network.
        driver: what runs the fit; any function with the arguments of `fit`.
        **settings: arguments of `fit`, `multiple`, `regularizer` or `views` (see
            `features.MinusClass`; none for the activation alone) in place of the preset's.

    Returns:
        A `Restoration`; `.image` (H, W, 3) is the average of the iterates.

    Raises:
        ValueError: for an unknown layer, class or preset, a channel that the layer has not, a
            window below 1, or an image too small for the network.
    """
    sure = layer is None
    layer = phi.class_layer if layer is None else phi.resolve(layer)
    size = (phi.size, phi.size) if shape is None else shape
    channels = jax.eval_shape(phi(layer).forward, _image(size)).shape[-1]
    index = _unit(unit, layer, channels)
    if window is not None and window < 1:
        raise ValueError(f"window must be at least 1, not {window}")
    settings = {**choose(PRESETS["maximize_activation"], preset), **settings}
    views = settings.pop("views", ())
    if views and sure and target is None and window is None:
        # Only a mean over all pixels takes another size than the network's.
        free = math.isinf(phi.receptive(phi.layers[-1]).size)
        energy = MinusClass(phi, index, tuple(v if free else (*v[:2], 1.0) for v in views))
    else:
        energy = MinusActivation(phi.upto(layer), index, target, window)
    return _run(key, energy, size, driver, settings)


# --- from here on: what both share ---------------------------------------------------------


@flax.struct.dataclass
class Cut(Objective):
    """`E(x[:H, :W])`: the energy of a part of a larger generated image."""

    objective: Objective
    shape: tuple[int, int] = flax.struct.field(pytree_node=False)

    def __call__(self, x: Array) -> Array:
        return self.objective(x[: self.shape[0], : self.shape[1]])


def _run(key, energy: Objective, size, driver: Driver, settings: Preset) -> Restoration:
    """The fit, on a generated image as large as the settings want it, and the part asked for."""
    multiple, regularizer = settings.pop("multiple", 1), settings.pop("regularizer", None)
    energy = energy if regularizer is None else energy + regularizer
    (h, w), (gh, gw) = size, (-(-n // multiple) * multiple for n in size)
    energy = energy if (h, w) == (gh, gw) else Cut(energy, (h, w))
    result = driver(key, energy, (gh, gw, 3), **settings)
    return result.map_images(lambda x: x[:h, :w])


def _weighted(layer: Layers) -> dict[str, float]:
    if isinstance(layer, Mapping):
        weights = dict(layer)
    else:
        weights = dict.fromkeys((layer,) if isinstance(layer, str) else layer, 1.0)
    if not weights:
        raise ValueError("no layer to invert: name one")
    return weights


def _targets(target, phi: Network, weights: Mapping[str, float], shape):
    """layer -> activations, and the (H, W) of the image to find."""
    if isinstance(target, Mapping) or (jnp.ndim(target) == 3 and jnp.shape(target)[-1] > 4):
        size = shape or (phi.size, phi.size)
        return _checked(target, phi, weights, size), size
    x = images.check(target)
    x = jnp.broadcast_to(x, (*x.shape[:2], 3)) if x.shape[-1] == 1 else x
    return phi.activations(x, weights.keys()), shape or x.shape[:2]


def _checked(target: Any, phi: Network, weights, size) -> dict[str, Array]:
    """Activations that were given, each of the shape that its layer has for such images."""
    given = dict(target) if isinstance(target, Mapping) else dict.fromkeys(weights, target)
    given = {phi.resolve(name): jnp.asarray(a) for name, a in given.items()}
    if set(given) != set(weights):
        raise ValueError(f"activations of {sorted(given)} for the layers {sorted(weights)}")
    shapes = jax.eval_shape(lambda x: phi.activations(x, weights.keys()), _image(size))
    for name, a in given.items():
        if a.shape != shapes[name].shape:
            raise ValueError(
                f"{name} has activations of shape {shapes[name].shape} for images of "
                f"{size[0]} x {size[1]}, not {a.shape}: set shape=(H, W)"
            )
    return given


def _image(size) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct((*size, 3), jnp.float32)


def _unit(unit: int | str, layer: str, channels: int) -> int:
    if isinstance(unit, str) and not unit.isdecimal():
        index = class_index(unit)
        if channels != 1000:
            raise ValueError(f"{layer} has {channels} channels and no classes: give a number")
        return index
    if not 0 <= int(unit) < channels:
        raise ValueError(f"unit {unit}: {layer} has channels 0 to {channels - 1}")
    return int(unit)
