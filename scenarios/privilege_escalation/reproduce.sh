#!/bin/sh
# Provokes privilege_escalation, inside a cell: santabpf reproduce privilege_escalation [--variant setuid|memfd|temporary|disguise]
# variants: setuid memfd temporary disguise
#
#   reproduce.sh setuid SECONDS      root leaves a set-user-ID copy of a shell in a temporary folder; user 65534 runs it
#   reproduce.sh memfd SECONDS       user 65534 runs a program that lies in memory only, and calls it [kworker/0:9]
#   reproduce.sh temporary SECONDS   user 65534 fetches a program into a hidden temporary folder and runs it
#   reproduce.sh disguise SECONDS    a program takes the name of a thread of the kernel's
#
# The cell's own tmpfs takes no set-user-ID bits; the drill's folder is one more tmpfs, in the cell's mount namespace,
# which is gone with it. What is run is harmless. Exits 77 where python3 or setpriv is not installed.
set -eu
cd "${SANTABPF_CELL:?run this with: santabpf reproduce privilege_escalation}"
variant=${1:?setuid, memfd, temporary or disguise} seconds=${2:?how many seconds}
for program in /usr/bin/python3 /usr/bin/setpriv bash; do
    command -v $program > /dev/null || { echo "$program is not installed here" >&2; exit 77; }
done
nobody='setpriv --reuid 65534 --regid 65534 --clear-groups'

setuid() {
    mkdir stash
    mount -t tmpfs -o size=4m,mode=0755,nodev drill stash
    # The right tool for a hole: bash -p keeps the power that it is given.
    cat > maintenance << 'END'
#!/bin/sh
# Somebody who was root for a moment leaves a way back.
cp /bin/bash stash/.helper
chmod 4755 stash/.helper
END
    cat > visitor << END
#!/bin/sh
for turn in \$(seq $seconds); do
    stash/.helper -p -c 'id; id -u; ps'
    sleep 1
done
END
    chmod +x maintenance visitor
    chmod 777 .
    read -r word || true
    ./maintenance
    $nobody ./visitor
}

memfd() {
    cat > loader.py << END
import os, time
fd = os.memfd_create("update", 0)
with open("/bin/sleep", "rb") as program:
    os.write(fd, program.read())
for turn in range($seconds):
    pid = os.fork()
    if pid == 0:
        os.execve(fd, ["[kworker/0:9]", "0.5"], {})
    os.waitpid(pid, 0)
    time.sleep(0.5)
END
    chmod 777 .
    read -r word || true
    $nobody /usr/bin/python3 loader.py
}

temporary() {
    cat > worker.py << END
import os, subprocess, time
os.mkdir("/tmp/drill/.cache")
with open("/bin/sleep", "rb") as program, open("/tmp/drill/.cache/xmr", "wb") as copy:
    copy.write(program.read())
os.chmod("/tmp/drill/.cache/xmr", 0o700)
for turn in range($seconds):
    subprocess.call(["/tmp/drill/.cache/xmr", "0.5"])
    time.sleep(0.5)
END
    chmod 777 .
    read -r word || true
    $nobody /usr/bin/python3 worker.py
}

disguise() {
    cat > miner.py << END
import ctypes, subprocess, time
ctypes.CDLL(None).prctl(15, b"kworker/u8:3", 0, 0, 0)
for turn in range($seconds):
    subprocess.call(["[kswapd0]", "0.5"], executable="/bin/sleep")
    time.sleep(0.5)
END
    read -r word || true
    /usr/bin/python3 miner.py
}

case $variant in
setuid | memfd | temporary | disguise) $variant ;;
*)
    echo "no variant $variant: setuid, memfd, temporary or disguise" >&2
    exit 2
    ;;
esac
