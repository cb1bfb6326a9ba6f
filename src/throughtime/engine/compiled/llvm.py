"""LLVM assembly written from Python: values with operators, loops as ``with`` blocks.

This is the only file that knows LLVM's syntax. A kernel is a Python function that writes its instructions down once;
what Python computes while it does so (sizes of tiles, lists of gates) is fixed in the code, what is a :class:`Value` is
computed when the code runs. No instruction carries a fast-math flag, so that every result is rounded as it is written.

>>> module = Module()
>>> f = Function(module, "twice", [("i64", "n")], returns="i64")
>>> f.give(f.arguments[0] * 2)
>>> print(module.text)
define i64 @twice(i64 %n) #0 {
entry:
  %v0 = mul i64 %n, 2
  ret i64 %v0
}
<BLANKLINE>
attributes #0 = { nounwind }
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

Number = int | float

FLOAT_BOUND = 2.0**128 - 2.0**103
"""From here on a number is rounded to infinity in float32."""

SIZES = {"i8": 1, "i32": 4, "i64": 8, "float": 4, "double": 8, "ptr": 8}


def vector_of(lanes: int, element: str) -> str:
    """The type of a vector, such as ``<16 x float>``."""
    return f"<{lanes} x {element}>"


def element_of(type_: str) -> str:
    """The type of a vector's elements; a scalar's own type."""
    return type_[1:-1].split(" x ")[1] if type_.startswith("<") else type_


def lanes_of(type_: str) -> int:
    """How many elements a vector has; 0 for a scalar."""
    return int(type_[1:].split(" x ")[0]) if type_.startswith("<") else 0


def literal(type_: str, value: Number | bool) -> str:
    """A constant; for a vector type, the same in all lanes."""
    element, lanes = element_of(type_), lanes_of(type_)
    if element in ("float", "double"):
        if element == "float":
            value = _nearest_float(float(value))
        text = f"0x{struct.unpack('<Q', struct.pack('<d', float(value)))[0]:016X}"  # exact, as LLVM wants it
    elif element == "i1":
        text = "true" if value else "false"
    else:
        text = str(int(value))
    if lanes:
        return f"<{', '.join([f'{element} {text}'] * lanes)}>"
    return text


def _nearest_float(value: float) -> float:
    """The float32 that is nearest, which may be infinite."""
    if abs(value) >= FLOAT_BOUND:
        return math.copysign(math.inf, value)
    return float(struct.unpack("f", struct.pack("f", value))[0])


class Module:
    """A collection of functions that are compiled together."""

    def __init__(self, attributes: str = "") -> None:
        self.attributes = f"nounwind {attributes}".strip()
        self.functions: list[Function] = []
        self.declared: dict[str, str] = {}

    def declare(self, name: str, returns: str, arguments: Sequence[str], attributes: str = "") -> None:
        """Makes a function of LLVM's or of the C library known."""
        self.declared[name] = f"declare {returns} @{name}({', '.join(arguments)}) {attributes}".rstrip()

    @property
    def text(self) -> str:
        """The module as LLVM assembly."""
        parts = [*self.declared.values()] if self.declared else []
        parts += [function.text for function in self.functions]
        return "\n".join([*parts, f"attributes #0 = {{ {self.attributes} }}"])


