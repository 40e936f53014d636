#!/bin/sh
# A look-alike: `client | sh`, as in curl | sh: commands that come from the network, but through a pipe that this side fills.
# Fetches a script from a server on the cell's loopback once a second, for SECONDS, and pipes it to sh.
set -eu
cd "${SANTABPF_CELL:?run this with: santabpf drill reverse_shell --variant pipe}"
seconds=${1:?how many seconds}
[ -x /usr/bin/python3 ] || { echo "python3 is not installed here" >&2; exit 77; }
cat > server.py << 'END'
import socket
listener = socket.create_server(("127.0.0.1", 8080))
print("ready", flush=True)
while True:
    peer, _ = listener.accept()
    peer.sendall(b"id\nuname -a\nls\n")
    peer.close()
END
cat > fetch.py << 'END'
import socket, sys
with socket.create_connection(("127.0.0.1", 8080)) as peer:
    while data := peer.recv(65536):
        sys.stdout.buffer.write(data)
END
mkfifo ready
/usr/bin/python3 server.py > ready 2> server.log &
server=$!
trap 'kill $server 2> /dev/null || true' EXIT
read -r word < ready
read -r word || true
turn=0
while [ $turn -lt "$seconds" ]; do
    turn=$((turn + 1))
    /usr/bin/python3 fetch.py | sh > installed.log 2>&1
    sleep 0.9
done
