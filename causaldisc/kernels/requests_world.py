"""The tables of a simulated system: what each column means, and how kernels get at them.

Everything is in seconds, shares and counts. Rows are calls (slots that are used again), replicas, services, operations, the
calls that operations make, pairs (caller, callee), hosts, locks, and streams of arrivals; lists of waiting calls are linked
through the slots.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numba import from_dtype, types
from numba.extending import intrinsic
from numba.np import arrayobj

from causaldisc.kernels.inner import inner

NONE = -1

# registers: 0, 1 and 2 belong to the agenda
FREE, LIVE, TODO, TICK, SNAPSHOTS, SPANS, LOGGED, CHANGED, ARRIVED, PEAK = range(3, 13)
REGISTERS = 13

# clock
NOW, STEP = 0, 1

# a call: whole numbers
(
    OPERATION,
    REPLICA,
    PARENT,
    SPEC,
    ATTEMPT,
    POSITION,
    PENDING,
    FAILED,
    NEXT,
    STATE,
    EARLIER,
    LATER,
    ATTACHED,
    LOCK,
    FLAGS,
    STREAM,
) = range(16)
CALL_INTS = 16
# a call: numbers
SENT, SINCE, REST, DEADLINE, BEGUN, HOLD = range(6)
CALL_FLOATS = 6
# where a call can be; one in LOST waits for its event, only to be freed
(EMPTY, CONNECTION, WIRE, THREAD, CORE, LATCH, WORK, CALLS, HELD, PAUSE, GHOST, LOST) = range(12)
# flags of a call
TRACED, SYNTHETIC, NO_THREAD, NO_CORE, NO_CONNECTION, NO_WATCH = 1, 2, 4, 8, 16, 32
# steps that follow at once
ADVANCE, START, WANT_CORE, ANSWER = range(4)
NOTHING = -1

# a replica: whole numbers
SERVICE, HOST, UP, BUSY, QUEUE_HEAD, QUEUE_TAIL, QUEUED, RUNNING, RUN_HEAD, RUN_TAIL, PAUSES = range(11)
REPLICA_INTS = 11
# a replica: numbers
SETTLED, QUEUE_AREA, THREAD_AREA, CORE_AREA, SLOW, PAUSE_FROM, PAUSE_TO, THREADS_BEFORE, CORES_SETTLED = range(9)
REPLICA_FLOATS = 9

# a service: whole numbers
(
    FIRST_REPLICA, LAST_REPLICA, CORES, THREADS, QUEUE_LIMIT, LEAST, FIRST_LOCK, LAST_LOCK, ANSWERING, SIZE_WANTED, SIZE_READY,
    ARRIVALS, ANSWERS, ERRORS, RESTARTS, ERRED_LAST,
) = range(16)  # fmt: skip
SERVICE_INTS = 16
# a service: numbers
(
    FLOOR, OWN_ERRORS, BASE_MEMORY, THREAD_MEMORY, GC_EVERY, GC_PAUSE, LATENCY_SUM, CPU_USED, CPU_LIMIT, MEMORY, LEAKED, WARM,
    BACK_AT, SCALE_AT, IDLE_SINCE, CPU_BEFORE, CPU_SCALED, LATENCY_LAST, USUAL, NOMINAL,
) = range(20)  # fmt: skip
SERVICE_FLOATS = 20
# what faults and do() have set for a service; NaN in a SET column = free
(
    WORK_GAIN, THROTTLE, DELAY, LOSS, FAULT_ERRORS, DOWN, LEAK, EXTRA, SET_TRAFFIC, SET_LATENCY, SET_ERRORS, SET_CPU, SET_MEMORY,
    SET_QUEUE, SET_REPLICAS, SET_SLOW, SET_WARM,
) = range(17)  # fmt: skip
KNOBS = 17
# what mechanisms have done to a service, for the regime: seconds and counts
(
    WAITED_THREAD,
    WAITED_CORE,
    WAITED_LOCK,
    LONG_WAITS,
    REFUSED,
    UNSERVED,
    SKIPPED,
    OWN_FAILURES,
    KILLED,
    STRETCHED,
    SPARED,
    WORKED,
    PAUSED,
    LONG_CORES,
) = range(14)
SERVICE_DEEDS = 14

# an operation
OP_SERVICE, OP_FIRST, OP_LAST = range(3)
OP_WORK, OP_SHARE, OP_WRITES = range(3)
# a call of an operation
SPEC_OP, SPEC_STAGE, SPEC_WAITS, SPEC_REQUIRED, SPEC_PAIR = range(5)
SPEC_PROBABILITY, SPEC_HIT = range(2)
# a pair (caller, callee): whole numbers
CALLER, CALLEE, RETRIES, POOL, IN_USE, POOL_HEAD, POOL_TAIL, TIMED_HEAD, TIMED_TAIL, ARMED, BREAKER, SEEN = range(12)
PAIR_INTS = 12
# a pair: numbers
TIMEOUT, BACKOFF, TRIP, OPEN_FOR, NETWORK, FAILURES, OPEN_UNTIL, OUTAGE, PAIR_DELAY, PAIR_LOSS, SET_POOL, SET_BREAKER = range(12)
PAIR_FLOATS = 12
# what happened on a pair
(
    SENT_CALLS,
    TIMED_OUT,
    RETRIED,
    CUT,
    WAITED_POOL,
    POOLED,
    CALLEE_SECONDS,
    BACKED_OFF,
    BROKE,
    LONG_POOLS,
    BLOCKED,
    SPOILT,
    FAILED_TRIES,
) = range(13)
PAIR_DEEDS = 13
CLOSED, OPEN, PROBING = range(3)

# a host
HOST_CORES, HOST_LOAD, HOST_EXTRA, SET_LOAD = range(4)
# a lock
HOLDER, LOCK_HEAD, LOCK_TAIL = range(3)
# a stream of arrivals
STREAM_FIRST, STREAM_LAST, STREAM_COUNT, STREAM_IDLE = range(4)
STREAM_NEED, STREAM_SINCE = range(2)

# settings
(
    CONTENTION,
    RESTART_S,
    STARTUP_S,
    SCALE_EVERY,
    SCALE_TARGET,
    SCALE_DOWN_S,
    WARM_S,
    RESEND_S,
    BREAKER_MEMORY,
    BREAKER_LEAST,
    SNAPSHOT_EVERY,
    TRACE_SHARE,
    LONG_S,
) = range(13)
SETTINGS = 13

# what a snapshot holds of a service
(
    S_ARRIVALS,
    S_ANSWERS,
    S_ERRORS,
    S_LATENCY,
    S_QUEUE,
    S_THREADS,
    S_CORES,
    S_CPU,
    S_LIMIT,
    S_MEMORY,
    S_REPLICAS,
    S_RESTARTS,
    S_HITS,
) = range(13)
SNAPSHOT = 13

# what a change may name
KNOB, PAIR_KNOB, HOST_KNOB = range(3)

# kinds of events
ROOT, ARRIVE, SEGMENT, REPLY, RETRY, TIMER, CONTROL, BEGIN, LAUNCH = range(9)

# purposes of draws
(
    D_GAP,
    D_ENTRY,
    D_TRACE,
    D_MAKE,
    D_HIT,
    D_REPLICA,
    D_WORK,
    D_NETWORK,
    D_ERROR,
    D_LOCK,
    D_WRITE,
    D_BACKOFF,
    D_WAIT,
    D_CHANCE,
    D_LOSS,
    D_LOSS2,
    D_OUTAGE,
    D_PAUSE,
) = range(18)


# buckets of a latency histogram, the last without an upper bound
BUCKETS = 31

# name of a table → (dtype, columns; 0 = one dimension)
TABLES: dict[str, tuple[str, int]] = {
    "registers": ("int64", 0),
    "clock": ("float64", 0),
    "settings": ("float64", 0),
    "times": ("float64", 0),
    "codes": ("int64", 0),
    "todo": ("int64", 0),
    "call": ("int64", CALL_INTS),
    "callf": ("float64", CALL_FLOATS),
    "key": ("uint64", 3),
    "replica": ("int64", REPLICA_INTS),
    "replicaf": ("float64", REPLICA_FLOATS),
    "service": ("int64", SERVICE_INTS),
    "servicef": ("float64", SERVICE_FLOATS),
    "knob": ("float64", KNOBS),
    "deed": ("float64", SERVICE_DEEDS),
    "op": ("int64", 3),
    "opf": ("float64", 3),
    "spec": ("int64", 5),
    "specf": ("float64", 2),
    "pair": ("int64", PAIR_INTS),
    "pairf": ("float64", PAIR_FLOATS),
    "pair_deed": ("float64", PAIR_DEEDS),
    "hostf": ("float64", 4),
    "background": ("float64", 0),
    "lock": ("int64", 3),
    "stream": ("int64", 4),
    "streamf": ("float64", 2),
    "stream_key": ("uint64", 0),
    "entry_op": ("int64", 0),
    "entry_upto": ("float64", 0),
    "rates": ("float64", 0),
    "change": ("int64", 4),
    "change_to": ("float64", 0),
    "bounds": ("float64", 0),
    "bins": ("int64", 0),
    "buckets": ("int64", BUCKETS),
    "snapshot": ("float64", SNAPSHOT),
    "snapshot_buckets": ("int64", BUCKETS),
    "span": ("int64", 5),
    "span_key": ("uint64", 3),
    "span_time": ("float64", 2),
    "log": ("int64", 0),
    "log_key": ("uint64", 0),
    "log_time": ("float64", 0),
}


def addresses(tables: Mapping[str, np.ndarray]) -> np.ndarray:
    """Return int64[2 × tables]: where each table lies, and how many rows it has; valid for as long as the tables live.

    Handing over some forty arrays one by one makes the loop take a minute to compile; one list of addresses, seconds.
    """
    found = []
    for name, (dtype, columns) in TABLES.items():
        table = tables[name]
        shape_right = table.ndim == 1 if columns == 0 else table.ndim == 2 and table.shape[1] == columns
        if table.dtype != dtype or not shape_right or not table.flags.c_contiguous:
            raise TypeError(
                f"table {name} must be contiguous {dtype} with {columns or 'no'} columns, got {table.dtype}{table.shape}"
            )
        found += [table.ctypes.data, len(table)]
    return np.array(found, np.int64)


def _view(name: str) -> Any:
    """What gives a table to a kernel, as an array over the memory that the list of addresses names.

    The array says that it has no rows: numba adds their number to an index below zero, which none here is, and so has nothing
    to load, compare and choose at every access. The list does not change while a kernel runs, so that an address is loaded once.
    Together they make the loop half as fast again.
    """
    place = 2 * list(TABLES).index(name)
    dtype, columns = from_dtype(np.dtype(TABLES[name][0])), TABLES[name][1]
    kind = types.Array(dtype, 2 if columns else 1, "C")

    @intrinsic
    def view(typing_context, w):
        def code(context, builder, signature, arguments):
            word = context.get_value_type(types.int64)
            listed = arrayobj.make_array(signature.args[0])(context, builder, arguments[0]).data
            address = builder.load(builder.gep(listed, [word(place)]))
            address.set_metadata("invariant.load", builder.module.add_metadata([]))
            array = arrayobj.make_array(kind)(context, builder)
            size = context.get_abi_sizeof(context.get_value_type(dtype))
            shape, strides = [word(0)], [word(size)]
            if columns:
                shape, strides = [word(0), word(columns)], [word(size * columns), word(size)]
            data = builder.inttoptr(address, context.get_value_type(dtype).as_pointer())
            arrayobj.populate_array(array, data, shape, strides, word(size), None)
            return array._getvalue()

        return kind(w), code

    return view


def _rows(name: str) -> Any:
    """What gives the number of a table's rows to a kernel."""
    place = 2 * list(TABLES).index(name) + 1

    @inner(forceinline=True, _nrt=False)
    def rows(w):
        return w[place]

    return rows


