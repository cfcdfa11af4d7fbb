"""What others do on the same picture: classical methods, and a trained network."""

from dipjax.baselines import srresnet as srresnet
from dipjax.baselines.classical import DENOISERS as DENOISERS
from dipjax.baselines.classical import Missing as Missing
from dipjax.baselines.classical import bicubic as bicubic
from dipjax.baselines.classical import bm3d as bm3d
from dipjax.baselines.classical import chambolle as chambolle
from dipjax.baselines.classical import filtered_back_projection as filtered_back_projection
from dipjax.baselines.classical import non_local_means as non_local_means
from dipjax.baselines.classical import total_variation as total_variation
from dipjax.baselines.srresnet import SRResNet as SRResNet
from dipjax.polish.nonlocal_bayes import nonlocal_bayes as nonlocal_bayes
