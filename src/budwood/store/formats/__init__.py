"""What files are and where their tensors lie, found by parsing and never by executing.

Start at ``dispatch.py``: a table of readers, one file per format. ``tile`` turns their hints, right or
wrong, into an exact tiling. A hint's shape is how its bytes read in C order; where that is not known
(Fortran order, strided views) the shape is None.
"""

from budwood.store.formats.dispatch import is_claimed, read_format
from budwood.store.formats.onnx import external_hints
from budwood.store.formats.tiling import tile

__all__ = ["external_hints", "is_claimed", "read_format", "tile"]