class Value:
    """Something that is known only when the code runs. Numbers in an expression with it take its type."""

    __hash__ = None  # type: ignore[assignment]
    __slots__ = ("function", "text", "type")

    def __init__(self, function: Function, type_: str, text: str) -> None:
        self.function = function
        self.type = type_
        self.text = text

    @property
    def is_float(self) -> bool:
        return element_of(self.type) in ("float", "double")

    def __add__(self, other: Any) -> Value:
        return self.function.binary("fadd" if self.is_float else "add", self, other)

    def __radd__(self, other: Any) -> Value:
        return self.function.binary("fadd" if self.is_float else "add", other, self)

    def __sub__(self, other: Any) -> Value:
        return self.function.binary("fsub" if self.is_float else "sub", self, other)

    def __rsub__(self, other: Any) -> Value:
        return self.function.binary("fsub" if self.is_float else "sub", other, self)

    def __mul__(self, other: Any) -> Value:
        return self.function.binary("fmul" if self.is_float else "mul", self, other)

    def __rmul__(self, other: Any) -> Value:
        return self.function.binary("fmul" if self.is_float else "mul", other, self)

    def __truediv__(self, other: Any) -> Value:
        return self.function.binary("fdiv", self, other)

    def __rtruediv__(self, other: Any) -> Value:
        return self.function.binary("fdiv", other, self)

    def __floordiv__(self, other: Any) -> Value:
        return self.function.binary("sdiv", self, other)  # indices are not negative: towards zero is down

    def __mod__(self, other: Any) -> Value:
        return self.function.binary("srem", self, other)

    def __and__(self, other: Any) -> Value:
        return self.function.binary("and", self, other)

    def __or__(self, other: Any) -> Value:
        return self.function.binary("or", self, other)

    def __xor__(self, other: Any) -> Value:
        return self.function.binary("xor", self, other)

    def __lshift__(self, other: Any) -> Value:
        return self.function.binary("shl", self, other)

    def __rshift__(self, other: Any) -> Value:
        return self.function.binary("lshr", self, other)

    def __invert__(self) -> Value:
        return self.function.binary("xor", self, True)

    def __neg__(self) -> Value:
        return self.function.emit(self.type, f"fneg {self.type} {self.text}") if self.is_float else 0 - self

    def __lt__(self, other: Any) -> Value:
        return self.function.compare("olt", "slt", self, other)

    def __le__(self, other: Any) -> Value:
        return self.function.compare("ole", "sle", self, other)

    def __gt__(self, other: Any) -> Value:
        return self.function.compare("ogt", "sgt", self, other)

    def __ge__(self, other: Any) -> Value:
        return self.function.compare("oge", "sge", self, other)

    def __eq__(self, other: Any) -> Value:  # type: ignore[override]
        return self.function.compare("oeq", "eq", self, other)

    def __ne__(self, other: Any) -> Value:  # type: ignore[override]
        return self.function.compare("une", "ne", self, other)  # NaN != NaN holds

    def __bool__(self) -> bool:
        raise TypeError("a value is not known yet; use `with f.when(condition)` or f.select")

    def cast(self, how: str, type_: str) -> Value:
        """``sitofp``, ``fptosi``, ``fpext``, ``fptrunc``, ``zext``, ``trunc`` or ``bitcast``."""
        return self.function.emit(type_, f"{how} {self.type} {self.text} to {type_}")

    def lane(self, number: int) -> Value:
        """One element of a vector."""
        return self.function.emit(element_of(self.type), f"extractelement {self.type} {self.text}, i32 {number}")


class Pointer(Value):
    """An address of elements of one type; ``p + n`` is n elements further."""

    __slots__ = ("element",)

    def __init__(self, function: Function, text: str, element: str = "float") -> None:
        super().__init__(function, "ptr", text)
        self.element = element

    def __add__(self, offset: Any) -> Pointer:
        if isinstance(offset, int) and offset == 0:
            return self
        index = self.function.operand("i64", offset)
        return Pointer(
            self.function,
            self.function.emit("ptr", f"getelementptr {self.element}, ptr {self.text}, i64 {index}").text,
            self.element,
        )

    def to(self, element: str) -> Pointer:
        """The same address, of elements of another type."""
        return Pointer(self.function, self.text, element)

    def load(self, type_: str | None = None) -> Value:
        """The element, or a value of another type (such as a vector) that starts here."""
        type_ = type_ or self.element
        return self.function.emit(type_, f"load {type_}, ptr {self.text}, align {SIZES[element_of(type_)]}")

    def pointer(self, element: str = "float") -> Pointer:
        """The address that is stored here."""
        return Pointer(self.function, self.load("ptr").text, element)

    def store(self, value: Value) -> None:
        """Writes the value, a vector or an element."""
        align = SIZES[element_of(value.type)]
        self.function.line(f"store {value.type} {value.text}, ptr {self.text}, align {align}")

    def prefetch(self, *, near: bool = True) -> None:
        """Asks for what is here, into the first cache or a farther one; an address that is nobody's does no harm."""
        self.function.module.declare("llvm.prefetch.p0", "void", ["ptr", "i32", "i32", "i32"])
        self.function.line(f"call void @llvm.prefetch.p0(ptr {self.text}, i32 0, i32 {3 if near else 2}, i32 1)")

    def load_atomic(self) -> Value:
        """The element, and with it all that was written before it was."""
        return self.function.emit(self.element, f"load atomic {self.element}, ptr {self.text} acquire, align 8")

    def add_atomic(self, value: Number) -> Value:
        """Adds to the element, whoever else does; what it was before."""
        text = self.function.operand(self.element, value)
        return self.function.emit(self.element, f"atomicrmw add ptr {self.text}, {self.element} {text} acq_rel")


