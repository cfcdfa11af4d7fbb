"""Trains a small inverse network (Dosovitskiy and Brox, 2016) on a folder of your own pictures.

    python scripts/train_inverse.py PICTURES -o inverse.npz --network alexnet --layer conv4

It learns to give the picture back from the activations of one layer, on random crops:

    min_g mean_x |x - g(Phi(x))|^2

The result serves `dipjax.features.inverse("inverse.npz")(activations, (H, W))`: one pass instead
of a fit, as good as the pictures that it has seen. A few hundred are few; they took ImageNet.
"""

import time
from pathlib import Path
from typing import Annotated

import jax
import jax.numpy as jnp
import numpy as np
import optax
import tyro
from tyro.conf import Positional, arg

from dipjax import features, images, weights
from dipjax.cli import networks
from dipjax.features.inverse import loss

SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".webp", ".bmp")


def pictures(folder: Path, size: int) -> list[np.ndarray]:
    """All pictures of a folder as RGB, the shorter side half as long again as the crops."""
    found = []
    for path in sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES):
        x = images.load_picture(path).colour
        h, w = x.shape[:2]
        scale = 1.5 * size / min(h, w)
        shape = (round(h * scale), round(w * scale), 3)
        x = jax.image.resize(jnp.broadcast_to(x, (h, w, 3)), shape, "cubic")
        found.append(np.asarray(jnp.clip(x, 0, 1)))
    if not found:
        raise SystemExit(f"{folder}: no pictures in it ({', '.join(SUFFIXES)})")
    return found


def crops(rng: np.random.Generator, found: list[np.ndarray], batch: int, size: int) -> np.ndarray:
    """Random crops (batch, size, size, 3), half of them mirrored."""
    result = []
    for i in rng.integers(len(found), size=batch):
        top, left = (rng.integers(n - size + 1) for n in found[i].shape[:2])
        x = found[i][top : top + size, left : left + size]
        result.append(x[:, :: rng.choice([1, -1])])
    return np.stack(result)


def main(
    folder: Positional[Path],
    output: Annotated[Path, arg(aliases=["-o"])],
    network: networks.Name = "alexnet",
    layer: str = "conv4",
    weights_file: Annotated[Path | None, arg(name="weights")] = None,
    size: int = 128,
    steps: int = 2000,
    batch: int = 8,
    widths: tuple[int, ...] = (128, 128, 64, 32, 16),
    seed: int = 0,
) -> None:
    """Train an inverse network on a folder of pictures.

    Args:
        folder: of the pictures, with all folders below.
        output: where to save the weights, a .npz file; replaced if it is there.
        network: whose activations to invert.
        layer: of the network.
        weights_file: of the network; downloaded once if not given.
        size: of the crops, in pixels.
        steps: of Adam.
        batch: crops a step.
        widths: channels of the first convolution and of the up-convolutions behind it.
        seed: of all randomness.
    """
    if output.suffix != ".npz" or not output.resolve().parent.is_dir():
        raise SystemExit(f"{output}: must be a .npz file in a folder that exists")
    phi = networks.NETWORKS[network](weights="auto" if weights_file is None else weights_file)
    found, rng, key = pictures(folder, size), np.random.default_rng(seed), jax.random.key(seed)
    operator = phi(layer)
    shape = jax.eval_shape(operator.forward, jax.ShapeDtypeStruct((size, size, 3), jnp.float32))
    inverse = features.inverse(
        key, activations=shape.shape, convs=widths[:1], upconvs=(*widths[1:], 3)
    )
    optimizer = optax.adam(optax.cosine_decay_schedule(1e-3, steps))

    @jax.jit
    def step(operator, params, state, xs):
        def energy(params):
            one = lambda x: loss(inverse.replace(params=params), operator.forward(x), x)  # noqa: E731
            return jax.vmap(one)(xs).mean()

        value, grad = jax.value_and_grad(energy)(params)
        updates, state = optimizer.update(grad, state)
        return optax.apply_updates(params, updates), state, value

    params, state, start, mean = inverse.params, optimizer.init(inverse.params), time.time(), None
    print(f"{len(found)} pictures, activations {shape.shape} of {phi.name} {layer}")
    for i in range(1, steps + 1):
        params, state, value = step(operator, params, state, crops(rng, found, batch, size))
        mean = float(value) if mean is None else 0.99 * mean + 0.01 * float(value)
        if i % max(1, steps // 20) == 0:
            seconds = time.time() - start
            print(f"step {i}: mean squared error {mean:.5f}, {seconds:.0f} s", flush=True)
    weights.save(output, inverse.replace(params=params).arrays())
    print(f"{output}: {sum(p.size for p in jax.tree.leaves(params))} params")


if __name__ == "__main__":
    tyro.cli(main)
