"""Small jobs, and the check that a peer computes the same in each of its ways."""

from throughtime.benchmark import Job, peers
from throughtime.benchmark.correctness import compare, expected

JOBS = [
    *(Job("text", cell, 8, 2, 5) for cell in ("elman", "gru", "lstm")),
    Job("dense", "gru", 8, 2, 5, K=1),
    Job("words", "lstm", 8, 2, 5, K=100),
    Job("classic", "elman", 8, 1, 5),
    Job("generation", "lstm", 8),
    Job("step", "lstm", 8),
]


def pairs(needing):
    """Each peer with each job that it takes; ``needing``: the peers that need a package of their own, or the others."""
    names = [name for name in peers.PEERS if bool(peers.get(name).NEEDS) == needing]
    return [(name, job) for name in names for job in JOBS if peers.get(name).takes(job)]


def label(value):
    return getattr(value, "name", value)


def computes_the_same(name, job):
    reference = expected(job)
    for entry, made in peers.get(name).entries(job, 1).items():
        compare(f"{name} {entry}", job.name, made.check(), reference)
