#!/bin/sh
# A look-alike: the cgroup's memory is full to its limit, of files that were read and can be dropped at any time.
# cell: memory_mib=96
# Reads the machine's programs and libraries over and over for SECONDS. Needs python3; exits 77 without it.
set -eu
cd "${SANTABPF_CELL:?run this with: santabpf drill oom_kill --variant near-limit}"
seconds=${1:?how many seconds}
command -v python3 > /dev/null || { echo "python3 is not installed here" >&2; exit 77; }
cat > read-all << 'END'
#!/usr/bin/python3
"""Reads large files, of which the page cache forgets what it can first, so that they are charged to who reads them now."""
import os
import sys
import time

files, total = [], 0
for folder in ("/usr/lib", "/usr/bin", "/usr/share", "/usr/libexec"):
    for path, _, names in os.walk(folder):
        for name in names:
            file = os.path.join(path, name)
            if total < 300 << 20 and os.path.isfile(file) and not os.path.islink(file) and os.path.getsize(file) > 1 << 20:
                files.append(file)
                total += os.path.getsize(file)
if total < 120 << 20:
    print("there are not enough large files to read here", file=sys.stderr)
    sys.exit(77)
sys.stdin.read()
end = time.monotonic() + float(sys.argv[1])
while time.monotonic() < end:
    for file in files:
        with open(file, "rb", buffering=0) as opened:
            os.posix_fadvise(opened.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
            while time.monotonic() < end and opened.read(1 << 20):
                time.sleep(0.002)
END
chmod +x read-all
exec ./read-all "$seconds"
