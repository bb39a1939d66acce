#!/usr/bin/env bash
# Compares every #include in the tree with the table of layers, so that the table stays true.
# Usage: check_layers.sh [ROOT]. Prints each violation as file:line, exits 1 if there is one.
set -euo pipefail
cd "${1:-$(dirname "$0")/..}"

# Layer, then the layers that it may include, then [foreign headers that it owns], as patterns.
# "public" are all headers of include/cadre, and "any" is everything in the tree.
layers='
src/core        |                                      |
src/topo        | src/core                             | hwloc.h
src/comm        | src/core                             | mpi.h
kernels/ops     | src/core                             | cblas.h openblas_config.h immintrin.h cpuid.h
src/coll        | src/core src/topo src/comm kernels/ops |
src/preload     | src/core src/comm src/coll kernels/ops | mpi.h
src/io          | src/core                             | hdf5.h cJSON.h cjson/cJSON.h xxhash.h zlib.h
src/group       | src/core src/topo src/comm src/coll  |
src/router      | src/core src/io                      |
src/report      | src/core src/io                      |
src/run         | src/core src/topo src/comm kernels/ops src/coll src/io src/group src/router src/report |
src/cli         | any                                  |
kernels         | public                               |
kernels/transformer | public                           | pcre2.h
tests/examples  | public                               |
tests           | any                                  | cmocka.h mpi.h hdf5.h hwloc.h zlib.h
jobs            | public                               |
bench           | any                                  | mpi.h
'

# Which layer a public header belongs to.
public='
status export log clock money hist dtype request : src/core
topo                                             : src/topo
comm kernel                                      : src/comm
mpi                                              : src/comm
ops matrix                                       : kernels/ops
coll                                             : src/coll
io options                                       : src/io
group                                            : src/group
'

# Headers of C, POSIX and Linux, which anybody may include.
libc='assert ctype dirent dlfcn errno fcntl fenv float ftw getopt inttypes langinfo limits locale malloc math
memory poll pthread sched semaphore setjmp signal spawn stdalign stdarg stdatomic stdbool stddef
stdint stdio stdlib stdnoreturn string strings termios threads time ucontext unistd wchar'

# One awk for all files: the list is far below what a command line can hold.
find . -path ./.git -prune -o -path './build*' -prune -o -name '*.[ch]' -printf '%P\n' | sort |
    xargs -d '\n' -r awk -v layers="$layers" -v public="$public" -v libc="$libc" '
    function trim(s) { gsub(/^[ \t]+|[ \t]+$/, "", s); return s }

    # The layer whose folder is the longest prefix of path.
    function layer_of(path,    l, best) {
        best = ""
        for (l in allowed)
            if (index(path, l "/") == 1 && length(l) > length(best))
                best = l
        return best
    }

    function bad(what) {
        printf "%s:%d: %s\n", FILENAME, FNR, what
        n_bad++
    }

    # Whether layer `from` may use layer `to`.
    function may(from, to) {
        return from == to || index(allowed[from], " any ") || index(allowed[from], " " to " ")
    }

    function check_public(name,    home) {
        home = home_of[name]
        if (name == "cadre" || home == "")
            home = name == "cadre" ? "src/group" : ""
        if (home == "")
            bad("<cadre/" name ".h> is not in the table of public headers")
        else if (index(allowed[layer], " public ") == 0 && !may(layer, home))
            bad(layer " may not include <cadre/" name ".h>, which belongs to " home)
        else if (name == "mpi" && layer != "src/comm" && layer != "src/preload" && layer != "tests")
            bad("<cadre/mpi.h> shows <mpi.h>: only src/comm, src/preload and programs of users include it")
    }

    function check_foreign(name,    word) {
        if (name in owners) {
            if (index(owners[name], " " layer " ") == 0)
                bad(layer " does not own <" name ">; owned by" owners[name])
            return
        }
        word = name
        sub(/\.h$/, "", word)
        if (!(word in known) && name !~ /^(sys|linux|arpa|netinet)\//)
            bad("<" name "> is in no table: no folder owns it")
    }

    function check_own(name,    target) {
        # As found from src/, from kernels/, or beside the file.
        if (name ~ /^(ops|mlp|transformer)\//)
            target = layer_of("kernels/" name)
        else
            target = name ~ /\// ? layer_of("src/" name) : layer
        if (target == "")
            bad("\"" name "\" leads to no layer")
        else if (target == layer)
            return
        else if (!may(layer, target))
            bad(layer " may not include \"" name "\", which is " target)
    }

    BEGIN {
        n = split(layers, lines, "\n")
        for (i = 1; i <= n; i++) {
            if (split(lines[i], f, "|") < 3)
                continue
            name = trim(f[1])
            allowed[name] = " " trim(f[2]) " "
            m = split(trim(f[3]), own, " ")
            for (k = 1; k <= m; k++) {
                before = own[k] in owners ? owners[own[k]] : " "
                owners[own[k]] = before name " "
            }
        }
        n = split(public, lines, "\n")
        for (i = 1; i <= n; i++) {
            if (split(lines[i], f, ":") < 2)
                continue
            m = split(trim(f[1]), names, " ")
            for (k = 1; k <= m; k++)
                home_of[names[k]] = trim(f[2])
        }
        n = split(libc, names, /[ \n]+/)
        for (i = 1; i <= n; i++)
            known[names[i]] = 1
    }

    FNR == 1 {
        n_files++
        layer = layer_of(FILENAME)
        if (FILENAME ~ /^include\/cadre\//) {
            name = FILENAME
            sub(/.*\//, "", name)
            sub(/\.h$/, "", name)
            layer = name == "cadre" ? "tests" : home_of[name]
        }
        if (layer == "")
            bad("the file is in no layer")
    }

    layer != "" && /^[ \t]*#[ \t]*include/ {
        line = $0
        sub(/^[ \t]*#[ \t]*include[ \t]*/, "", line)
        quoted = substr(line, 1, 1) == "\""
        name = substr(line, 2)
        sub(/[">].*/, "", name)
        if (quoted && index(allowed[layer], " public ")) {
            if (name ~ /\//)
                bad(layer " sees only include/cadre, not \"" name "\"")
        } else if (quoted) {
            check_own(name)
        } else if (name ~ /^cadre\//) {
            sub(/^cadre\//, "", name)
            sub(/\.h$/, "", name)
            check_public(name)
        } else {
            check_foreign(name)
        }
    }

    END {
        if (n_bad)
            exit 1
        printf "layers: %d files respect the table\n", n_files
    }' || exit 1
