"""A recorder as BCC's own tools are written: a Python callback for each event. Run by the node's Python, as root.

    /usr/bin/python3 bcc_callback.py FILE

Writes 24 bytes an event to FILE until SIGINT; says "ready" when it has begun, "EVENTS LOST" at its end. It is only here
to be compared with. Needs BCC_KERNEL_SOURCE and tracefs.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

import bcc

#: The same 24 bytes that the probe `switches` fills, and the same 16 MiB of ring.
PROGRAM = """
struct record { u64 ts_ns; s32 prev_tid; s32 next_tid; u16 prev_state; u16 cpu; u32 pad0; };
BPF_RINGBUF_OUTPUT(events, 4096);
BPF_ARRAY(lost, u64, 1);
TRACEPOINT_PROBE(sched, sched_switch) {
    if (args->prev_pid == SELF || args->next_pid == SELF) return 0;
    struct record *rec = events.ringbuf_reserve(sizeof(struct record));
    if (!rec) { lost.atomic_increment(0); return 0; }
    rec->ts_ns = bpf_ktime_get_ns();
    rec->prev_tid = args->prev_pid;
    rec->next_tid = args->next_pid;
    rec->prev_state = args->prev_state;
    rec->cpu = bpf_get_smp_processor_id();
    rec->pad0 = 0;
    events.ringbuf_submit(rec, 0);
    return 0;
}
"""


def main(path: str) -> None:
    """Record until SIGINT."""
    over: list[bool] = []
    signal.signal(signal.SIGINT, lambda *_: over.append(True))
    program = bcc.BPF(text=PROGRAM, cflags=["-w", f"-DSELF={os.getpid()}"])
    events = 0
    with open(path, "wb") as out:

        def take(_: object, data: int, size: int) -> None:
            nonlocal events
            out.write(ctypes.string_at(data, size))
            events += 1

        program["events"].open_ring_buffer(take)
        print("ready", flush=True)
        while not over:
            program.ring_buffer_poll(100)
        program.ring_buffer_consume()
    print(events, program["lost"][0].value, flush=True)


main(sys.argv[1])
