#!/bin/sh
# Provokes ssh_brute_force, inside a cell: santabpf reproduce ssh_brute_force [--variant guess|success]
# variants: guess success
# also: short_lived_jobs
#
#   reproduce.sh guess SECONDS     an address tries wrong passwords for five users, some real, some not, one after the other
#   reproduce.sh success SECONDS   the same, and the last password is the right one
#
# An sshd of the drill's own on the cell's loopback. Exits 77 where sshd, ssh or openssl is not installed.
set -eu
cd "${SANTABPF_CELL:?run this with: santabpf reproduce ssh_brute_force}"
variant=${1:?guess or success} seconds=${2:?how many seconds}
. ./quiet/server.inc
read -r word || true
sleep "$seconds" &
clock=$!
turn=0
while kill -0 $clock 2> /dev/null && [ $turn -lt 400 ]; do
    for user in root admin deploy oracle backup2; do
        turn=$((turn + 1))
        try $user "guess-$turn" 127.0.0.66 || true
    done
done
case $variant in
guess) ;;
success) try deploy $right 127.0.0.66 || { cat sshd.log >&2; exit 1; } ;;
*)
    echo "no variant $variant: guess or success" >&2
    exit 2
    ;;
esac
