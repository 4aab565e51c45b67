#!/bin/sh
# Makes embedded.S (the bytes) and embedded.c (the table) from sql/, web/dist/ and docs/api/.
# Usage: embed.sh SOURCE_DIR OUTPUT_DIR
set -eu
src=$1
out=$2
: >"$out/embedded.S.new"
{
    echo '#include "base/embed.h"'
    echo '#include <stddef.h>'
} >"$out/embedded.c.new"
table=
n=0
for file in $(cd "$src" && find sql web/dist docs/api -type f 2>/dev/null | LC_ALL=C sort); do
    {
        echo "    .section .rodata"
        echo "    .global foyer_embed_$n"
        echo "    .global foyer_embed_${n}_end"
        echo "    .balign 16"
        echo "foyer_embed_$n:"
        echo "    .incbin \"$src/$file\""
        echo "foyer_embed_${n}_end:"
        echo "    .byte 0"
    } >>"$out/embedded.S.new"
    echo "extern const char foyer_embed_$n[], foyer_embed_${n}_end[];" >>"$out/embedded.c.new"
    table="$table    {\"$file\", foyer_embed_$n, foyer_embed_${n}_end},
"
    n=$((n + 1))
done
echo '    .section .note.GNU-stack,"",@progbits' >>"$out/embedded.S.new"
{
    echo "const struct embed_file embed_files[] = {"
    printf '%s' "$table"
    echo "    {NULL, NULL, NULL},"
    echo "};"
} >>"$out/embedded.c.new"
mv "$out/embedded.S.new" "$out/embedded.S"
mv "$out/embedded.c.new" "$out/embedded.c"
