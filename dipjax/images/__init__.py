"""Images in memory and pictures on disk."""

from dipjax.images.arrays import LIMIT as LIMIT
from dipjax.images.arrays import WHITE as WHITE
from dipjax.images.arrays import ImageError as ImageError
from dipjax.images.arrays import array as array
from dipjax.images.arrays import busiest as busiest
from dipjax.images.arrays import check as check
from dipjax.images.arrays import local_mean as local_mean
from dipjax.images.arrays import middle as middle
from dipjax.images.arrays import quantised as quantised
from dipjax.images.arrays import repeated as repeated
from dipjax.images.codecs import FORMATS as FORMATS
from dipjax.images.files import Picture as Picture
from dipjax.images.files import check_target as check_target
from dipjax.images.files import load as load
from dipjax.images.files import load_picture as load_picture
from dipjax.images.files import save as save
from dipjax.images.files import write_bytes as write_bytes
from dipjax.images.tags import Tags as Tags
