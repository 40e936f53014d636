"""Who started a process, who started that, and so on: evidence that a scenario asks for with `ancestors_of`.

In: SQL that gives one process, and the view of all processes. Out: SQL. Pure: no database, no files.
"""

from __future__ import annotations

#: A line of parents is followed no further: deeper ones are loops of nested shells, and nobody reads on.
MOST_STEPS = 16


def lineage(process: str, among: str) -> str:
    """A SELECT of that process, step 0, and its ancestors, the nearest first: step, tgid, comm, argv.

    process  a SELECT of tgid and start_ns, of one row at most
    among    a view with node, tgid, start_ns, ptgid, comm and argv; a pid that came round twice has two rows in it,
             and a parent is the newest that was there before its child
    """
    return f"""\
WITH RECURSIVE line_first AS ({process}
),
line_parents AS MATERIALIZED (
  SELECT c.tgid, c.start_ns, p.tgid AS ptgid, p.start_ns AS pstart_ns
  FROM (SELECT tgid, start_ns, ptgid FROM {among} WHERE node = $node) c
  ASOF JOIN (SELECT tgid, start_ns FROM {among} WHERE node = $node) p ON p.tgid = c.ptgid AND c.start_ns >= p.start_ns
),
line_up AS (
  SELECT tgid, start_ns, 0 AS step FROM line_first
  UNION
  SELECT p.ptgid, p.pstart_ns, u.step + 1
  FROM line_up u JOIN line_parents p ON p.tgid = u.tgid AND p.start_ns = u.start_ns
  WHERE u.step < {MOST_STEPS}
)
SELECT u.step, u.tgid, k.comm, k.argv
FROM line_up u LEFT JOIN {among} k ON k.node = $node AND k.tgid = u.tgid AND k.start_ns = u.start_ns
ORDER BY u.step, u.tgid
"""
