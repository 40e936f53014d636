#!/bin/sh
# Sets up a checkout: setup.sh python|demo|test
#
#   python   .venv with the pinned Python packages of requirements.lock, and SantaBPF itself, editable
#   demo     that, and python3-bpfcc, without which nothing can be recorded on this machine
#   test     that, and the programs that the tests and drills start themselves, on loopback, and stop again; and
#            jupyter-scheduler in .venv/scheduler, beside the other packages: among them, each JupyterLab would load it
#
# As root on Debian or Ubuntu it installs what is missing and says why; no service is started, now or at the next boot.
# Anywhere else it says in one line what is missing, and goes on. Done once, it takes a moment.
set -eu
level=${1:?python, demo or test}
cd "$(dirname "$0")/.."
policy=/usr/sbin/policy-rc.d
saved=$policy.before-santabpf
venv=.venv

say() { printf 'setup: %s\n' "$*" >&2; }
has() { PATH=$PATH:/usr/sbin:/sbin command -v "$1" > /dev/null 2>&1; }

# Debian package | how to see that it is there | what for
demo_packages() {
    cat << 'END'
python3-bpfcc|/usr/bin/python3 -c 'import bcc'|compiles and loads BPF programs; nothing can be recorded without it
END
}
test_packages() {
    cat << 'END'
openssh-server|test -x /usr/sbin/sshd|the tests record over an sshd of their own on loopback
openssh-client|has ssh|asked how hosts are reached (ssh -G); makes the keys of the tests
chromium|has chromium|the tests open reports in it, with the network off
fonts-dejavu-core|test -d /usr/share/fonts/truetype/dejavu|so that it has letters to draw
gcc|has gcc|compiles, in a drill that must stay quiet
libc6-dev|test -e /usr/include/stdio.h|what is compiled there includes it
make|has make|builds, in that drill
procps|has ps|lists processes in the tests
redis-server|has redis-server|a busy server, in a drill that must stay quiet
redis-tools|has redis-benchmark|makes it busy
apache2-bin|has apache2|another busy server, in that drill (without its service)
wrk|has wrk|makes it busy
iproute2|has ip|makes networks of their own for the tests of tcp_loss and drops
e2fsprogs|has mkfs.ext4|makes disks of their own for the tests of block_io and page_cache
mount|has losetup|mounts those
linux-perf|has perf|makes the load of many tests; SantaBPF is measured beside it
bpftrace|has bpftrace|SantaBPF is measured beside it, in the tests too
qemu-system-x86|has qemu-system-x86_64|runs a second node with another kernel, in the tests
debootstrap|has debootstrap|makes that node's disk, kept in ~/.cache/santabpf
END
}

wanted() {
    case $level in
    python) ;;
    demo) demo_packages ;;
    test) demo_packages && test_packages ;;
    esac
}

lacking() { # the lines of what is not there
    wanted | while IFS='|' read -r name check why; do
        eval "$check" > /dev/null 2>&1 || printf '%s|%s\n' "$name" "$why"
    done
}

restore_policy() {
    rm -f "$policy"
    if [ -e "$saved" ]; then mv "$saved" "$policy"; fi
}

mend_policy() { # waits for another set-up that has its policy there; puts things right after one that was killed
    while pid=$(sed -n 's/^# SantaBPF set-up, process //p' "$policy" 2> /dev/null) && [ -n "$pid" ]; do
        if [ -d "/proc/$pid" ]; then sleep 1; else restore_policy; fi
    done
    if [ -e "$saved" ] && [ ! -e "$policy" ]; then restore_policy; fi
}

# Packages start and enable their services when they are installed. A policy-rc.d that forbids it stands there for as
# long as apt-get runs (one that was there is put back, whatever happens), and what got enabled is disabled again.
install() { # package names
    before=$(enabled)
    mend_policy
    if [ -e "$policy" ]; then mv "$policy" "$saved"; fi
    trap restore_policy EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM HUP
    printf '#!/bin/sh\n# SantaBPF set-up, process %s\n# no service is started by it\nexit 101\n' $$ > "$policy"
    chmod 755 "$policy"
    status=0
    DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=120 -o Dpkg::Use-Pty=0 \
        install --no-install-recommends "$@" > "$log" 2>&1 || status=$?
    restore_policy
    trap - EXIT INT TERM HUP
    for service in $(enabled); do
        case " $before " in *" $service "*) continue ;; esac
        case $service in
        rc:*) update-rc.d "${service#rc:}" disable > /dev/null 2>&1 || true ;;
        *) systemctl disable --quiet "$service" > /dev/null 2>&1 || true ;;
        esac
        say "${service#rc:} will not start at boot either: disabled"
    done
    return $status
}

