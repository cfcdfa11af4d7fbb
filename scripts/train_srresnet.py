"""Trains a small SRResNet (Ledig et al. 2017) on a folder of your own pictures.

    python scripts/train_srresnet.py PICTURES -o srresnet.npz
    dipjax compare small.png --task super-resolve --srresnet srresnet.npz -o figure.png

It learns to give large pictures back from small ones, on random crops:

    min_g mean_x |x - g(A x)|^2        A makes x smaller, by a cubic kernel as Pillow's BICUBIC

The last picture of the folder is not trained on: it tells whether the network is ahead of
bicubic enlargement yet. The published network saw 350 000 pictures for days; a small one on a few
hundred shows what training on pictures of one kind buys.
"""

import time
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

import jax
import jax.numpy as jnp
import numpy as np
import optax
import tyro
from train_inverse import SUFFIXES, crops
from tyro.conf import Positional, arg

from dipjax import images
from dipjax.baselines import SRResNet, bicubic, srresnet
from dipjax.metrics import psnr
from dipjax.operators import Downsample

Array = jax.Array


def pictures(folder: Path, size: int) -> list[np.ndarray]:
    """All pictures of a folder that hold a crop, as RGB."""
    paths = sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES)
    found = [images.load_picture(path).colour for path in paths]
    found = [np.broadcast_to(x, (*x.shape[:2], 3)) for x in found if min(x.shape[:2]) >= size]
    if len(found) < 2:
        raise SystemExit(f"{folder}: fewer than two pictures of {size} x {size} in it")
    return found


def smaller(x: Array, factor: int) -> Array:
    return jnp.clip(Downsample(factor, "cubic")(x), 0, 1)


def held_out(x: np.ndarray, factor: int) -> tuple[Array, Array]:
    """The middle of a picture, at most 256 x 256, and the same made small."""
    h, w = (min(256, n) // factor * factor for n in x.shape[:2])
    top, left = (x.shape[0] - h) // 2, (x.shape[1] - w) // 2
    truth = jnp.asarray(x[top : top + h, left : left + w])
    return truth, smaller(truth, factor)


def main(
    folder: Positional[Path],
    output: Annotated[Path, arg(aliases=["-o"])],
    factor: Literal[2, 4, 8] = 4,
    features: int = 32,
    blocks: int = 4,
    base: bool = True,
    size: int = 96,
    batch: int = 8,
    steps: int = 2000,
    seed: int = 0,
) -> None:
    """Train a small SRResNet on a folder of pictures.

    Args:
        folder: of the pictures, with all folders below.
        output: where to save the weights, a .npz file; replaced if it is there.
        factor: by how much to enlarge.
        features: channels inside, 64 as published.
        blocks: residual ones, 16 as published.
        base: learn what is missing of bicubic enlargement; the published network does not.
        size: of the crops, in pixels of the large picture.
        batch: crops a step.
        steps: of Adam.
        seed: of all randomness.
    """
    if output.suffix != ".npz" or not output.resolve().parent.is_dir():
        raise SystemExit(f"{output}: must be a .npz file in a folder that exists")
    if size % factor or size < 8 * factor:
        raise SystemExit(f"--size {size}: must be a multiple of {factor}, at least {8 * factor}")
    *found, last = pictures(folder, size)
    truth, small = held_out(last, factor)
    network = SRResNet(factor, features, blocks, base=base)
    shape = jnp.zeros((1, size // factor, size // factor, 3))
    variables = jax.jit(network.init)(jax.random.key(seed), shape)
    optimizer = optax.adam(optax.cosine_decay_schedule(1e-3, steps))
    state = optimizer.init(variables["params"])

    @jax.jit
    def step(variables, state, xs):
        ys = jax.vmap(partial(smaller, factor=factor))(xs)

        def energy(params):
            given = {**variables, "params": params}
            answer, changed = network.apply(given, ys, train=True, mutable=["batch_stats"])
            return jnp.mean((answer - xs) ** 2), changed

        (value, changed), grad = jax.value_and_grad(energy, has_aux=True)(variables["params"])
        updates, state = optimizer.update(grad, state)
        params = optax.apply_updates(variables["params"], updates)
        return {"params": params, **changed}, state, value

    rng, start = np.random.default_rng(seed), time.time()
    count = sum(leaf.size for leaf in jax.tree.leaves(variables["params"]))
    before = psnr(bicubic(small, factor), truth)
    print(f"{len(found)} pictures, {count} params; held out: bicubic {before:.2f} dB", flush=True)
    for i in range(1, steps + 1):
        variables, state, _ = step(variables, state, crops(rng, found, batch, size))
        if i % max(1, steps // 10) == 0:
            after = psnr(srresnet.enlarge(small, network, variables), truth)
            print(f"step {i}: {after:.2f} dB, {time.time() - start:.0f} s", flush=True)
            srresnet.save(output, network, variables)  # what there is, should it be stopped
    print(f"{output}: saved")


if __name__ == "__main__":
    tyro.cli(main)
