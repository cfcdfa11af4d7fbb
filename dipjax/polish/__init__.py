"""What a task does behind its fit: non-local Bayes, of which a generator knows nothing.

denoise                   x + w (NLB(y) - x)                   a blend, where x varies or is off
super_resolve, inpaint,
deblur, reconstruct,
remove_jpeg_artifacts     min_x |A x - y|^2 with prior NLB     rounds, from the fit on
"""

from dipjax.polish.blend import polished as polished
from dipjax.polish.rounds import BLURRED as BLURRED
from dipjax.polish.rounds import EXACT as EXACT
from dipjax.polish.rounds import NARROW as NARROW
from dipjax.polish.rounds import NARROW_AT_MOST as NARROW_AT_MOST
from dipjax.polish.rounds import refined as refined
from dipjax.polish.rounds import smoothed as smoothed
