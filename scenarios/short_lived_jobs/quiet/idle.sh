#!/bin/sh
# A look-alike that is none: nothing happens for SECONDS.
set -eu
seconds=${1:?how many seconds}
read -r word || true
exec sleep "$seconds"
