"""What a task does behind its fit: non-local Bayes, of which a generator knows nothing.

denoise                   x + w (NLB(y) - x)                   a blend, where x varies or is off
super_resolve, inpaint,
deblur, reconstruct,
remove_jpeg_artifacts     min_x |A x - y|^2, x near NLB(x)     rounds, from the fit on
"""

from dipjax.polish.blend import polished as polished
from dipjax.polish.rounds import BLURRED as BLURRED
from dipjax.polish.rounds import EXACT as EXACT
from dipjax.polish.rounds import narrowest as narrowest
from dipjax.polish.rounds import refined as refined
from dipjax.polish.rounds import smoothed as smoothed
