"""dipjax: restore images without training data, by fitting an untrained generator to one picture.

min_x E(x)   becomes   min_theta E(f_theta(z))        (Deep Image Prior, CVPR 2018)
"""

from dipjax import baselines as baselines
from dipjax import blind as blind
from dipjax import checkpoints as checkpoints
from dipjax import codes as codes
from dipjax import compression as compression
from dipjax import ensembles as ensembles
from dipjax import features as features
from dipjax import generators as generators
from dipjax import guard as guard
from dipjax import images as images
from dipjax import kernels as kernels
from dipjax import light as light
from dipjax import memory as memory
from dipjax import metrics as metrics
from dipjax import noise as noise
from dipjax import objectives as objectives
from dipjax import operators as operators
from dipjax import optimizers as optimizers
from dipjax import probes as probes
from dipjax import risk as risk
from dipjax import stopping as stopping
from dipjax import tiles as tiles
from dipjax import weights as weights
from dipjax.drivers import resumable as resumable
from dipjax.drivers.notebook import live as live
from dipjax.drivers.notebook import show as show
from dipjax.ensembles import Ensemble as Ensemble
from dipjax.ensembles import calibration as calibration
from dipjax.ensembles import ensemble as ensemble
from dipjax.ensembles import spread as spread
from dipjax.features.inversion import invert_features as invert_features
from dipjax.features.inversion import maximize_activation as maximize_activation
from dipjax.fitting import Progress as Progress
from dipjax.fitting import fit as fit
from dipjax.fitting import iterate as iterate
from dipjax.generators import Hourglass as Hourglass
from dipjax.memory import estimate_memory as estimate_memory
from dipjax.noise import clipping as clipping
from dipjax.noise import spectrum as spectrum
from dipjax.objectives import DataTerm as DataTerm
from dipjax.objectives import TotalVariation as TotalVariation
from dipjax.objectives import data_term as data_term
from dipjax.restoration import FitError as FitError
from dipjax.restoration import Restoration as Restoration
from dipjax.run import finish as finish
from dipjax.step import FitInfo as FitInfo
from dipjax.step import FitState as FitState
from dipjax.step import Fitter as Fitter
from dipjax.step import fitter as fitter
from dipjax.tasks import deblur as deblur
from dipjax.tasks import denoise as denoise
from dipjax.tasks import enhance as enhance
from dipjax.tasks import flash_no_flash as flash_no_flash
from dipjax.tasks import inpaint as inpaint
from dipjax.tasks import noise_impedance as noise_impedance
from dipjax.tasks import reconstruct as reconstruct
from dipjax.tasks import remove_jpeg_artifacts as remove_jpeg_artifacts
from dipjax.tasks import sample as sample
from dipjax.tasks import super_resolve as super_resolve
from dipjax.tiles import tiled as tiled

__version__ = "0.1.0"
