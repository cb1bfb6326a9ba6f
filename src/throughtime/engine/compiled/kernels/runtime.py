"""What runs kernels: a list of them in order, on several threads that wait for one another between two of them.

A *pool* is a piece of memory that its threads share, 8 bytes a field. A thread that has nothing to do looks a few
thousand times whether there is work, then sleeps until it is woken: nothing spins in a pool without work. At a barrier
it looks as often, then offers its core to others between two looks: one that waits there may have lost it.
"""

from __future__ import annotations

from collections.abc import Callable

from throughtime.engine.compiled.llvm import Function, Module, Pointer, Value
from throughtime.engine.compiled.target import Target

POOL = {"generation": 0, "stop": 1, "job": 2, "arrived": 8, "base": 16, "threads": 17, "mutex": 24, "condition": 40}
"""Where the fields of a pool stand; what threads write often has a cache line of its own."""
POOL_SIZE = 64

JOB = {"list": 0, "count": 1, "threads": 2, "repeats": 3, "go": 4}
"""A job: the list of kernels, how many there are, for how many threads and how often, and the address of a flag that
ends the repeats when it is 0."""
ENTRY = {"kernel": 0, "arguments": 1, "alone": 2, "waits": 3}
"""An entry of the list: ``alone`` leaves it to the first thread, ``waits`` puts a barrier behind it."""

LOOKS = 2000
"""How often a thread looks before it sleeps or yields."""
FLUSH_DENORMALS = 0x8040


def write_runtime(module: Module, target: Target) -> None:
    """``prepare``, ``work`` (a thread of the pool), ``dispatch`` (a job for the pool), ``end``."""
    module.declare("sched_yield", "i32", [])
    for name, pointers in (
        ("pthread_mutex_init", 2),
        ("pthread_cond_init", 2),
        ("pthread_mutex_lock", 1),
        ("pthread_mutex_unlock", 1),
        ("pthread_cond_wait", 2),
        ("pthread_cond_broadcast", 1),
    ):
        module.declare(name, "i32", ["ptr"] * pointers)
    barrier = _write_barrier(module, target)
    run = _write_run(module, target, barrier)
    _write_pool(module, target, run)


def _at(pool: Pointer, field: str) -> Pointer:
    return pool.to("i64") + POOL[field]


def _pause(f: Function, target: Target) -> None:
    if target.is_x86:
        f.module.declare("llvm.x86.sse2.pause", "void", [])
        f.call("llvm.x86.sse2.pause")


def _look(f: Function, target: Target, there: Callable[[], Value]) -> None:
    """Looks a few thousand times whether something is there."""
    looks = f.variable(0)
    with f.loop_while(lambda: (looks.get() < LOOKS) & ~there()):
        _pause(f, target)
        looks.set(looks.get() + 1)


def _write_barrier(module: Module, target: Target) -> Function:
    """``barrier``: comes back when ``arrived`` has reached ``goal``."""
    f = Function(module, "barrier", [("ptr", "pool"), ("i64", "goal")], internal=True, inline=False)
    pool, goal = f.arguments
    arrived = _at(pool, "arrived")
    arrived.add_atomic(1)

    def all_there() -> Value:
        there: Value = arrived.load_atomic() >= goal
        return there

    _look(f, target, all_there)
    with f.loop_while(lambda: ~all_there()):
        f.call("sched_yield", returns="i32")
    f.give()
    return f


