"""Programs that can't be started, each by a process of its own, and one that is found in the third directory of PATH.

Prints one JSON line: {"missing": [tgid...], "forbidden": [...], "searched": [...], "found": tgid, "fallback": tgid,
"own": tgid, "too_long": tgid}.
"""

import contextlib
import json
import os
import sys
import tempfile
import time

ROUNDS = 23


def child(act):
    tgid = os.fork()
    if tgid == 0:
        with contextlib.suppress(OSError):
            act()
        os._exit(127)
    os.waitpid(tgid, 0)
    return tgid


def main():
    with tempfile.TemporaryDirectory(prefix="santabpf-plant-") as folder:
        os.chmod(folder, 0o755)
        forbidden = folder + "/forbidden"
        with open(forbidden, "w") as stream:
            stream.write("no program")
        bare = folder + "/bare"
        with open(bare, "w") as stream:
            stream.write("exit 0")
        os.chmod(bare, 0o755)
        path = {"PATH": "/nowhere/one:/nowhere/two:/bin"}

        def fall_back():
            try:
                os.execv("/nowhere/first", ["first"])
            except OSError:
                os.execv("/bin/true", ["true"])

        def too_long():
            os.execv("/bin/true", ["true", "x" * (1 << 18)])

        def again():
            for _ in range(2):
                try:
                    os.execv("/nowhere/again", ["again"])
                except OSError:
                    time.sleep(0.15)

        facts = {
            "missing": [child(lambda: os.execv("/nowhere/missing", ["missing"])) for _ in range(ROUNDS)],
            "forbidden": [child(lambda: os.execv(forbidden, ["forbidden"])) for _ in range(ROUNDS)],
            "searched": [child(lambda: os.execvpe("santabpf-nobody", ["x"], path)) for _ in range(ROUNDS)],
            "found": child(lambda: os.execvpe("true", ["true", "planted"], path)),
            "fallback": child(fall_back),
            "too_long": child(too_long),
            "again": child(again),
            "bare": child(lambda: os.execv(bare, ["bare"])),
            "folder": folder,
        }
    print(json.dumps(facts))


if __name__ == "__main__":
    sys.exit(main())
