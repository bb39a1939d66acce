/* A kernel whose requests join and leave between steps, as text generation does: from a
 * whole number n it follows n/2 (even) or 3n+1 (odd) until 1, one move of every
 * trajectory per step. It answers the number of moves and the highest number on the way.
 */
#include <cadre/kernel.h>
#include <stdlib.h>
#include <string.h>

#define SLOTS 4
#define MAX_MOVES 2000

typedef struct slot {
    int used, finished;
    uint64_t id, n, peak;
    size_t moves;
    float row[2];
} slot;

typedef struct collatz {
    slot slots[SLOTS];
} collatz;

static cadre_status open_collatz(const cadre_kernel_args *args, void **state)
{
    (void)args;
    *state = calloc(1, sizeof(collatz));
    return *state ? CADRE_OK
                  : cadre_fail(CADRE_ERR_NOMEM, "no memory for %d slots", SLOTS);
}

static cadre_status describe_collatz(const void *state, cadre_kernel_info *info)
{
    (void)state;
    *info = (cadre_kernel_info){.takes = CADRE_PAYLOAD_ROW,
                                .gives = CADRE_PAYLOAD_ROW,
                                .n_in = 1,
                                .n_out = 2,
                                .private_bytes = sizeof(collatz),
                                .best_batch = SLOTS};
    return CADRE_OK;
}

static cadre_status submit_collatz(void *state, const cadre_request *request)
{
    collatz *c = state;
    float start;
    memcpy(&start, request->data, sizeof start);
    if (!(start >= 1 && start <= 16777216))
        return cadre_fail(CADRE_ERR_INPUT, "start %g: expected 1 to 2^24", (double)start);
    for (size_t i = 0; i < SLOTS; i++) {
        if (c->slots[i].used)
            continue;
        c->slots[i] = (slot){
            .used = 1, .id = request->id, .n = (uint64_t)start, .peak = (uint64_t)start};
        return CADRE_OK;
    }
    return cadre_fail(CADRE_ERR_STATE, "all %d slots are taken", SLOTS);
}

static cadre_status step_collatz(void *state, size_t *n_active)
{
    collatz *c = state;
    *n_active = 0;
    for (size_t i = 0; i < SLOTS; i++) {
        slot *s = &c->slots[i];
        if (!s->used || s->finished)
            continue;
        if (s->n != 1 && s->moves < MAX_MOVES) {
            s->n = s->n % 2 ? 3 * s->n + 1 : s->n / 2;
            s->peak = s->n > s->peak ? s->n : s->peak;
            s->moves++;
        }
        s->finished = s->n == 1 || s->moves == MAX_MOVES;
        *n_active += !s->finished;
    }
    return CADRE_OK;
}

static size_t collect_collatz(void *state, cadre_answer *answers, size_t max)
{
    collatz *c = state;
    size_t n = 0;
    for (size_t i = 0; i < SLOTS && n < max; i++) {
        slot *s = &c->slots[i];
        if (!s->used || !s->finished)
            continue;
        s->row[0] = (float)s->moves;
        s->row[1] = (float)s->peak;
        s->used = 0;
        answers[n++] = (cadre_answer){.id = s->id,
                                      .data = s->row,
                                      .bytes = sizeof s->row,
                                      .tokens_in = 1,
                                      .tokens_out = (uint32_t)s->moves,
                                      .finish_reason = "stop"};
    }
    return n;
}

static void cancel_collatz(void *state, uint64_t id)
{
    collatz *c = state;
    for (size_t i = 0; i < SLOTS; i++) {
        if (c->slots[i].used && c->slots[i].id == id)
            c->slots[i].used = 0;
    }
}

static const cadre_kernel kernel = {.abi = CADRE_KERNEL_ABI,
                                    .name = "collatz",
                                    .summary = "follows Collatz trajectories",
                                    .open = open_collatz,
                                    .close = free,
                                    .describe = describe_collatz,
                                    .submit = submit_collatz,
                                    .step = step_collatz,
                                    .collect = collect_collatz,
                                    .cancel = cancel_collatz};

CADRE_API cadre_kernel_entry_fn cadre_kernel_entry;

const cadre_kernel *cadre_kernel_entry(void)
{
    return &kernel;
}
