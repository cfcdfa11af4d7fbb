"""Tasks: recipes that put an operator, a code and published settings into the one fit.

    denoise, remove_jpeg_artifacts   E(x) = |x - y|^2, or |x - y|_1 where outliers are
    inpaint                          E(x) = |m * x - m * y|^2      m = 1 where y is known
    super_resolve                    E(x) = |A x - y|^2            A keeps every n-th pixel
    deblur                           E(x) = |k * x - y|^2          k is the picture of a point
    reconstruct                      E(x) = |A x - y|^2            A is a scanner's, or yours
    flash_no_flash                   E(x) = |x - y|^2              z = the flash picture
    enhance                          x_e = y + (y - x_c)           x_c fits y, but coarsely

A recipe holds no loop. Its settings are the keyword arguments of `fit`, taken from a preset and
changed one by one: `inpaint(key, y, mask, steps=500, jitter=0.05)`. `stop="auto"` is the default:
the fit ends by itself where its task can tell when (see `presets.by_risk` and `automatic`), but for
`preset="paper"`, which makes the published steps. Two look at the prior itself: `sample` fits
nothing at all, `noise_impedance` what is a picture and what is not.
"""

from dipjax.presets import PRESETS as PRESETS
from dipjax.restoration import Driver as Driver
from dipjax.tasks.deblurring import deblur as deblur
from dipjax.tasks.denoising import denoise as denoise
from dipjax.tasks.denoising import finishes as finishes
from dipjax.tasks.enhancing import enhance as enhance
from dipjax.tasks.flash import flash_no_flash as flash_no_flash
from dipjax.tasks.impedance import noise_impedance as noise_impedance
from dipjax.tasks.inpainting import Missing as Missing
from dipjax.tasks.inpainting import inpaint as inpaint
from dipjax.tasks.jpeg import remove_jpeg_artifacts as remove_jpeg_artifacts
from dipjax.tasks.recipe import asked as asked
from dipjax.tasks.recipe import each as each
from dipjax.tasks.recipe import planned as planned
from dipjax.tasks.reconstruction import reconstruct as reconstruct
from dipjax.tasks.sampling import sample as sample
from dipjax.tasks.seeing import seen as seen
from dipjax.tasks.super_resolution import super_resolve as super_resolve
