#!/bin/sh
# Provokes cpu_usage, inside a cell: santabpf reproduce cpu_usage
# variants: hogs
# also: cpu_saturation cpu_throttling
# cell: cpus=2 cpu_percent=186
#
#   reproduce.sh hogs SECONDS    four processes, two for each CPU, compute all the time
#
# cpu_percent lets the drill have the CPUs before others of this machine, and leaves the recorder some.
# On a machine with more than two CPUs they can't fill it: exits 77 there.
set -eu
cd "${SANTABPF_CELL:?run this with: santabpf reproduce cpu_usage}"
variant=${1:?hogs} seconds=${2:?how many seconds}
[ "$variant" = hogs ] || { echo "no variant $variant: hogs" >&2; exit 2; }
[ "$(grep -c ^processor /proc/cpuinfo)" -le 2 ] || { echo "a cell of two CPUs can't fill a machine with more, and nothing else is installed here" >&2; exit 77; }
cat > resize-images << 'END'
#!/bin/sh
# Four workers, each of which computes all the time.
for worker in 1 2 3 4; do
    timeout "$1" sha256sum /dev/zero > /dev/null || true &
done
wait
END
chmod +x resize-images
read -r word || true
exec ./resize-images "$seconds"
