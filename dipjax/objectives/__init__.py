"""Objectives `E(x)`: data terms and explicit regularisers, added and scaled like numbers.

    E(x) = fidelity(A(x), y) + weight * R(x)

An objective is a frozen pytree: measurements are leaves, so that another one of the same shape
compiles nothing and `vmap` over measurements works.
"""

from dipjax.objectives.base import Function as Function
from dipjax.objectives.base import Objective as Objective
from dipjax.objectives.base import Scaled as Scaled
from dipjax.objectives.base import Sum as Sum
from dipjax.objectives.base import as_objective as as_objective
from dipjax.objectives.data import DataTerm as DataTerm
from dipjax.objectives.data import data_term as data_term
from dipjax.objectives.fidelities import FIDELITIES as FIDELITIES
from dipjax.objectives.fidelities import Fidelity as Fidelity
from dipjax.objectives.fidelities import huber as huber
from dipjax.objectives.fidelities import l1 as l1
from dipjax.objectives.fidelities import l2 as l2
from dipjax.objectives.fidelities import poisson as poisson
from dipjax.objectives.fidelities import robust as robust
from dipjax.objectives.holding_out import hold_out as hold_out
from dipjax.objectives.total_variation import TotalVariation as TotalVariation
