"""Another one on the same disk: backup.py HOW FOLDER SECONDS. neighbour waits for its writes; buffered does not."""

import os
import sys
import time

HOW, FOLDER, SECONDS = sys.argv[1], sys.argv[2], int(sys.argv[3])
end, chunk = time.monotonic() + SECONDS, os.urandom(1 << 20)
file = os.open(f"{FOLDER}/archive", os.O_WRONLY | os.O_CREAT, 0o600)
while time.monotonic() < end:
    for _ in range(4 if HOW == "neighbour" else 8):
        os.write(file, chunk)
    if HOW == "neighbour":
        os.fdatasync(file)
    else:
        time.sleep(0.5)
    os.lseek(file, 0, os.SEEK_SET)
