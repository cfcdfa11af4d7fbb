"""Trackers: what is kept of the iterates of a fit, and when it has seen enough.

A tracker is a pair of pure functions, `init(image) -> state` and `update(state, info) -> state`,
so it jits and vmaps with the fit. A stop rule is a tracker whose state has a field `stop`; where
it also has a field `image`, that is the estimate which the fit returns. Equal settings give the
same tracker object, which is what finds the compiled fit again.

    average, windowed_average      what is kept: the mean of the iterates
    best                           the iterate of the lowest score
    held_out                       stop behind the lowest error of what is not fitted
    windowed_variance              stop behind the lowest variance of the iterates in a window
    moving_variance                the same, exponentially weighted
    discrepancy                    stop when the energy is down to that of the noise
    zero_crossing                  stop when the estimated risk is down to nothing
    inflection                     stop behind the slowest fall of the estimated risk
    any_of                         stop when one of several does
"""

from dipjax.stopping.averages import Average as Average
from dipjax.stopping.averages import Best as Best
from dipjax.stopping.averages import Decay as Decay
from dipjax.stopping.averages import WindowedAverage as WindowedAverage
from dipjax.stopping.averages import average as average
from dipjax.stopping.averages import best as best
from dipjax.stopping.averages import growing as growing
from dipjax.stopping.averages import windowed_average as windowed_average
from dipjax.stopping.by_energy import Discrepancy as Discrepancy
from dipjax.stopping.by_energy import Inflection as Inflection
from dipjax.stopping.by_energy import discrepancy as discrepancy
from dipjax.stopping.by_energy import inflection as inflection
from dipjax.stopping.by_energy import zero_crossing as zero_crossing
from dipjax.stopping.by_error import HeldOut as HeldOut
from dipjax.stopping.by_error import held_out as held_out
from dipjax.stopping.by_variance import Variance as Variance
from dipjax.stopping.by_variance import moving_variance as moving_variance
from dipjax.stopping.by_variance import windowed_variance as windowed_variance
from dipjax.stopping.tracker import Never as Never
from dipjax.stopping.tracker import Reason as Reason
from dipjax.stopping.tracker import Seen as Seen
from dipjax.stopping.tracker import Tracker as Tracker
from dipjax.stopping.tracker import any_of as any_of
from dipjax.stopping.tracker import estimate as estimate
from dipjax.stopping.tracker import never as never
from dipjax.stopping.tracker import reason as reason
from dipjax.stopping.tracker import tracker as tracker
from dipjax.stopping.waiting import Waiting as Waiting
