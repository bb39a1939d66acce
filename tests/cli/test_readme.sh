#!/usr/bin/env bash
# What the README shows is what is there.
. "$(dirname "$0")/lib.sh"
readme="$source_dir/README.md"

block() { # block LANGUAGE: the first code block of this language
    awk -v fence='```'"$1" '$0 == fence {on = 1; next} /^```/ {if (on) exit} on' "$readme"
}
block c >"$tmp/hello.c"
check "the C program is tests/examples/hello.c" diff "$tmp/hello.c" "$source_dir/tests/examples/hello.c"

# Its job file is a good one: everything in it is known; only the input is missing here.
block json >"$tmp/job.json"
mkdir "$tmp/models"
cp "$source_dir"/jobs/models/{small,large}.h5 "$tmp/models"
echo '{"id": "1", "tenant": "acme", "input": [0.5,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0]}' >"$tmp/requests.jsonl"
expect 0 cadre plan "$tmp/job.json"
says "worst case in all"

# Files and folders that it links to are there.
while read -r path; do
    check "$path is there" test -e "$source_dir/$path"
done < <(grep -oE '\]\([a-zA-Z][^)#:]*\)' "$readme" | sed 's/^](//; s/)$//')
finish
