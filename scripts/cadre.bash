# Completion of cadre's arguments for bash. Installed as
# share/bash-completion/completions/cadre; or: source scripts/cadre.bash
# shellcheck shell=bash

_cadre() {
    local current="${COMP_WORDS[COMP_CWORD]}" previous="${COMP_WORDS[COMP_CWORD - 1]}"
    local commands="run plan report train bench coll topo env info help" common="--help" options=
    COMPREPLY=()
    if [ "$COMP_CWORD" -eq 1 ]; then
        mapfile -t COMPREPLY < <(compgen -W "$commands --help --version" -- "$current")
        return
    fi
    case "$previous" in
    --progress) mapfile -t COMPREPLY < <(compgen -W "auto plain off" -- "$current") && return ;;
    --format) mapfile -t COMPREPLY < <(compgen -W "text json csv html" -- "$current") && return ;;
    esac
    case "${COMP_WORDS[1]}" in
    run) options="--output --overwrite --dry-run --set --progress" ;;
    plan) options="--set" ;;
    report) options="--format --output" ;;
    train) options="--set --output --quiet" ;;
    bench) options="shards infer ops collectives --output --format --repetitions --requests --kib --max-shards --model --tokenizer --kernel --options --shards --ranks-per-shard --prompt-tokens --max-tokens --ragged --prefill --single --type --rows --n-out --n-in --collective --sizes --algorithms --buffers --dtype --reduction" ;;
    coll) options="explain --collective --sizes --dtype --reduction --buffers --format --no-measure" ;;
    topo) options="--format" ;;
    env) options="--format" ;;
    info) options="ops --format" ;;
    help) options="$commands --man" ;;
    esac
    mapfile -t COMPREPLY < <(compgen -W "$options $common" -- "$current"; compgen -f -- "$current")
}
complete -o filenames -F _cadre cadre
