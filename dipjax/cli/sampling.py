"""The command of the prior itself: `dipjax sample -o random.png`."""

from typing import Literal

import jax

from dipjax import images, memory, tasks
from dipjax.cli.options import PLAIN, Flag, Output
from dipjax.generators import Hourglass
from dipjax.tasks.sampling import needs


def sample(
    output: Output,
    height: int = 256,
    width: int = 256,
    channels: Literal[1, 3] = 3,
    depth: int = 5,
    skips: int = 4,
    seed: int = 0,
    force: Flag = False,
):
    """Draw a picture from the prior: what a network with random weights says.

    Args:
        output: where to save the picture; the suffix chooses the format.
        height: of the picture.
        width: of the picture.
        channels: 1 for grey and 3 for colour.
        depth: of the hourglass; deeper is smoother.
        skips: channels of its skip connections, 0 for none.
        seed: of all randomness; the same seed gives the same picture.
        force: replace the picture if it exists already.
    """
    limits = (("height", height, 1, 4096), ("width", width, 1, 4096), ("depth", depth, 1, 8))
    for name, value, low, high in (
        *limits,
        ("skips", skips, 0, 1024),
        ("seed", seed, 0, 2**32 - 1),
    ):
        if not low <= value <= high:
            raise ValueError(f"--{name} {value}: must be from {low} to {high}")
    images.check_target(output, overwrite=force, picture=PLAIN)
    generator = Hourglass(channels=channels, widths=(128,) * depth, skips=skips)
    key, shape = jax.random.key(seed), (height, width, channels)
    need, free = needs(key, shape, generator), memory.free_memory()
    if need > free:
        words = f"{width} x {height} needs {memory.gib(need)}, {memory.gib(free)} are free"
        raise MemoryError(f"{words}: make it smaller")
    x = tasks.sample(key, shape, generator=generator)
    images.save(output, x, overwrite=force)
