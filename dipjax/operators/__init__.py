"""Forward operators `A`: image -> measurement (see `base`), one kind of measurement a file."""

from dipjax.operators.backprojection import backproject as backproject
from dipjax.operators.backprojection import has_derivative as has_derivative
from dipjax.operators.backprojection import linearized as linearized
from dipjax.operators.base import Adjoint as Adjoint
from dipjax.operators.base import Compose as Compose
from dipjax.operators.base import Identity as Identity
from dipjax.operators.base import Lambda as Lambda
from dipjax.operators.base import Operator as Operator
from dipjax.operators.base import as_operator as as_operator
from dipjax.operators.base import check_adjoint as check_adjoint
from dipjax.operators.blur import Blur as Blur
from dipjax.operators.blur import Border as Border
from dipjax.operators.encoding import Decode as Decode
from dipjax.operators.encoding import Encode as Encode
from dipjax.operators.encoding import in_light as in_light
from dipjax.operators.fourier import Fourier as Fourier
from dipjax.operators.fourier import coil_maps as coil_maps
from dipjax.operators.jpeg import Jpeg as Jpeg
from dipjax.operators.mask import Mask as Mask
from dipjax.operators.radon import Radon as Radon
from dipjax.operators.resample import Downsample as Downsample
from dipjax.operators.resample import Kernel as Kernel
