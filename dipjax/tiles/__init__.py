"""Tiles: any task on a picture that is too large to fit at once."""

from dipjax.tiles.tiling import Progress as Progress
from dipjax.tiles.tiling import factor_of as factor_of
from dipjax.tiles.tiling import iterate as iterate
from dipjax.tiles.tiling import tiled as tiled
