"""What is shown of a record: times, ratios, and how near the machine's limit we are."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Any

from throughtime.benchmark.peers import US

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table


@dataclass(frozen=True)
class Best:
    """A peer at its best: the settings and the number of threads whose median is the least. In milliseconds."""

    entry: str
    threads: int
    middle: float
    low: float
    high: float

    @property
    def settings(self) -> str:
        """What was set, in words."""
        return ", ".join(filter(None, (f"{self.threads} thread{'s' if self.threads > 1 else ''}", self.entry)))

    @property
    def spread(self) -> str:
        """The shortest and the longest round."""
        return f"{digits(self.low)} to {digits(self.high)}"


def best(times: Sequence[Mapping[str, Any]], peer: str) -> Best | None:
    """The best of a peer; None if it did not take part."""
    own = [found for found in times if found["peer"] == peer]
    if not own:
        return None
    found = min(own, key=lambda one: median(one["milliseconds"]))
    figures = found["milliseconds"]
    return Best(found["entry"], found["threads"], median(figures), min(figures), max(figures))


@dataclass(frozen=True)
class Line:
    """We beside one peer."""

    name: str
    ours: Best
    gigaflops: float
    """Billions of multiplications and additions a second that are needed."""
    share: float
    """Of the limit of all cores."""
    peer: str | None
    theirs: Best | None
    why: str | None
    """Why the peer took no part."""

    @property
    def ratio(self) -> float | None:
        """How many times as long the peer takes."""
        return None if self.theirs is None else self.theirs.middle / self.ours.middle

    @property
    def close(self) -> bool:
        """Whether the rounds of both overlap, so that another bench may say the opposite."""
        theirs = self.theirs
        return theirs is not None and self.ours.low <= theirs.high and theirs.low <= self.ours.high


def lines(record: Mapping[str, Any]) -> list[Line]:
    """A line for each row and peer that has such a job."""
    found = []
    for row in record["rows"]:
        ours = best(row["times"], US)
        assert ours is not None
        gigaflops = 2e-6 * row["multiplications"] / ours.middle
        share = gigaflops / record["limits"]["fma_all_cores"]
        for peer in [name for name in row["peers"] if name != US] or [None]:
            theirs = None if peer is None else best(row["times"], peer)
            why = record["missing"].get(peer)
            found.append(Line(row["name"], ours, gigaflops, share, peer, theirs, why))
    return found


def digits(figure: float) -> str:
    """Three digits."""
    return f"{figure:.{max(0, 2 - math.floor(math.log10(figure)))}f}" if figure > 0 else "0"


def rounded_down(ratio: float) -> str:
    """Two decimals, never more than the ratio is; so nothing below 1 is shown as 1."""
    return f"{math.floor(100 * ratio) / 100:.2f}"


def verdict(found: Sequence[Line]) -> str:
    """Losses beside wins, in words."""
    compared = [line for line in found if line.ratio is not None]
    if not compared:
        return "No peer took part."
    behind = [line for line in compared if line.ratio is not None and line.ratio < 1]
    close = sum(line.close for line in compared)
    said = f"Ahead in {len(compared) - len(behind)} of {len(compared)} comparisons"
    if close:
        said += f" ({close} of all, marked ~, are too close to call: the rounds overlap)"
    if not behind:
        return f"{said}; behind in none."
    listed = "\n".join(f"  {line.name}: {line.peer} {rounded_down(line.ratio or 0)}x" for line in behind)
    return f"{said}; behind in {len(behind)}:\n{listed}"


def show(record: Mapping[str, Any], console: Console) -> None:
    """Prints the record: the machine, the table, and losses beside wins."""
    found = lines(record)
    table = _table(found)
    for text in _head(record):
        console.print(text, soft_wrap=True)
    console.width = max(console.width, console.measure(table, options=console.options.update(width=1000)).maximum)
    console.print("", table, "", sep="\n")
    console.print(
        f"Milliseconds a step or symbol, medians of {record['rounds']} rounds. "
        "Ratio: how many times as long the peer takes.",
        soft_wrap=True,
    )
    console.print(verdict(found), soft_wrap=True)


def _head(record: Mapping[str, Any]) -> list[str]:
    limits = record["limits"]
    first = [
        f"first step of {cell}: {seconds['nothing_cached']:.1f} s when it has to be compiled, "
        f"{seconds['cached']:.1f} s later"
        for cell, seconds in record["compile_seconds"].items()
    ]
    return [
        f"{record['cpu']}, {record['cores']} cores ({record['target']})",
        ", ".join(f"{name} {version}" for name, version in record["versions"].items()),
        f"limits: {limits['fma_one_core']:.0f} GFLOP/s on one core, {limits['fma_all_cores']:.0f} on all; "
        f"memory {limits['read_one_core']:.0f} GB/s on one core, {limits['read_all_cores']:.0f} on all",
        *first,
    ]


def _table(found: Sequence[Line]) -> Table:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("", US, "spread", "GFLOP/s", "of limit", "", "peer", "spread", "ratio"):
        table.add_column(heading, justify="right" if heading else "left", no_wrap=True)
    before = ""
    for line in found:
        ours = [""] * 5 if line.name == before else _ours(line)
        table.add_row(*ours, *_theirs(line))
        before = line.name
    return table


def _ours(line: Line) -> list[str]:
    ours = line.ours
    return [line.name, digits(ours.middle), ours.spread, digits(line.gigaflops), f"{100 * line.share:.1f} %"]


def _theirs(line: Line) -> list[str]:
    if line.peer is None:
        return ["no peer has it", "", "", ""]
    if line.theirs is None or line.ratio is None:
        return [f"{line.peer}: {line.why or 'took no part'}", "", "", ""]
    ratio = f"{'~' if line.close else ''}{rounded_down(line.ratio)}x"
    return [f"{line.peer}, {line.theirs.settings}", digits(line.theirs.middle), line.theirs.spread, ratio]
