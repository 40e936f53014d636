"""A loaded BCC module to descriptors that keep its programs running: what BCC does not attach by itself, and hand-over.

In: the module, its points. Out: labels and descriptors. Never: detaches; a program runs as long as the descriptor of
its link or event is open somewhere, and ends with the last process that has it.
"""

from __future__ import annotations

from typing import Any

from . import points

_CORE_MAPS = ("santa_armed", "santa_tree", "santa_tree_full", "santa_cgroups", "santa_cgroups_met")
_SOFTWARE = 1  # PERF_TYPE_SOFTWARE, include/uapi/linux/perf_event.h


def attach(module: Any, wanted: list, spec: dict, library: points.Library) -> None:
    """Perf events on each CPU, functions of libraries in all processes, ends of system calls that run the program of
    another one's; other tracepoints are attached already.

    A library's function that is optional and can't be attached after all is an error: the C text was told that it can.
    """
    for point in wanted:
        if point.kind == "perf_event":
            config, by_frequency = points.PERF_EVENTS[point.name]
            often = {"sample_freq": spec["params"][point.param.upper()]} if by_frequency else {"sample_period": 1}
            module.attach_perf_event(_SOFTWARE, config, point.function, **often)
        elif point.kind in ("uprobe", "uretprobe"):
            to = module.attach_uprobe if point.kind == "uprobe" else module.attach_uretprobe
            to(name=library(point.where, point.name), sym=point.name, fn_name=point.function)
        elif point.kind == "tracepoint" and point.name in spec["ends_as"]:
            program = f"tracepoint__{point.where}__{spec['ends_as'][point.name]}"
            module.attach_tracepoint(tp=f"{point.where}:{point.name}", fn_name=program)


def handed_over(module: Any, spec: dict) -> tuple:
    """(labels, descriptors) of the maps, programs and links of a module, in the same order."""
    labels, fds = [], []
    for table in spec["tables"]:
        if table["source"] != "proc":
            labels.append(["map", table["name"]])
            fds.append(module[table["name"] + ("_ring" if table["source"] == "ring" else "_map")].map_fd)
    for name in _CORE_MAPS if spec["name"] == "core" else ("santa_counts",):
        labels.append(["map", name])
        fds.append(module[name].map_fd)
    for name, function in module.funcs.items():
        labels.append(["program", _program_name(name.decode())])
        fds.append(function.fd)
    links = list(module.raw_tracepoint_fds.values()) + list(module.tracepoint_fds.values())
    links += list(module.uprobe_fds.values())
    links += [fd for fds_of in module.open_perf_events.values() for fd in fds_of.values()]
    return labels + [["link", ""]] * len(links), fds + links


def let_go(module: Any) -> None:
    """Free the module. BCC would first switch its events off, for whoever else has them too; they stay open here."""
    module.open_perf_events.clear()
    module.uprobe_fds.clear()
    module.cleanup()


def _program_name(function: str) -> str:
    return function.split("__", 1)[1] if function.startswith(("raw_tracepoint__", "tracepoint__")) else function
