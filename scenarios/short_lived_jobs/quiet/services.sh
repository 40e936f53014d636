#!/bin/sh
# A look-alike: a busy redis and a busy apache, with small cron-like jobs beside them, for SECONDS.
# Both run with configurations of their own, on the cell's loopback and tmpfs. Needs redis-server, redis-tools, apache2-bin
# and wrk; exits 77 without them.
set -eu
cd "${SANTABPF_CELL:?run this with: santabpf drill short_lived_jobs --variant services}"
seconds=${1:?how many seconds}
for program in redis-server redis-benchmark apache2 wrk; do
    command -v $program > /dev/null || { echo "$program is not installed here" >&2; exit 77; }
done

redis-server --bind 127.0.0.1 --port 16379 --save '' --appendonly no --dir "$PWD" > redis.log 2>&1 &
redis=$!
mkdir site
printf 'hello from a busy site\n' > site/index.html
modules=/usr/lib/apache2/modules
cat > apache.conf << END
ServerRoot $PWD
ServerName localhost
Listen 127.0.0.1:18080
PidFile $PWD/apache.pid
DefaultRuntimeDir $PWD
Mutex file:$PWD
ErrorLog $PWD/error.log
LoadModule mpm_event_module $modules/mod_mpm_event.so
LoadModule authz_core_module $modules/mod_authz_core.so
User nobody
Group nogroup
StartServers 1
ThreadsPerChild 25
MaxRequestWorkers 25
ServerLimit 1
DocumentRoot $PWD/site
<Directory $PWD/site>
    Require all granted
</Directory>
END
chmod 755 .
apache2 -X -f "$PWD/apache.conf" > apache.log 2>&1 &
apache=$!
trap 'kill $redis $apache 2> /dev/null || true' EXIT
tries=0
until redis-cli -p 16379 ping > /dev/null 2>&1 && wrk -t1 -c1 -d1s http://127.0.0.1:18080/ > /dev/null 2>&1; do
    tries=$((tries + 1))
    if [ $tries -ge 50 ]; then
        cat redis.log apache.log error.log >&2
        exit 1
    fi
    sleep 0.1
done

read -r word || true
wrk -t1 -c8 -d"${seconds}s" http://127.0.0.1:18080/ > wrk.log 2>&1 &
web=$!
timeout "$seconds" redis-benchmark -p 16379 -c 8 -n 100000000 -t get,set -q > bench.log 2>&1 &
cache=$!
turn=0
while [ $turn -lt "$seconds" ]; do
    turn=$((turn + 1))
    sh -c 'date > stamp; redis-cli -p 16379 info > info; gzip -c info | sha256sum > sum; wc -c info > size'
    sleep 0.9
done
wait $web
wait $cache || true
