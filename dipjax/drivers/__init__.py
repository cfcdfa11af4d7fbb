"""Drivers: what runs the fit of a task. A driver is called like `fit`, and a task takes any.

What knows more of a fit than its result may also have

    ended           whether something other than its rule ended it: then nothing follows
    polish(work)    is given the work that follows, and returns its image
    state           the last `Run` of the fit, from which the next tile starts
    caught          a list: whatever is put in it ends the fit, with the result so far
"""

from dipjax.drivers.loop import Attended as Attended
from dipjax.drivers.loop import Loop as Loop
from dipjax.drivers.loop import Resumable as Resumable
from dipjax.drivers.loop import often as often
from dipjax.drivers.loop import resumable as resumable