def _write_run(module: Module, target: Target, barrier: Function) -> Function:
    """``run``: one thread's part of a job."""
    f = Function(module, "run", [("ptr", "pool"), ("ptr", "job"), ("i64", "thread"), ("i64", "base")], inline=False)
    pool, job, thread, base = f.arguments
    fields = job.to("i64")
    entries = (fields + JOB["list"]).pointer("i64")
    count, threads = (fields + JOB["count"]).load(), (fields + JOB["threads"]).load()
    repeats, go = (fields + JOB["repeats"]).load(), (fields + JOB["go"]).pointer("i64")
    before = f.room("i32", 2)
    if target.is_x86:  # small numbers count as 0 while kernels run: they would be slow, and gain nothing
        module.declare("llvm.x86.sse.stmxcsr", "void", ["ptr"])
        module.declare("llvm.x86.sse.ldmxcsr", "void", ["ptr"])
        f.call("llvm.x86.sse.stmxcsr", before)
        (before + 1).store(before.load() | FLUSH_DENORMALS)
        f.call("llvm.x86.sse.ldmxcsr", before + 1)
    goal = f.variable(base)
    going = f.variable(f.constant("i1", True))
    done = f.variable(0)
    with f.loop_while(lambda: going.get() & (done.get() < repeats)):
        with f.loop(0, count) as i:
            entry = entries + i * len(ENTRY)
            kernel = (entry + ENTRY["kernel"]).pointer()
            arguments = (entry + ENTRY["arguments"]).pointer()

            def alone(kernel: Pointer = kernel, arguments: Pointer = arguments) -> None:
                with f.when(thread == 0):
                    f.call_pointer(kernel, arguments, f.constant("i64", 0), f.constant("i64", 1))

            def together(kernel: Pointer = kernel, arguments: Pointer = arguments) -> None:
                f.call_pointer(kernel, arguments, thread, threads)

            f.either((entry + ENTRY["alone"]).load() != 0, alone, together)
            with f.when(((entry + ENTRY["waits"]).load() != 0) & (threads > 1)):
                goal.set(goal.get() + threads)
                f.call(barrier, pool, goal.get())
        done.set(done.get() + 1)
        with f.when(done.get() < repeats):  # after the last barrier the job may be gone
            going.set(go.load_atomic() != 0)
            with f.when(~going.get() & (threads > 1)):  # nobody leaves before all have looked
                goal.set(goal.get() + threads)
                f.call(barrier, pool, goal.get())
    if target.is_x86:
        f.call("llvm.x86.sse.ldmxcsr", before)
    f.give()
    return f


def _write_pool(module: Module, target: Target, run: Function) -> None:
    f = Function(module, "prepare", [("ptr", "pool")])
    (pool,) = f.arguments
    null = Pointer(f, "null")
    f.call("pthread_mutex_init", _at(pool, "mutex"), null, returns="i32")
    f.call("pthread_cond_init", _at(pool, "condition"), null, returns="i32")
    f.give()

    f = Function(module, "work", [("ptr", "pool"), ("i64", "thread"), ("i64", "seen")])
    pool, thread, seen_at_start = f.arguments
    generation, mutex, condition = _at(pool, "generation"), _at(pool, "mutex"), _at(pool, "condition")
    seen = f.variable(seen_at_start)
    going = f.variable(f.constant("i1", True))

    def is_new() -> Value:
        return generation.load_atomic() != seen.get()

    with f.loop_while(going.get):
        _look(f, target, is_new)
        f.call("pthread_mutex_lock", mutex, returns="i32")
        with f.loop_while(lambda: ~is_new()):
            f.call("pthread_cond_wait", condition, mutex, returns="i32")
        seen.set(generation.load_atomic())
        job, base, threads = _at(pool, "job").pointer(), _at(pool, "base").load(), _at(pool, "threads").load()
        going.set(_at(pool, "stop").load() == 0)
        f.call("pthread_mutex_unlock", mutex, returns="i32")
        with f.when(going.get() & (thread < threads)):
            f.call(run, pool, job, thread, base)
    f.give()

    for name in ("dispatch", "end"):
        f = Function(module, name, [("ptr", "pool"), ("ptr", "job")])
        pool, job = f.arguments
        base = _at(pool, "arrived").load_atomic()
        f.call("pthread_mutex_lock", _at(pool, "mutex"), returns="i32")
        _at(pool, "job").store(job)
        _at(pool, "base").store(base)
        if name == "dispatch":
            _at(pool, "threads").store((job.to("i64") + JOB["threads"]).load())
        if name == "end":
            _at(pool, "stop").store(f.constant("i64", 1))
        _at(pool, "generation").add_atomic(1)
        f.call("pthread_cond_broadcast", _at(pool, "condition"), returns="i32")
        f.call("pthread_mutex_unlock", _at(pool, "mutex"), returns="i32")
        if name == "dispatch":
            f.call(run, pool, job, f.constant("i64", 0), base)
        f.give()

    f = Function(module, "run_alone", [("ptr", "job")])
    (job,) = f.arguments
    f.call(run, Pointer(f, "null"), job, f.constant("i64", 0), f.constant("i64", 0))
    f.give()
