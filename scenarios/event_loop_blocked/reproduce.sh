#!/bin/sh
# Provokes event_loop_blocked, inside a cell: santabpf reproduce event_loop_blocked [--variant asyncio-sleep|asyncio-compute|redis-lua]
# variants: asyncio-sleep asyncio-compute redis-lua
#
#   reproduce.sh asyncio-sleep SECONDS     an asyncio server that calls time.sleep(0.3) for one of its requests
#   reproduce.sh asyncio-compute SECONDS   the same, but it computes for 0.3 s
#   reproduce.sh redis-lua SECONDS         a redis with a Lua script that loops for 0.4 s, beside small commands
#
# Exits 77 where python3 or redis is not installed.
set -eu
cd "${SANTABPF_CELL:?run this with: santabpf reproduce event_loop_blocked}"
variant=${1:?asyncio-sleep, asyncio-compute or redis-lua} seconds=${2:?how many seconds}

# Adds numbers until 0.4 s are over, by redis's own clock.
script="local function now() local t = redis.call('TIME') return t[1] * 1000000 + t[2] end
local began, total = now(), 0
for i = 1, 20000000 do
    total = total + i
    if i % 1000 == 0 and now() - began > 400000 then break end
end
return total"

redis_lua() {
    . ./quiet/redis.inc
    read -r word || true
    redis-benchmark -p 16379 -c 4 -n 100000000 -t get,set -q > bench.log 2>&1 &
    bench=$!
    timeout "$seconds" redis-cli -p 16379 -r 10000 -i 0.4 eval "$script" 0 > eval.log 2>&1 || true
    kill $bench 2> /dev/null || true
}

case $variant in
asyncio-sleep | asyncio-compute)
    command -v python3 > /dev/null || { echo "python3 is not installed here" >&2; exit 77; }
    exec python3 quiet/server.py "${variant#asyncio-}" "$seconds"
    ;;
redis-lua) redis_lua ;;
*)
    echo "no variant $variant: asyncio-sleep, asyncio-compute or redis-lua" >&2
    exit 2
    ;;
esac
