#!/bin/sh
# A look-alike: user 65534 builds in a temporary folder and runs what it built there: a configure that tries out what the
# compiler can do, and make with tests; as pip, cargo and go do below /tmp. For SECONDS.
set -eu
cd "${SANTABPF_CELL:?run this with: santabpf drill privilege_escalation --variant build}"
seconds=${1:?how many seconds}
for program in gcc make setpriv; do
    command -v $program > /dev/null || { echo "$program is not installed here" >&2; exit 77; }
done
mkdir src
cd src
cat > configure << 'END'
#!/bin/sh
for check in 1 2 3; do
    echo "int main(void) { return sizeof(long) != 8; }" > conftest.c
    gcc -o conftest conftest.c && ./conftest && rm -f conftest conftest.c
done
END
chmod +x configure
printf 'int main(void) { return 0; }\n' > test_one.c
cp test_one.c test_two.c
cat > Makefile << 'END'
check: test_one test_two
	./test_one
	./test_two
configured:
	./configure
clean:
	rm -f test_one test_two
END
chown -R 65534:65534 .
chmod 755 .. .
read -r word || true
sleep "$seconds" &
clock=$!
while kill -0 $clock 2> /dev/null; do
    setpriv --reuid 65534 --regid 65534 --clear-groups make -s configured check clean
    sleep 0.3
done
