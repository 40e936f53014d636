#!/bin/sh
# A look-alike: a bash that checks a port and pushes a number with /dev/tcp, and a cat that reads the time from a socket:
# a connected socket on 0 or 1, but no shell that takes its orders from it. Once a second, for SECONDS.
set -eu
cd "${SANTABPF_CELL:?run this with: santabpf drill reverse_shell --variant dev-tcp}"
seconds=${1:?how many seconds}
for program in bash /usr/bin/python3; do
    command -v $program > /dev/null || { echo "$program is not installed here" >&2; exit 77; }
done
cat > server.py << 'END'
import socket, time
listener = socket.create_server(("127.0.0.1", 2003))
print("ready", flush=True)
while True:
    peer, _ = listener.accept()
    try:
        peer.sendall(time.ctime().encode() + b"\n")
        peer.shutdown(socket.SHUT_WR)
        while peer.recv(65536):
            pass
    except OSError:
        pass
    peer.close()
END
cat > push << 'END'
#!/bin/bash
(echo > /dev/tcp/127.0.0.1/2003) && echo "carbon is up"
echo "jobs.waiting 7 $(date +%s)" > /dev/tcp/127.0.0.1/2003
cat < /dev/tcp/127.0.0.1/2003 > clock
END
chmod +x push
mkfifo ready
/usr/bin/python3 server.py > ready 2> server.log &
server=$!
trap 'kill $server 2> /dev/null || true' EXIT
read -r word < ready
read -r word || true
turn=0
while [ $turn -lt "$seconds" ]; do
    turn=$((turn + 1))
    ./push > push.log
    sleep 0.9
done
