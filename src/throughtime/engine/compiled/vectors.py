"""Vectors of float32 in a function: one register each."""

from __future__ import annotations

import struct

from throughtime.engine.compiled.llvm import SIZES, Function, Pointer, Value, literal, vector_of
from throughtime.engine.compiled.target import Target


class Vectors:
    """Writes vector instructions into a function, for one target.

    ``lanes`` is the number of float32 in a register.
    """

    def __init__(self, function: Function, target: Target) -> None:
        self.f = function
        self.target = target
        self.lanes = target.lanes
        self.type = vector_of(target.lanes, "float")
        self.integers = vector_of(target.lanes, "i32")

    def constant(self, value: float) -> Value:
        return self.f.constant(self.type, value)

    def splat(self, value: Value) -> Value:
        return self.f.splat(value, self.lanes)

    def load(self, place: Pointer) -> Value:
        return place.load(self.type)

    def fma(self, x: Value, y: Value, z: Value) -> Value:
        """``x * y + z``, rounded once where the target can."""
        if not self.target.fused:
            return x * y + z
        return self.f.intrinsic(f"llvm.fma.v{self.lanes}f32", self.type, x, y, z)

    def bits(self, x: Value) -> Value:
        """The bits of floats as integers."""
        return x.cast("bitcast", self.integers)

    def floats(self, x: Value) -> Value:
        """The floats that these bits are."""
        return x.cast("bitcast", self.type)

    def bits_of(self, number: float) -> int:
        """The bits of one float32 number."""
        return int(struct.unpack("<i", struct.pack("<f", number))[0])

    def mask(self, valid: Value) -> Value:
        """True in the first ``valid`` (i64) lanes."""
        wide = vector_of(self.lanes, "i32")
        numbers = ", ".join(f"i32 {lane}" for lane in range(self.lanes))
        lanes = Value(self.f, wide, f"<{numbers}>")
        return lanes < self.f.splat(valid.cast("trunc", "i32"), self.lanes)

    def load_masked(self, place: Pointer, mask: Value) -> Value:
        """The lanes of the mask, of floats or doubles; 0 elsewhere, where nothing is read."""
        size = SIZES[place.element]
        name = f"llvm.masked.load.v{self.lanes}f{8 * size}.p0"
        type_, masks = vector_of(self.lanes, place.element), vector_of(self.lanes, "i1")
        self.f.module.declare(name, type_, ["ptr", "i32", masks, type_])
        zero = literal(type_, 0.0)
        return self.f.emit(
            type_, f"call {type_} @{name}(ptr {place.text}, i32 {size}, {masks} {mask.text}, {type_} {zero})"
        )

    def store_masked(self, place: Pointer, value: Value, mask: Value) -> None:
        """Writes the lanes of the mask and nothing else."""
        name = f"llvm.masked.store.v{self.lanes}f32.p0"
        masks = vector_of(self.lanes, "i1")
        self.f.module.declare(name, "void", [self.type, "ptr", "i32", masks])
        self.f.line(f"call void @{name}({self.type} {value.text}, ptr {place.text}, i32 4, {masks} {mask.text})")

    def sum(self, value: Value) -> Value:
        """The sum of all lanes, always in the same order: halves onto halves."""
        lanes = self.lanes
        while lanes > 1:
            lanes //= 2
            low = self.f.shuffle(value, value, range(lanes))
            high = self.f.shuffle(value, value, range(lanes, 2 * lanes))
            value = low + high
        return value.lane(0)
