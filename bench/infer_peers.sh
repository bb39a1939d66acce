#!/usr/bin/env bash
# Text generation beside llama.cpp: the same model file, the same work, the same cores, in turns.
#
# usage: infer_peers.sh [options] MODEL.gguf [-- OPTIONS of cadre bench infer]
#
#   --peer FILE          llama-batched-bench (default: the one in PATH)
#   --cadre FILE         the program cadre (default: build/bin/cadre)
#   --what WHAT          job      prompt and generated tokens per second of an offline job (default)
#                        prefill  prompt tokens per second of one long prompt at a time
#                        single   generated tokens per second of one sequence
#   --requests N         texts of the job (256)
#   --prompt-tokens N    tokens of each prompt (128; with prefill 512)
#   --max-tokens N       tokens to generate for each (64)
#   --batches "1 8 ..."  sequences at a time, of which the peer may choose the best (8 16 32 64 128)
#   --cores LIST         cores for either program, as taskset takes them (0,1)
#   --ranks N            ranks of cadre: one coordinates and sleeps (one more than cores; with single 2,
#                        since one sequence runs on one rank, whose threads take all cores)
#   --rounds N           how often both are measured, in turns (3)
#
# The peer's best batch size, with and without flash attention, is found first, in runs that
# generate a quarter as much. It serves one batch from start to end with all sequences equally
# long, which is its best case. Prints each round, medians, spread and ratio.
set -euo pipefail
project="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
# shellcheck source=../scripts/mpi_env.sh
. "$project/scripts/mpi_env.sh"

die() {
    echo "infer_peers.sh: $*" >&2
    exit 2
}

peer="$(command -v llama-batched-bench || true)"
cadre="$project/build/bin/cadre"
what=job requests=256 prompt_tokens='' max_tokens=64 batches='8 16 32 64 128' cores=0,1 ranks='' rounds=3
model='' more=()
while [ $# -gt 0 ]; do
    case "$1" in
    --help | -h)
        sed -n '2,/^set/{s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}"
        exit 0
        ;;
    --)
        shift
        more=("$@")
        break
        ;;
    --peer | --cadre | --what | --requests | --prompt-tokens | --max-tokens | --batches | --cores | --ranks | --rounds)
        [ $# -ge 2 ] || die "$1 needs a value"
        name="${1#--}"
        printf -v "${name//-/_}" '%s' "$2"
        shift
        ;;
    -*) die "unknown option $1" ;;
    *)
        [ -z "$model" ] || die "one model, not \"$model\" and \"$1\""
        model="$1"
        ;;
    esac
    shift
done
[ -f "$model" ] || die "expected a model file, found \"$model\""
[ -x "$peer" ] || die "llama-batched-bench is not in PATH; give --peer FILE"
[ -x "$cadre" ] || die "no program $cadre; give --cadre FILE"
case "$what" in
job) prompt_tokens="${prompt_tokens:-128}" ;;
prefill) prompt_tokens="${prompt_tokens:-512}" max_tokens=1 batches=1 ;;
single) prompt_tokens="${prompt_tokens:-128}" batches=1 ranks="${ranks:-2}" ;;
*) die "--what: expected job, prefill or single, found \"$what\"" ;;
esac
n_cores="$(taskset -c "$cores" nproc)"
ranks="${ranks:-$((n_cores + 1))}"
tmp="$(mktemp -d "${TMPDIR:-/tmp}/infer-peers-XXXXXX")"
trap 'rm -rf -- "$tmp"' EXIT

# field NAME: a number of the peer's line of JSON on standard input.
field() {
    sed -n 's/.*"'"$1"'": *\([0-9.]*\).*/\1/p'
}

