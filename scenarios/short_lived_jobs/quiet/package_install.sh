#!/bin/sh
# A look-alike: dpkg installs and removes packages, with scripts of theirs, for SECONDS; into the cell's own tmpfs.
# Needs dpkg; exits 77 without it.
set -eu
cd "${SANTABPF_CELL:?run this with: santabpf drill short_lived_jobs --variant package-install}"
seconds=${1:?how many seconds}
PATH=$PATH:/usr/sbin:/sbin
for program in dpkg dpkg-deb; do
    command -v $program > /dev/null || { echo "$program is not installed here" >&2; exit 77; }
done

mkdir -p root/var/lib/dpkg/info root/var/lib/dpkg/updates packages
: > root/var/lib/dpkg/status
for package in 01 02 03 04 05 06 07 08 09 10 11 12 13 14 15 16; do
    mkdir -p build/usr/share/santa-$package build/DEBIAN
    dd if=/dev/urandom of=build/usr/share/santa-$package/manual bs=64k count=16 status=none
    cat > build/DEBIAN/control << END
Package: santa-$package
Version: 1.0
Architecture: all
Maintainer: nobody <nobody@localhost>
Description: a manual in many chapters, and a script that packs them
END
    cat > build/DEBIAN/postinst << END
#!/bin/sh
set -e
chapter=0
while [ \$chapter -lt 25 ]; do
    chapter=\$((chapter + 1))
    gzip -9 -c -S .\$chapter "\$DPKG_ROOT/usr/share/santa-$package/manual" > "\$DPKG_ROOT/packed"
done
END
    chmod 755 build/DEBIAN build/DEBIAN/postinst
    dpkg-deb --root-owner-group -Znone -b build packages/$package.deb > /dev/null
    rm -rf build
done

read -r word || true
timeout "$seconds" dpkg --root="$PWD/root" --force-script-chrootless -i packages/*.deb > dpkg.log 2>&1 || true
