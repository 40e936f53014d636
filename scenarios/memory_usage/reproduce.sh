#!/bin/sh
# Provokes memory_usage, inside a cell: santabpf reproduce memory_usage [--variant held|creeping]
# variants: held creeping
# cell: memory_mib=160
#
#   reproduce.sh held SECONDS        a service takes 150 MiB of the 160 that its cgroup may have, and keeps them
#   reproduce.sh creeping SECONDS    it takes 143 MiB, and 2 MiB more each second, up to 153
#
# Needs python3; exits 77 without it.
set -eu
cd "${SANTABPF_CELL:?run this with: santabpf reproduce memory_usage}"
variant=${1:?held or creeping} seconds=${2:?how many seconds}
command -v python3 > /dev/null || { echo "python3 is not installed here" >&2; exit 77; }

cat > session-store << 'END'
#!/usr/bin/python3
"""Keeps sessions: FIRST MiB at once, one more each half second up to MOST, for SECONDS in all."""
import sys
import time



def take(mib: int) -> bytearray:
    """So much memory, each page of it touched."""
    block = bytearray(mib << 20)
    block[::4096] = b"x" * (len(block) // 4096)
    return block


first, most, seconds = (int(word) for word in sys.argv[1:4])
sys.stdin.read()
end = time.monotonic() + seconds
kept = [take(first)]
while time.monotonic() < end:
    if first + len(kept) <= most:
        kept.append(take(1))
    time.sleep(0.5)
END
chmod +x session-store
case $variant in
held) ./session-store 147 147 "$seconds" ;;
creeping) ./session-store 139 149 "$seconds" ;;
*)
    echo "no variant $variant: held or creeping" >&2
    exit 2
    ;;
esac
