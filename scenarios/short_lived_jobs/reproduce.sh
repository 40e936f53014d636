#!/bin/sh
# Provokes short_lived_jobs, inside a cell: santabpf reproduce short_lived_jobs [--variant restart-loop|cron]
# variants: restart-loop cron
# also: cpu_usage
# also restart-loop: crash_loop
#
#   reproduce.sh restart-loop SECONDS   a supervisor restarts a service that burns 50 ms of CPU and exits 1
#   reproduce.sh cron SECONDS           a cron script gone wild: dd | gzip | sha256sum and tiny shells, all exit 0
#
# Like every reproducer it sets itself up, waits until its standard input is closed, and ends by itself.
set -eu
cd "${SANTABPF_CELL:?run this with: santabpf reproduce short_lived_jobs}"
variant=${1:?restart-loop or cron} seconds=${2:?how many seconds}

# Both parents wait for the word, then work until a sleep of theirs is over: no clock process at each turn.
begin='#!/bin/sh
read -r word || true
sleep "$1" &
clock=$! turns=0
while [ $turns -lt 5000 ] && kill -0 $clock 2> /dev/null; do
    turns=$((turns + 1))'

restart_loop() {
    cat > billing-service << 'END'
#!/bin/sh
# Reads its configuration for some 50 ms of CPU, then gives up.
line=0
while [ $line -lt 70000 ]; do line=$((line + 1)); done
echo "billing-service: no database.url in $2" >&2
exit 1
END
    cat > supervise << END
$begin
    ./billing-service --config billing.conf 2> last-error || true
done
END
    chmod +x billing-service supervise
    exec ./supervise "$seconds"
}

cron() {
    cat > rotate-logs << 'END'
#!/bin/sh
# Once wrote one archive a night; now its pattern matches every file there is.
for log in 1 2 3 4 5 6 7 8; do
    dd if=/dev/urandom bs=64k count=32 status=none | gzip -9 > archive.$log
    for check in 1 2 3; do sh -c "wc -c < archive.$log > size; sha256sum archive.$log > sum"; done
done
END
    cat > minicron << END
$begin
    ./rotate-logs
    sleep 0.1
done
END
    chmod +x rotate-logs minicron
    exec ./minicron "$seconds"
}

case $variant in
restart-loop) restart_loop ;;
cron) cron ;;
*)
    echo "no variant $variant: restart-loop or cron" >&2
    exit 2
    ;;
esac
