#!/bin/sh
# A look-alike: a service that holds 60 MiB is ended by an operator's kill -9, twice. The same signal, but not the kernel's doing.
# cell: memory_mib=160
# Needs python3; exits 77 without it.
set -eu
cd "${SANTABPF_CELL:?run this with: santabpf drill oom_kill --variant kill-9}"
seconds=${1:?how many seconds}
command -v python3 > /dev/null || { echo "python3 is not installed here" >&2; exit 77; }
cat > report-builder << 'END'
#!/usr/bin/python3
"""Holds one report of 60 MiB, for SECONDS."""
import sys
import time

report = bytearray(b"x" * (60 << 20))
time.sleep(float(sys.argv[1]))
END
chmod +x report-builder
read -r word || true
for turn in 1 2; do
    ./report-builder "$seconds" &
    service=$!
    sleep $((seconds / 3 + 1))
    kill -9 $service
    wait $service || true
done
sleep $((seconds / 3))
