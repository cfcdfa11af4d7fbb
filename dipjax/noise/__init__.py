"""Noise: what makes a measurement of a picture, and what is seen of it in the measurement.

models      gaussian, poisson, speckle, impulse: `(key, x) -> y`
levels      from a picture to the level of its noise
outliers    from a picture to the part that salt and pepper has taken
spectrum    how strong noise is at each frequency, where neighbours err alike
clipping    what a file that holds [0, 1] does to noise, and the way back
"""

from dipjax.noise import clipping as clipping
from dipjax.noise import spectrum as spectrum
from dipjax.noise.levels import checked as checked
from dipjax.noise.levels import level as level
from dipjax.noise.levels import level_by_brightness as level_by_brightness
from dipjax.noise.levels import level_by_colour as level_by_colour
from dipjax.noise.levels import told as told
from dipjax.noise.levels import unclipped_level as unclipped_level
from dipjax.noise.models import gaussian as gaussian
from dipjax.noise.models import impulse as impulse
from dipjax.noise.models import poisson as poisson
from dipjax.noise.models import speckle as speckle
from dipjax.noise.outliers import fidelity as fidelity
from dipjax.noise.outliers import lost as lost
