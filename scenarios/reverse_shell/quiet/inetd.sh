#!/bin/sh
# A look-alike: an inetd-like service, which starts a shell with the socket as its input and output, as inetd and
# `socat EXEC:... ,nofork` do. The difference: the other side connected. A client asks it once a second, for SECONDS.
set -eu
cd "${SANTABPF_CELL:?run this with: santabpf drill reverse_shell --variant inetd}"
seconds=${1:?how many seconds}
[ -x /usr/bin/python3 ] || { echo "python3 is not installed here" >&2; exit 77; }
cat > superserver.py << 'END'
import os, signal, socket
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
listener = socket.create_server(("127.0.0.1", 7777))
print("ready", flush=True)
while True:
    peer, _ = listener.accept()
    if os.fork() == 0:
        for fd in (0, 1, 2):
            os.dup2(peer.fileno(), fd)
        os.execv("/bin/sh", ["sh", "-c", "read line; echo you said: $line; date; uptime"])
    peer.close()
END
cat > ask.py << 'END'
import socket
with socket.create_connection(("127.0.0.1", 7777)) as peer:
    peer.sendall(b"how are you\n")
    while peer.recv(65536):
        pass
END
mkfifo ready
/usr/bin/python3 superserver.py > ready 2> server.log &
server=$!
trap 'kill $server 2> /dev/null || true' EXIT
read -r word < ready
read -r word || true
turn=0
while [ $turn -lt "$seconds" ]; do
    turn=$((turn + 1))
    /usr/bin/python3 ask.py
    sleep 0.9
done
