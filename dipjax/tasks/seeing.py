"""What a task sees in its data, where nobody tells it: the words that are "auto" in its settings.

Words cannot be read off what is traced, as by `vmap`. Read off before and given to the task, they
are settings like any other.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

from dipjax import images
from dipjax.tasks import deblurring, denoising, jpeg, super_resolution

SEES = {
    denoising.denoise: denoising.sees,
    deblurring.deblur: deblurring.sees,
    jpeg.remove_jpeg_artifacts: jpeg.sees,
    super_resolution.super_resolve: super_resolution.sees,
}


def seen(task: Callable[..., Any], y: Any, *data: Any, **settings: Any) -> dict[str, Any]:
    """The settings that a task would choose by a look at its data, to be given to it in the call.

    Of `denoise` they are `fidelity` and `spectrum`, of `deblur` the `light`, of
    `remove_jpeg_artifacts` the `jpeg`, of `super_resolve` the `sigma`; of others none, as of any
    function that is no task.

    Args:
        task: one of dipjax's, or a `partial` of one with settings.
        y, *data: what it takes behind its key.
        **settings: what it is told, as in its call. What they tell is not looked for.

    Raises:
        ValueError: for a picture of another shape or range, or an unknown word.
    """
    if isinstance(task, partial) and not task.args:
        task, settings = task.func, task.keywords | settings
    sees = SEES.get(task)
    return sees(images.check(y), *data, **settings) if sees else {}
