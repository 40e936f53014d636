#!/bin/sh
# A look-alike: user 65534 runs set-user-ID programs of root's, but those that the distribution installed: su, passwd, mount.
# Once a second, for SECONDS; root itself runs su to become somebody else.
set -eu
cd "${SANTABPF_CELL:?run this with: santabpf drill privilege_escalation --variant passwd-su}"
seconds=${1:?how many seconds}
for program in setpriv su passwd mount; do
    command -v $program > /dev/null || { echo "$program is not installed here" >&2; exit 77; }
done
chmod 755 .
read -r word || true
turn=0
while [ $turn -lt "$seconds" ]; do
    turn=$((turn + 1))
    setpriv --reuid 65534 --regid 65534 --clear-groups sh -c 'su --version; passwd -S; mount --version' > out 2>&1 || true
    su -s /bin/sh nobody -c id > out 2>&1 || true
    sleep 0.8
done