registers = _view("registers")
clock = _view("clock")
settings = _view("settings")
times = _view("times")
codes = _view("codes")
todo = _view("todo")
call = _view("call")
callf = _view("callf")
key = _view("key")
replica = _view("replica")
replicaf = _view("replicaf")
service = _view("service")
servicef = _view("servicef")
knob = _view("knob")
deed = _view("deed")
op = _view("op")
opf = _view("opf")
spec = _view("spec")
specf = _view("specf")
pair = _view("pair")
pairf = _view("pairf")
pair_deed = _view("pair_deed")
hostf = _view("hostf")
background = _view("background")
lock = _view("lock")
stream = _view("stream")
streamf = _view("streamf")
stream_key = _view("stream_key")
entry_op = _view("entry_op")
entry_upto = _view("entry_upto")
rates = _view("rates")
change = _view("change")
change_to = _view("change_to")
bounds = _view("bounds")
bins = _view("bins")
buckets = _view("buckets")
snapshot = _view("snapshot")
snapshot_buckets = _view("snapshot_buckets")
span = _view("span")
span_key = _view("span_key")
span_time = _view("span_time")
log = _view("log")
log_key = _view("log_key")
log_time = _view("log_time")

todo_rows = _rows("todo")
call_rows = _rows("call")
service_rows = _rows("service")
hostf_rows = _rows("hostf")
stream_rows = _rows("stream")
rates_rows = _rows("rates")
change_rows = _rows("change")
bins_rows = _rows("bins")
snapshot_rows = _rows("snapshot")
span_time_rows = _rows("span_time")
log_time_rows = _rows("log_time")
