"""What a rounded number can have been: a fraction k / n, a harmonic mean."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from math import inf
from typing import Literal

from nullcrop.basics.errors import NullcropError


@dataclass(frozen=True)
class Rounded:
    """A share between 0 and 1 as printed: ``units`` of the last of ``decimals`` decimal places.

    Whole numbers, because in floating point whether a fraction rounds to a printed number is
    undecided where it matters.
    """

    units: int
    decimals: int

    @classmethod
    def parse(cls, text: str, decimals: int | None = None) -> "Rounded":
        """Read ``text`` such as 0.8021 (or 1., printed with more places: name them in ``decimals``)."""
        whole, _, rest = text.partition(".")
        places = len(rest) if decimals is None else decimals
        if not (whole + rest).isdecimal() or len(rest) > places:
            raise NullcropError(f"'{text}' is not a share such as 0.8021")
        read = cls(int(whole + rest.ljust(places, "0")), places)
        if read.units > read.scale:
            raise NullcropError(f"'{text}' is not a share: it is above 1")
        return read

    @property
    def scale(self) -> int:
        """Units in the whole."""
        return int(10**self.decimals)

    @property
    def value(self) -> float:
        """The printed number."""
        return self.units / self.scale

    @property
    def range(self) -> tuple[float, float]:
        """Least and greatest share that rounds to the printed number."""
        return max(0.0, (self.units - 0.5) / self.scale), min(1.0, (self.units + 0.5) / self.scale)

    @property
    def percent(self) -> str:
        """The printed number in percent, with as many places as were printed."""
        return f"{100 * self.value:.{max(self.decimals - 2, 0)}f} %"

    def numerator(self, n: int) -> int | None:
        """The k (nearest, where there are several) for which k / ``n`` rounds to this number, or None.

        A half may have been rounded either way.
        """
        k = (2 * self.units * n + self.scale) // (2 * self.scale)
        return k if 0 <= k <= n and 2 * abs(k * self.scale - self.units * n) <= n else None

    def numerators(self, n: int) -> Sequence[int]:
        """Every k for which k / ``n`` rounds to this number; a half may have been rounded either way."""
        least = -((n - 2 * self.units * n) // (2 * self.scale))
        most = (2 * self.units * n + n) // (2 * self.scale)
        return range(max(0, least), min(n, most) + 1)


def parse_column(texts: Sequence[str]) -> list[Rounded]:
    """Read a column printed with one number of decimal places: the most that any of its numbers shows."""
    places = max((len(text.partition(".")[2]) for text in texts), default=0)
    return [Rounded.parse(text, places) for text in texts]


def multiples(printed: Sequence[Rounded], n: int) -> int:
    """How many of the numbers are k / ``n`` within their rounding."""
    return sum(number.numerator(n) is not None for number in printed)


def tells_size(printed: Sequence[Rounded], n: int) -> bool:
    """Whether the numbers can tell n: at least one place in two between 0 and 1 is no k / ``n``."""
    return bool(printed) and min(number.scale for number in printed) >= 2 * n


def sizes_that_fit(printed: Sequence[Rounded], limit: int) -> list[int]:
    """Every n up to ``limit`` of which all numbers are k / n, as far as their rounding can tell n."""
    largest = min([limit, *(number.scale // 2 for number in printed)])
    return [
        n
        for n in range(1, largest + 1)
        if printed and all(number.numerator(n) is not None for number in printed)
    ]


def harmonic_mean(a: float, b: float) -> float:
    """Harmonic mean of two shares; 0 where one of them is."""
    return 2 * a * b / (a + b) if a and b else 0.0


def beside_harmonic_mean(c: Rounded, a: Rounded, b: Rounded) -> Literal["below", "within", "above"]:
    """Where ``c`` lies beside the harmonic means of all pairs that round to ``a`` and ``b``."""
    low, high = (harmonic_mean(x, y) for x, y in zip(a.range, b.range, strict=True))
    tiny = 1e-12
    if c.range[1] < low - tiny:
        return "below"
    return "above" if c.range[0] > high + tiny else "within"


def prevalence_range(accuracy: Rounded, recall: Rounded, precision: Rounded) -> tuple[float, float]:
    """Least and greatest share of positives for which the three numbers belong to one confusion matrix.

    From errors = misses + false alarms: 1 - accuracy = p (1 - recall) + p recall (1 / precision - 1).
    The right side is monotone in each of the two, so its extremes lie at the corners.
    """
    errors = [1 - bound for bound in accuracy.range]
    weights = [
        1 - r + r * (1 / q - 1) if q else (inf if r else 1.0)
        for r, q in product(recall.range, precision.range)
    ]
    shares = [e / w if w > 0 else inf for e, w in product(errors, weights)]
    return min(shares), max(shares)


def percent(k: int, n: int, decimals: int = 4) -> str:
    """``k`` of ``n`` as a percentage, with as many digits as a share of ``decimals`` decimals has."""
    return f"{100 * k / n:.{max(decimals - 2, 0)}f} %"
