#!/bin/sh
# A look-alike with the very same signature: a gcc/make build, all of whose CPU goes into processes of under a second.
# Builds 36 C files again and again for SECONDS. Needs gcc and make; exits 77 without them.
set -eu
cd "${SANTABPF_CELL:?run this with: santabpf drill short_lived_jobs --variant build}"
seconds=${1:?how many seconds}
for program in gcc make; do
    command -v $program > /dev/null || { echo "$program is not installed here" >&2; exit 77; }
done
mkdir src
cd src
objects='' file=0
while [ $file -lt 36 ]; do
    file=$((file + 1))
    objects="$objects part$file.o"
    cat > part$file.c << END
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
struct row$file { int key; char text[32]; };
static int compare(const void *a, const void *b) { return ((struct row$file *)a)->key - ((struct row$file *)b)->key; }
int part$file(int count) {
    struct row$file *rows = calloc(count, sizeof *rows);
    int sum = 0;
    for (int i = 0; rows && i < count; i++) {
        rows[i].key = (i * 7919 + $file) % 104729;
        snprintf(rows[i].text, sizeof rows[i].text, "row %d of %d", i, $file);
    }
    if (rows) qsort(rows, count, sizeof *rows, compare);
    for (int i = 0; rows && i < count; i++) sum += rows[i].key ^ (int)strlen(rows[i].text);
    free(rows);
    return sum;
}
END
done
printf 'int main(void) { return 0; }\n' > main.c
cat > Makefile << END
CFLAGS = -O2 -Wall
program: main.o$objects
	gcc -o \$@ \$^
clean:
	rm -f program *.o
END
read -r word || true
sleep "$seconds" &
clock=$!
while kill -0 $clock 2> /dev/null; do
    make -s -j2
    make -s clean
done
