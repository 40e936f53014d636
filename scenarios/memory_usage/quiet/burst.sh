#!/bin/sh
# A look-alike: a job takes 150 MiB of 160 for half a second, and gives them back.
# cell: memory_mib=160
# Needs python3; exits 77 without it.
set -eu
cd "${SANTABPF_CELL:?run this with: santabpf drill memory_usage --variant burst}"
seconds=${1:?how many seconds}
command -v python3 > /dev/null || { echo "python3 is not installed here" >&2; exit 77; }
cat > sort-report << 'END'
#!/usr/bin/python3
"""Takes 147 MiB for half a second, frees them and waits for what is left of SECONDS."""
import sys
import time

sys.stdin.read()
rows = bytearray(147 << 20)
rows[::4096] = b"x" * (len(rows) // 4096)
time.sleep(0.6)
del rows
time.sleep(max(0, int(sys.argv[1]) - 1))
END
chmod +x sort-report
exec ./sort-report "$seconds"
