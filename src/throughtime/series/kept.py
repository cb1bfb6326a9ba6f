"""Series whose arrays lie in few large ones, which may be files: they are objects only while they are looked at."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from throughtime.engine.protocol import Array
from throughtime.series.features import Prepared, Reference, Scale
from throughtime.series.panel import Series
from throughtime.tables.made import Made
from throughtime.tables.pieces import Pieces
from throughtime.tables.spill import Spill


class KeptSeries(Made[Series]):
    """Series of the same columns; all have times or none, and rows of a table or none.

    Parameters
    ----------
    series : iterable of Series
        Of which copies are kept.
    spill : Spill
        Where they are kept.
    """

    def __init__(self, series: Iterable[Series], spill: Spill) -> None:
        self._named: list[tuple[Any, tuple[Any, ...]]] = []
        self._arrays = {name: Pieces(spill) for name in ("target", "past", "future", "time", "rows")}
        for one in series:
            self._named.append((one.name, one.static))
            for name, pieces in self._arrays.items():
                found = getattr(one, name)
                if found is not None:
                    pieces.add(found)
        self._made = [name for name, pieces in self._arrays.items() if len(pieces)]

    def made(self, number: int) -> Series:
        name, static = self._named[number]
        return Series(name, static=static, **{array: self._arrays[array].made(number) for array in self._made})

    def __len__(self) -> int:
        return len(self._named)


@dataclass(frozen=True)
class ColumnsOfAll(Made[Array]):
    """One kind of columns of series, at the steps that they have: an array of each.

    Parameters
    ----------
    series : sequence of Series
    kind : {"target", "past", "future"}
    """

    series: Sequence[Series]
    kind: str

    def made(self, number: int) -> Array:
        one = self.series[number]
        found: Array = getattr(one, self.kind)
        return found[: len(one)]

    def __len__(self) -> int:
        return len(self.series)


class KeptPrepared(Made[Prepared]):
    """Prepared series.

    Parameters
    ----------
    prepared : iterable of Prepared
        Of which copies are kept.
    scales : sequence of Scale
        Theirs.
    spill : Spill
        Where they are kept.
    """

    def __init__(self, prepared: Iterable[Prepared], scales: Sequence[Scale], spill: Spill) -> None:
        self._scales = scales
        self._now, self._future, self._y, self._level, self._phase = (Pieces(spill) for _ in range(5))
        for one in prepared:
            self._season, self._leads = one.reference.season, one.leads
            self._now.add(one.now)
            self._future.add(one.future)
            self._y.add(one.y)
            for pieces, found in ((self._level, one.reference.level), (self._phase, one.reference.phase)):
                if found is not None:
                    pieces.add(found)

    def made(self, number: int) -> Prepared:
        level, phase = (pieces.made(number) if len(pieces) else None for pieces in (self._level, self._phase))
        return Prepared(
            self._now.made(number),
            self._future.made(number),
            self._y.made(number),
            Reference(self._season, level, phase),
            self._scales[number],
            self._leads,
        )

    def __len__(self) -> int:
        return len(self._scales)
