#!/bin/sh
# A look-alike: 20 logins by key, one after the other, as a deployment does them, within SECONDS or a bit more.
# also: short_lived_jobs
set -eu
cd "${SANTABPF_CELL:?run this with: santabpf drill ssh_brute_force --variant keys}"
seconds=${1:?how many seconds}
. ./server.inc
read -r word || true
turn=0
while [ $turn -lt 20 ]; do
    turn=$((turn + 1))
    by_key || { cat sshd.log client.log >&2; exit 1; }
done
sleep 1