class Variable:
    """A local variable: it may change in a loop or a branch."""

    def __init__(self, function: Function, start: Value) -> None:
        self.function = function
        self.type = start.type
        self.place = function.fresh()
        function.entry.append(f"{self.place} = alloca {self.type}")
        self.set(start)

    def get(self) -> Value:
        return self.function.emit(self.type, f"load {self.type}, ptr {self.place}")

    def set(self, value: Any) -> None:
        text = self.function.operand(self.type, value)
        self.function.line(f"store {self.type} {text}, ptr {self.place}")


class Function:
    """Writes one function down, instruction after instruction.

    Parameters
    ----------
    module : Module
        Where it belongs.
    name : str
    arguments : sequence of (type, name)
    returns : str
    internal : bool
        Not called from outside the module.
    inline : bool
        False forbids the compiler to copy it into its callers.
    """

    def __init__(
        self,
        module: Module,
        name: str,
        arguments: Sequence[tuple[str, str]],
        returns: str = "void",
        *,
        internal: bool = False,
        inline: bool = True,
    ) -> None:
        self.module = module
        self.name = name
        self.returns = returns
        self.signature = ", ".join(f"{type_} %{argument}" for type_, argument in arguments)
        self.head = f"define {'internal ' if internal else ''}{returns} @{name}({self.signature})"
        self.tail = "#0" if inline else "noinline #0"
        self.entry: list[str] = []
        self.lines: list[str] = []
        self.count = 0
        self.labels = 0
        self.arguments: list[Any] = [
            Pointer(self, f"%{argument}") if type_ == "ptr" else Value(self, type_, f"%{argument}")
            for type_, argument in arguments
        ]
        module.functions.append(self)

    @property
    def text(self) -> str:
        body = [f"  {line}" for line in self.entry] + self.lines
        return "\n".join([f"{self.head} {self.tail} {{", "entry:", *body, "}", ""])

    # ------------------------------------------------------------------ instructions

    def fresh(self) -> str:
        self.count += 1
        return f"%v{self.count - 1}"

    def line(self, text: str) -> None:
        self.lines.append(f"  {text}")

    def emit(self, type_: str, text: str) -> Value:
        """An instruction with a result."""
        name = self.fresh()
        self.lines.append(f"  {name} = {text}")
        return Value(self, type_, name)

    def operand(self, type_: str, value: Any) -> str:
        if isinstance(value, Value):
            if value.type != type_:
                raise TypeError(f"expected {type_}, got {value.type}")
            return value.text
        return literal(type_, value)

    def constant(self, type_: str, value: Number | bool) -> Value:
        return Value(self, type_, literal(type_, value))

    def binary(self, operation: str, x: Any, y: Any) -> Value:
        type_ = x.type if isinstance(x, Value) else y.type
        return self.emit(type_, f"{operation} {type_} {self.operand(type_, x)}, {self.operand(type_, y)}")

    def compare(self, for_floats: str, for_integers: str, x: Any, y: Any) -> Value:
        type_ = x.type if isinstance(x, Value) else y.type
        how = f"fcmp {for_floats}" if element_of(type_) in ("float", "double") else f"icmp {for_integers}"
        result = vector_of(lanes_of(type_), "i1") if lanes_of(type_) else "i1"
        return self.emit(result, f"{how} {type_} {self.operand(type_, x)}, {self.operand(type_, y)}")

    def select(self, condition: Value, x: Any, y: Any) -> Value:
        """``x`` where the condition holds, else ``y``."""
        type_ = x.type if isinstance(x, Value) else y.type
        return self.emit(
            type_,
            f"select {condition.type} {condition.text}, {type_} {self.operand(type_, x)}, "
            f"{type_} {self.operand(type_, y)}",
        )

    def select_pointer(self, condition: Value, x: Pointer, y: Pointer) -> Pointer:
        return Pointer(self, self.select(condition, x, y).text, x.element)

    def minimum(self, x: Any, y: Any) -> Value:
        """The smaller of two integers."""
        return self.select(x < y if isinstance(x, Value) else y > x, x, y)

    def intrinsic(self, name: str, type_: str, *values: Value, attributes: str = "nounwind memory(none)") -> Value:
        """A function of LLVM's on values of one type."""
        self.module.declare(name, type_, [value.type for value in values], attributes)
        return self.emit(type_, f"call {type_} @{name}({', '.join(f'{v.type} {v.text}' for v in values)})")

    def call(self, callee: Function | str, *values: Value, returns: str = "void") -> Value | None:
        """Calls a function of this module, or one that was declared."""
        name = callee.name if isinstance(callee, Function) else callee
        returns = callee.returns if isinstance(callee, Function) else returns
        text = f"call {returns} @{name}({', '.join(f'{v.type} {v.text}' for v in values)})"
        if returns == "void":
            self.line(text)
            return None
        return self.emit(returns, text)

    def call_pointer(self, callee: Pointer, *values: Value) -> None:
        """Calls the function whose address this is."""
        self.line(f"call void {callee.text}({', '.join(f'{v.type} {v.text}' for v in values)})")

    def splat(self, value: Value, lanes: int) -> Value:
        """A vector that has the value in every lane."""
        type_ = vector_of(lanes, value.type)
        first = self.emit(type_, f"insertelement {type_} poison, {value.type} {value.text}, i32 0")
        zeros = vector_of(lanes, "i32")
        return self.emit(type_, f"shufflevector {type_} {first.text}, {type_} poison, {zeros} zeroinitializer")

    def shuffle(self, x: Value, y: Value, lanes: Sequence[int]) -> Value:
        """The lanes of ``x`` and ``y`` (numbered on) that are listed."""
        places = ", ".join(f"i32 {lane}" for lane in lanes)
        return self.emit(
            vector_of(len(lanes), element_of(x.type)),
            f"shufflevector {x.type} {x.text}, {y.type} {y.text}, {vector_of(len(lanes), 'i32')} <{places}>",
        )

    def room(self, element: str, count: int, align: int = 64) -> Pointer:
        """Local memory for ``count`` elements."""
        name = self.fresh()
        self.entry.append(f"{name} = alloca [{count} x {element}], align {align}")
        return Pointer(self, name, element)

    def variable(self, start: Any, type_: str = "i64") -> Variable:
        return Variable(self, start if isinstance(start, Value) else self.constant(type_, start))

    # ------------------------------------------------------------------ control

    def label(self) -> str:
        self.labels += 1
        return f"l{self.labels - 1}"

    def place(self, label: str) -> None:
        self.lines.append(f"{label}:")

    def go(self, label: str) -> None:
        self.line(f"br label %{label}")

    def branch(self, condition: Value, yes: str, no: str) -> None:
        self.line(f"br i1 {condition.text}, label %{yes}, label %{no}")

    def give(self, value: Value | None = None) -> None:
        """Returns from the function."""
        self.line("ret void" if value is None else f"ret {value.type} {value.text}")

    @contextmanager
    def loop(self, start: Any, stop: Any, step: Any = 1) -> Iterator[Value]:
        """``for i in range(start, stop, step)`` with a step above 0."""
        counter = self.variable(start)
        head, body, end = self.label(), self.label(), self.label()
        self.go(head)
        self.place(head)
        i = counter.get()
        self.branch(i < stop, body, end)
        self.place(body)
        yield i
        counter.set(i + step)
        self.go(head)
        self.place(end)

    @contextmanager
    def loop_while(self, condition: Callable[[], Value]) -> Iterator[None]:
        head, body, end = self.label(), self.label(), self.label()
        self.go(head)
        self.place(head)
        self.branch(condition(), body, end)
        self.place(body)
        yield
        self.go(head)
        self.place(end)

    @contextmanager
    def when(self, condition: Value) -> Iterator[None]:
        body, end = self.label(), self.label()
        self.branch(condition, body, end)
        self.place(body)
        yield
        self.go(end)
        self.place(end)

    def either(self, condition: Value, yes: Callable[[], None], no: Callable[[], None]) -> None:
        """``yes()`` is written where the condition holds, ``no()`` where not."""
        first, second, end = self.label(), self.label(), self.label()
        self.branch(condition, first, second)
        self.place(first)
        yes()
        self.go(end)
        self.place(second)
        no()
        self.go(end)
        self.place(end)

    def switch(self, value: Value, cases: Sequence[int], body: Callable[[int], None]) -> None:
        """Writes ``body(case)`` for every case; any other value does nothing."""
        labels = {case: self.label() for case in cases}
        end = self.label()
        listed = " ".join(f"{value.type} {case}, label %{label}" for case, label in labels.items())
        self.line(f"switch {value.type} {value.text}, label %{end} [ {listed} ]")
        for case, label in labels.items():
            self.place(label)
            body(case)
            self.go(end)
        self.place(end)
