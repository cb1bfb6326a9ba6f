"""The processor that code is made for: its name, its features, and what they give."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cache

import llvmlite.binding as llvm

from throughtime.errors import ParameterError, known


@dataclass(frozen=True)
class Target:
    """A processor, as LLVM names it.

    ``lanes`` is how many float32 a vector register holds, ``registers`` how many of them there are.
    """

    triple: str
    cpu: str
    features: str

    def has(self, feature: str) -> bool:
        return f"+{feature}" in self.features.split(",")

    @property
    def is_x86(self) -> bool:
        return self.triple.startswith(("x86_64", "amd64"))

    @property
    def lanes(self) -> int:
        if not self.is_x86:
            return 4
        return 16 if self.has("avx512f") else 8 if self.has("avx") or self.has("avx2") else 4

    @property
    def registers(self) -> int:
        return 16 if self.is_x86 and not self.has("avx512f") else 32

    @property
    def fused(self) -> bool:
        """Whether it multiplies and adds in one rounding."""
        return self.has("fma") if self.is_x86 else True

    @property
    def attributes(self) -> str:
        """What every function is marked with: LLVM would halve the vectors of some processors on its own account."""
        bits = 32 * self.lanes
        return f'"prefer-vector-width"="{bits}" "min-legal-vector-width"="{bits}"'

    def __str__(self) -> str:
        return f"{self.cpu}, {32 * self.lanes}-bit vectors{'' if self.fused else ', no fused multiply-add'}"


@cache
def host() -> Target:
    """The machine this runs on, or what ``THROUGHTIME_CPU_NAME`` and ``THROUGHTIME_CPU_FEATURES`` say that it is.

    A name alone leaves out what this machine has besides: LLVM then knows the features from the name, and those
    that decide the size of a vector are looked up here.

    Raises
    ------
    ParameterError
        If there is a name that is not known here, and no features.
    """
    name = os.environ.get("THROUGHTIME_CPU_NAME")
    features = os.environ.get("THROUGHTIME_CPU_FEATURES")
    if features is None and name is None:
        listed = llvm.get_host_cpu_features()
        features = ",".join(f"{'+' if present else '-'}{feature}" for feature, present in sorted(listed.items()))
    elif features is None:
        features = _KNOWN.get(name or "", "")
    elif wrong := [feature for feature in features.split(",") if feature and feature[0] not in "+-"]:
        raise ParameterError(
            f"THROUGHTIME_CPU_FEATURES must be features with a sign, such as +avx2,+fma; {wrong[0]!r} has none"
        )
    found = Target(llvm.get_process_triple(), name or llvm.get_host_cpu_name(), features)
    if found.is_x86 and name and name not in _KNOWN and not features:
        raise ParameterError(
            f"THROUGHTIME_CPU_NAME must be one of {known(_KNOWN)}, or THROUGHTIME_CPU_FEATURES must name its "
            f"features, such as +avx2,+fma; got {name!r}"
        )
    return found


_KNOWN = {
    "x86-64": "",
    "haswell": "+avx,+avx2,+fma",
    "x86-64-v3": "+avx,+avx2,+fma",
    "x86-64-v4": "+avx,+avx2,+fma,+avx512f,+avx512dq,+avx512bw,+avx512vl",
}
