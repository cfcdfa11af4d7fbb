"""Time to quality: after how many steps a fit is as good as the published one.

A trajectory is the PSNR of the average and of the iterate every 25 steps; the average of dipjax is
what its task returns behind a fit without a stop that ends there (to denoise, of the plain energy
and not of its risk, which takes fewer steps of twice the time). Those of the peer take hours and
stay valid when dipjax changes. Seconds are steps times the seconds of a step, which `pace` measures
for both in one run, and for dipjax those of what comes behind the fit.

In inpainting the known pixels are pasted over both.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from crops import CROPS, DATA, PUBLISHED, crop
from PIL import Image
from trajectories import Curve

import dipjax
from dipjax import images, metrics, stopping

EVERY = 25


class Problem(NamedTuple):
    """A measurement, the truth, and the same problem for both contestants.

    Attributes:
        y: the measurement (h, w, C).
        truth: (H, W, C).
        task: of dipjax, `task(key, y, driver=...)`.
        energy: gives the peer's energy of the image and the measurement, (1, C, ., .).
        score: dB of an image.
    """

    y: np.ndarray
    truth: np.ndarray
    task: Callable[..., dipjax.Restoration]
    energy: Callable[[], Callable]
    score: Callable[[Any], float]


def problem(task: str, name: str, size: int) -> Problem:
    if DATA is None:
        raise FileNotFoundError("no pictures: shared/data is not there")
    return {"denoise": _denoise, "super_resolve": _super_resolve, "inpaint": _inpaint}[task](
        name, CROPS[task][name], size
    )


def _denoise(name: str, centre, size: int) -> Problem:
    """The authors' own noisy input, sigma 25."""
    y, truth = (crop(f"denoise/25/{name}_{kind}.png", centre, size) for kind in ("noisy", "GT"))
    return Problem(y, truth, dipjax.denoise, _mse, partial(_score, metrics.psnr, truth))


def _super_resolve(name: str, centre, size: int) -> Problem:
    """A crop made four times smaller by Pillow's BICUBIC; the score is of luma."""
    folder, name = name.split("/")
    truth = crop(f"sr/{folder}/x4/{name}_GT.png", centre, size)
    picture = Image.fromarray(np.round(255 * truth).astype(np.uint8))
    small = picture.resize((size // 4, size // 4), Image.Resampling.BICUBIC)
    y = np.asarray(images.check(np.asarray(small)))
    task = partial(dipjax.super_resolve, factor=4)
    score = partial(_score, metrics.psnr_y, truth)
    return Problem(y, truth, task, partial(_lanczos, size), score)


def _inpaint(name: str, centre, size: int) -> Problem:
    """The authors' masked picture, half of whose pixels are missing (0)."""
    y, truth = (
        crop(f"inpaint50/{name}_{kind}.png", centre, size)[..., :1] for kind in ("masked", "GT")
    )
    m = (y > 0).astype(np.float32)
    task = partial(dipjax.inpaint, mask=jnp.asarray(m))

    def score(x) -> float:
        return _score(metrics.psnr, truth, np.where(m > 0, y, x))

    return Problem(y, truth, task, partial(_masked, m), score)


def _score(metric: Callable, truth: np.ndarray, image) -> float:
    return float(metric(jnp.clip(jnp.asarray(image), 0, 1), jnp.asarray(truth)))


# --- the peer's energies -------------------------------------------------------------------


def _mse():
    import torch

    return torch.nn.functional.mse_loss


def _masked(m: np.ndarray):
    import peer
    import torch

    mask = peer.tensor(m)
    return lambda x, y: torch.nn.functional.mse_loss(mask * x, mask * y)


def _lanczos(size: int):
    """`|R x R^T - y|^2` with the rows of dipjax's own operator, which is the published one."""
    import peer
    import torch

    unit = jnp.broadcast_to(jnp.eye(size)[:, None], (size, 4, size))  # channel j is row j
    rows = peer.matrix(np.asarray(dipjax.operators.Downsample(4)(unit))[:, 0])
    return lambda x, y: torch.nn.functional.mse_loss(rows @ x @ rows.T, y)


# --- trajectories --------------------------------------------------------------------------


def ours(task: str, name: str, size: int, preset: str = "fast", **settings) -> dict[str, Any]:
    """The trajectory of dipjax, whose estimate is the average; all steps, on all of the data."""
    p, curve = problem(task, name, size), Curve()

    def driver(key, objective, shape, **settings):
        progress = None
        for progress in dipjax.iterate(key, objective, shape, every=EVERY, **settings):
            estimate = finished(p, progress.average, preset)
            curve.add(progress.step, p.score(estimate), p.score(progress.image))
        return dipjax.finish(progress.state)

    key = jax.random.key(0)
    settings = {"preset": preset, "stop": stopping.never(), **settings}
    result = p.task(key, jnp.asarray(p.y), driver=driver, **settings)
    return {"preset": preset, "result": round(p.score(result.image), 3), **curve.record()}


def finished(p: Problem, image: jax.Array, preset: str = "fast") -> jax.Array:
    """What the task of a problem returns where its fit is this image."""

    def driver(key, objective, shape, **_):
        return dipjax.Restoration(*[image] * 5, jnp.zeros(1), jnp.zeros((), int))

    settings = {"preset": preset, "stop": stopping.never()}
    return p.task(jax.random.key(0), jnp.asarray(p.y), driver=driver, **settings).image


def theirs(task: str, name: str, size: int, steps: int | None = None) -> dict[str, Any]:
    """The trajectory of the peer at its published settings."""
    import peer

    p, curve = problem(task, name, size), Curve()
    fit = peer_fit(task, p, {"channels_last": True})
    for i in range(1, (steps or PUBLISHED[task]["steps"]) + 1):
        fit.step()
        if i % EVERY == 0:
            curve.add(i, *(p.score(peer.picture(x)) for x in (fit.average, fit.image)))
    return curve.record()


def peer_fit(task: str, p: Problem, form: dict[str, Any]):
    """The published fit of a problem, in one of the peer's forms."""
    import peer

    options = {name: PUBLISHED[task][name] for name in ("jitter", "rate")}
    build = partial(peer.hourglass, 32, channels=p.truth.shape[-1], scale_init="uniform")
    return peer.Fit(build, p.y, p.energy(), shape=p.truth.shape[:2], **options, **form)
