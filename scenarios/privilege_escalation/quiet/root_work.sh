#!/bin/sh
# A look-alike: root's ordinary work. An installer that unpacks itself below /tmp and runs what it unpacked, a package that
# is built, installed elsewhere and runs its scripts, and a set-user-ID bit in it. For SECONDS. Needs dpkg-deb.
set -eu
cd "${SANTABPF_CELL:?run this with: santabpf drill privilege_escalation --variant root-work}"
seconds=${1:?how many seconds}
for program in dpkg dpkg-deb; do
    command -v $program > /dev/null || { echo "$program is not installed here" >&2; exit 77; }
done
mkdir -p pkg/DEBIAN pkg/usr/bin root/var/lib/dpkg/info root/var/lib/dpkg/updates root/var/lib/dpkg/triggers
: > root/var/lib/dpkg/status
: > root/var/lib/dpkg/available
cp /bin/true pkg/usr/bin/drill-tool
chmod 4755 pkg/usr/bin/drill-tool
printf 'Package: drill-tool\nVersion: 1\nArchitecture: all\nMaintainer: drill <drill@localhost>\nDescription: drill\n' > pkg/DEBIAN/control
printf '#!/bin/sh\nexit 0\n' > pkg/DEBIAN/postinst
chmod 755 pkg/DEBIAN/postinst
cat > installer.run << "END"
#!/bin/sh
mkdir -p /tmp/drill/selfgz1
cp /bin/true /tmp/drill/selfgz1/setup
/tmp/drill/selfgz1/setup
rm -r /tmp/drill/selfgz1
END
chmod +x installer.run
read -r word || true
turn=0
while [ $turn -lt "$seconds" ]; do
    turn=$((turn + 1))
    ./installer.run
    dpkg-deb -b pkg drill-tool.deb > out
    dpkg --root="$PWD/root" --force-all --force-script-chrootless --log=/dev/null -i drill-tool.deb > out 2>&1 || { cat out >&2; exit 1; }
    sleep 0.7
done
