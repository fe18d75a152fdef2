"""Named random streams, so that nothing a cell draws depends on what was drawn before."""

import hashlib


def stream_seed(seed: int, architecture: str, *stream: str | int) -> int:
    """A 63-bit seed for one stream of one cell: initial weights, batch order, dropout.

    It depends on the named seed and the architecture alone, so that two cells which differ in
    view, dataset or split draw the same numbers and differ in pixels alone.
    """
    name = "/".join(map(str, (seed, architecture, *stream)))
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8]) >> 1