enabled() { # those of the servers below that would start at boot, in one line: units of systemd, rc:NAME of init scripts
    for link in /etc/systemd/system/*.wants/*; do
        case ${link##*/} in
        ssh.* | sshd.* | redis*.service | apache*.service) if [ -L "$link" ]; then printf '%s ' "${link##*/}"; fi ;;
        esac
    done
    for link in /etc/rc2.d/S*; do
        name=${link##*/S??}
        case $name in
        ssh | redis* | apache*) printf 'rc:%s ' "$name" ;;
        esac
    done
}

packages() {
    if [ "$(id -u)" = 0 ]; then mend_policy; fi
    missing=$(lacking)
    if [ -z "$missing" ]; then return; fi
    names=$(printf '%s\n' "$missing" | cut -d '|' -f 1 | tr '\n' ' ')
    command="apt-get install --no-install-recommends $names"
    if ! has apt-get; then
        say "missing here, and there is no apt-get: $names- what needs them is left out"
        return
    fi
    if [ "$(id -u)" != 0 ]; then
        say "missing, and only root can install it: $names- what needs them is left out; as root: $command"
        return
    fi
    log=$(mktemp)
    apt-get -q -y -o DPkg::Lock::Timeout=120 update > "$log" 2>&1 || say "apt-get update failed: $(tail -n 1 "$log")"
    chosen=''
    for name in $names; do
        if apt-cache policy "$name" 2> /dev/null | grep -q 'Candidate: [0-9]'; then
            chosen="$chosen $name"
            say "installing $(printf '%s\n' "$missing" | grep "^$name|" | sed 's/|/: /')"
        else
            say "$name is not among this distribution's packages; what needs it is left out"
        fi
    done
    # shellcheck disable=SC2086 # names of packages, to be split
    if [ -n "$chosen" ] && ! install $chosen; then
        say "apt-get failed, so what needs these packages is left out: $(grep '^E:' "$log" | head -n 1)"
    fi
    rm -f "$log"
}

usable() { # is this a Python >= 3.11 that can make virtual environments?
    "$1" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' > /dev/null 2>&1
}

find_python() {
    for python in ${PYTHON:-} python3 /usr/bin/python3 python3.14 python3.13 python3.12 python3.11; do
        if usable "$python"; then
            printf '%s' "$python"
            return
        fi
    done
}

python() {
    stamp=$(cat requirements.lock pyproject.toml | cksum | tr ' ' '-')
    if [ -e "$venv/set-up-$stamp" ] && "$venv/bin/python" -c 'import santabpf' 2> /dev/null; then return; fi
    python=$(find_python)
    if [ -z "$python" ] && [ "$(id -u)" = 0 ] && has apt-get &&
        /usr/bin/python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2> /dev/null; then
        log=$(mktemp)
        say "installing python3-venv: makes the virtual environment"
        apt-get -q -y -o DPkg::Lock::Timeout=120 update > "$log" 2>&1 || true
        install python3-venv || say "apt-get failed: $(grep '^E:' "$log" | head -n 1)"
        rm -f "$log"
        python=$(find_python)
    fi
    if [ -z "$python" ]; then
        say "no Python >= 3.11 with venv is here; install one (Debian, Ubuntu: apt-get install python3-venv)"
        exit 1
    fi
    say "Python packages into $venv, once (a minute or two): $(grep -c == requirements.lock), pinned in requirements.lock"
    rm -rf "$venv"
    "$python" -m venv "$venv"
    "$venv/bin/python" -m pip install -qq --disable-pip-version-check -r requirements.lock
    "$venv/bin/python" -m pip install -qq --disable-pip-version-check --no-deps --no-build-isolation -e .
    touch "$venv/set-up-$stamp"
}

scheduler() {
    stamp=$(cksum < requirements-scheduler.lock | tr ' ' '-')
    if [ -e "$venv/scheduler/set-up-$stamp" ]; then return; fi
    rm -rf "$venv/scheduler"
    "$venv/bin/python" -m pip install -qq --disable-pip-version-check --no-deps --target "$venv/scheduler" \
        -r requirements-scheduler.lock
    touch "$venv/scheduler/set-up-$stamp"
}

case $level in
python | demo | test) ;;
*) say "no level $level: python, demo or test" && exit 2 ;;
esac
packages
python
if [ "$level" = test ]; then scheduler; fi
