#!/bin/sh
# A look-alike: a user who mistypes the password twice and then gets in; and another one who does so once. For SECONDS.
set -eu
cd "${SANTABPF_CELL:?run this with: santabpf drill ssh_brute_force --variant mistyped}"
seconds=${1:?how many seconds}
. ./server.inc
read -r word || true
try deploy corect-horse 127.0.0.20 || true
sleep 1
try deploy correct-hose 127.0.0.20 || true
sleep 1
try deploy $right 127.0.0.20 || { cat sshd.log >&2; exit 1; }
try backup2 correct-horde 127.0.0.21 || true
try backup2 $right 127.0.0.21 || { cat sshd.log >&2; exit 1; }
sleep "$seconds"
