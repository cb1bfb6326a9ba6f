"""From LLVM assembly to code that runs, kept on disk between processes.

The key of a stored piece of machine code is the assembly that it was made from, the processor, and the compiler with
its options: what the code computes is all in its key, so that an edited helper, a constant, or a cell of the same name
cannot be mistaken for another. A file is written beside its place and moved there, and carries a checksum; where the
directory cannot be written, code is compiled anew in each process.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import sys
import tempfile
import time
from pathlib import Path
from threading import Lock

import llvmlite
import llvmlite.binding as llvm

from throughtime.disk import cache_directory
from throughtime.engine.compiled.target import Target, host

OPTIONS = {"speed_level": 2, "loop_vectorization": False, "slp_vectorization": False}
"""Vectors are written by hand."""
MACHINE = {"opt": 2, "reloc": "default", "codemodel": "jitdefault"}

_lock = Lock()
_loaded: dict[str, Code] = {}
seconds = 0.0
"""How long this process has compiled so far."""


class Code:
    """Compiled functions, by name."""

    def __init__(self, machine_code: bytes, target: Target) -> None:
        self._engine = llvm.create_mcjit_compiler(_parsed("", target), _machine(target))
        self._engine.add_object_file(llvm.ObjectFileRef.from_data(machine_code))
        self._engine.finalize_object()

    def address(self, name: str) -> int:
        """Where the function starts."""
        address = self._engine.get_function_address(name)
        if not address:
            raise KeyError(name)
        return int(address)


def load(text: str, what: str) -> Code:
    """The code of this assembly: from memory, from disk, or compiled now, which is said on stderr.

    Parameters
    ----------
    text : str
        LLVM assembly.
    what : str
        What it is, for the line that tells of a compilation: "the cell lstm".
    """
    global seconds
    target = host()
    versions = (llvmlite.__version__, llvm.llvm_version_info)
    parts = (text, target.triple, target.cpu, target.features, versions, OPTIONS, MACHINE)
    key = hashlib.sha256("\n".join(map(str, parts)).encode()).hexdigest()
    with _lock:
        if key not in _loaded:
            place = cache_directory() / f"{key[:40]}.o"
            machine_code = _read(place)
            if machine_code is None:
                began = time.perf_counter()
                machine_code = _compile(text, target)
                took = time.perf_counter() - began
                seconds += took
                kept = _write(place, machine_code)
                where = f"kept in {place.parent}" if kept else f"not kept: {place.parent} cannot be written"
                sys.stderr.write(f"throughtime: compiled {what} in {took:.1f} s ({where})\n")
            _loaded[key] = Code(machine_code, target)
        return _loaded[key]


def _parsed(text: str, target: Target) -> llvm.ModuleRef:
    module = llvm.parse_assembly(text)
    module.triple = target.triple
    return module


def _machine(target: Target) -> llvm.TargetMachine:
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    return llvm.Target.from_triple(target.triple).create_target_machine(
        cpu=target.cpu, features=target.features, **MACHINE
    )


def _compile(text: str, target: Target) -> bytes:
    module = _parsed(text, target)
    module.verify()
    machine = _machine(target)
    options = llvm.create_pipeline_tuning_options()
    for name, value in OPTIONS.items():
        setattr(options, name, value)
    builder = llvm.create_pass_builder(machine, options)
    builder.getModulePassManager().run(module, builder)
    return bytes(machine.emit_object(module))


def _read(place: Path) -> bytes | None:
    """The stored code, or None where there is none or it is damaged."""
    try:
        data = place.read_bytes()
    except OSError:
        return None
    checksum, machine_code = data[:32], data[32:]
    return machine_code if hashlib.sha256(machine_code).digest() == checksum else None


def _write(place: Path, machine_code: bytes) -> bool:
    """Stores the code for other processes; whether that could be done."""
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=place.parent)
    except OSError:
        return False
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(hashlib.sha256(machine_code).digest() + machine_code)
        Path(name).replace(place)
    except OSError:
        with contextlib.suppress(OSError):
            Path(name).unlink()
        return False
    return True


if hasattr(os, "register_at_fork"):  # what another thread compiles is waited for: llvmlite has locks of its own
    os.register_at_fork(before=_lock.acquire, after_in_parent=_lock.release, after_in_child=_lock.release)