# peer_rate BATCH GENERATE FLAGS...: what the peer reaches, in tokens/s. The job's rate is put
# together from those of its phases, so that a run that generates less can stand for it.
peer_rate() {
    local batch="$1" generate="$2" context line
    shift 2
    context=$((batch * (prompt_tokens + generate)))
    line="$(taskset -c "$cores" "$peer" -m "$model" -t "$n_cores" -tb "$n_cores" -npp "$prompt_tokens" \
        -ntg "$generate" -npl "$batch" -c $((context < 512 ? 512 : context)) --output-format jsonl \
        "$@" 2>"$tmp/peer.log" | grep '^{' | tail -1)" || die "the peer failed: $(tail -3 "$tmp/peer.log")"
    case "$what" in
    prefill) field speed_pp <<<"$line" ;;
    single) field speed_tg <<<"$line" ;;
    job)
        awk -v p="$prompt_tokens" -v g="$max_tokens" -v pp="$(field speed_pp <<<"$line")" \
            -v tg="$(field speed_tg <<<"$line")" 'BEGIN { printf "%.2f\n", (p + g) / (p / pp + g / tg) }'
        ;;
    esac
}

# cadre_rate: what cadre reaches, in tokens/s, from the named column of its table.
cadre_rate() {
    local column=tokens_per_s
    local load=(--requests "$requests" --prompt-tokens "$prompt_tokens" --max-tokens "$max_tokens")
    case "$what" in
    prefill) load=(--prefill "$prompt_tokens") ;;
    single)
        load=(--single --prompt-tokens "$prompt_tokens" --max-tokens "$max_tokens")
        column=tpot_p50_ms
        ;;
    esac
    taskset -c "$cores" mpirun --quiet -n "$ranks" "$cadre" bench infer --model "$model" "${load[@]}" \
        --repetitions 1 --output "$tmp/bench" --format csv "${more[@]}" >"$tmp/cadre.csv" \
        2>"$tmp/cadre.log" || die "cadre failed: $(tail -3 "$tmp/cadre.log")"
    awk -F, -v column="$column" '
        NR == 1 { for (i = 1; i <= NF; i++) if ($i == column) at = i }
        NR == 2 { printf "%.2f\n", column == "tpot_p50_ms" ? 1000 / $at : $at }' "$tmp/cadre.csv"
}

# summary FILE: median and spread (half the range in percent of the median) of its numbers.
summary() {
    sort -g "$1" | awk '{ x[NR] = $1 } END {
        m = NR % 2 ? x[(NR + 1) / 2] : (x[NR / 2] + x[NR / 2 + 1]) / 2
        printf "%.2f %.1f\n", m, 50 * (x[NR] - x[1]) / m }'
}

case "$what" in
job) work="$requests requests of $prompt_tokens + $max_tokens tokens, all tokens per second" ;;
prefill) work="prompts of $prompt_tokens tokens, one at a time, prompt tokens per second" ;;
single) work="one sequence, generated tokens per second" ;;
esac
echo "$(basename "$model"), cores $cores: $work"

best=0 best_batch='' best_flags=''
for batch in $batches; do
    for flags in '-fa on' '-fa off'; do
        generate="$max_tokens"
        [ "$what" = job ] && generate=$(((max_tokens + 3) / 4))
        # shellcheck disable=SC2086 # two words
        rate="$(peer_rate "$batch" "$generate" $flags)"
        printf 'peer tries %3d sequences, %-7s  %9.1f\n' "$batch" "$flags" "$rate"
        if awk -v a="$rate" -v b="$best" 'BEGIN { exit !(a > b) }'; then
            best="$rate" best_batch="$batch" best_flags="$flags"
        fi
    done
done
[ -n "$best_batch" ] || die "the peer reached nothing"

echo "peer's best: $best_batch sequences, $best_flags"
printf '%-8s %9s %9s %7s\n' round peer cadre ratio
for round in $(seq "$rounds"); do
    # shellcheck disable=SC2086 # two words
    theirs="$(peer_rate "$best_batch" "$max_tokens" $best_flags)"
    ours="$(cadre_rate)"
    echo "$theirs" >>"$tmp/peer"
    echo "$ours" >>"$tmp/ours"
    printf '%-8s %9.1f %9.1f %7.2f\n' "$round" "$theirs" "$ours" "$(awk "BEGIN { print $ours / $theirs }")"
done
read -r theirs their_spread < <(summary "$tmp/peer")
read -r ours our_spread < <(summary "$tmp/ours")
printf '%-8s %9.1f %9.1f %7.2f\n' median "$theirs" "$ours" "$(awk "BEGIN { print $ours / $theirs }")"
printf '%-8s %8.1f%% %8.1f%%\n' spread "$their_spread" "$our_spread"
