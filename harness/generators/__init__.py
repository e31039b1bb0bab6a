"""Generators decide what is done next: pure values, combined from small parts.

A source is a generator, an `Invocation` (done once) or a list of sources (done in turn). For example, ten operations
per second for a minute, three reads to one write, every value written once:

    rng = Random(7)
    reads = repeat(Invocation("read", "k"))
    writes = each(lambda n, draws: Invocation("write", "k", n))
    time_limit(60, stagger(10, mix((3, reads), (1, writes), rng=rng), rng))
"""

from quorate.harness.generators.basic import (
    cycle,
    each,
    filtered,
    flip_flop,
    limit,
    mapped,
    mix,
    once,
    only,
    repeat,
)
from quorate.harness.generators.core import (
    EXHAUSTED,
    PENDING,
    Context,
    Generator,
    GeneratorError,
    Invocation,
    Offer,
    Pending,
    Source,
    Step,
    generator,
    sequence,
)
from quorate.harness.generators.draws import Draws
from quorate.harness.generators.keys import by_key
from quorate.harness.generators.reactive import deferred, on_update, reactive, retrying, until_ok
from quorate.harness.generators.simulate import imperfect, perfect, simulate
from quorate.harness.generators.threads import (
    any_of,
    on_clients,
    on_nemesis,
    on_threads,
    per_process,
    per_thread,
    phases,
    reserve,
    synchronize,
)
from quorate.harness.generators.timing import delay, sleep, stagger, time_limit

__all__ = [
    "EXHAUSTED",
    "PENDING",
    "Context",
    "Draws",
    "Generator",
    "GeneratorError",
    "Invocation",
    "Offer",
    "Pending",
    "Source",
    "Step",
    "any_of",
    "by_key",
    "cycle",
    "deferred",
    "delay",
    "each",
    "filtered",
    "flip_flop",
    "generator",
    "imperfect",
    "limit",
    "mapped",
    "mix",
    "on_clients",
    "on_nemesis",
    "on_threads",
    "on_update",
    "once",
    "only",
    "per_process",
    "per_thread",
    "perfect",
    "phases",
    "reactive",
    "repeat",
    "reserve",
    "retrying",
    "sequence",
    "simulate",
    "sleep",
    "stagger",
    "synchronize",
    "time_limit",
    "until_ok",
]
