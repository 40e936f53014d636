#!/bin/sh
# Provokes crash_loop, inside a cell: santabpf reproduce crash_loop [--variant config|segfault]
# variants: config segfault
# also: short_lived_jobs
#
#   reproduce.sh config SECONDS      a supervisor starts a service that finds no database in its configuration and exits 78
#   reproduce.sh segfault SECONDS    the service ends by a memory fault (signal 11) instead
set -eu
cd "${SANTABPF_CELL:?run this with: santabpf reproduce crash_loop}"
variant=${1:?config or segfault} seconds=${2:?how many seconds}

cat > supervise << 'END'
#!/bin/sh
# Starts its service again whenever it has ended, as supervisors do.
read -r word || true
sleep "$1" &
clock=$! turns=0
while [ $turns -lt 1000 ] && kill -0 $clock 2> /dev/null; do
    turns=$((turns + 1))
    ./billing-service --config billing.conf 2> last-error || true
    sleep 0.2
done
END
case $variant in
config) end='echo "billing-service: no database.url in $2" >&2; exit 78' ;;
segfault) end='kill -SEGV $$' ;;
*)
    echo "no variant $variant: config or segfault" >&2
    exit 2
    ;;
esac
printf '#!/bin/sh\nsleep 0.1\n%s\n' "$end" > billing-service
chmod +x supervise billing-service
exec ./supervise "$seconds"
