/* coll/inquest.c - what survivors of a failure tell each other, and conclude.
 *
 * Nobody is waited for by name: a dead rank costs those who write to it one message that
 * is never taken, and its memory.
 */
#include "coll/inquest.h"
#include "coll/last.h"
#include "coll/state.h"
#include "comm/internal.h"
#include "core/memory.h"
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define LISTEN_EVERY_NS (50 * CADRE_NS_PER_MS)
#define LONGEST_NS (1500 * CADRE_NS_PER_MS)
/* Without news for so long there will be none: those who wait listen ten times as often.
 */
#define QUIET_NS (500 * CADRE_NS_PER_MS)
#define BETWEEN_LETTERS_NS (20 * CADRE_NS_PER_MS)
#define NAP_NS (1 * CADRE_NS_PER_MS)
#define TAKE_NS (100 * CADRE_NS_PER_MS) /* for a letter that is there, or under way */
#define MOST_NAMED 6

typedef enum source { NOBODY, NEIGHBOUR, ITSELF } source;
typedef enum process { UNKNOWN, RUNNING, STOPPED, ENDED } process;

/* What is known of one rank. */
typedef struct word {
    cadre__last last;
    int32_t status; /* with which it gave up by itself; CADRE_OK: it followed others */
    uint8_t source, process;
} word;

/* One message, kept until it was taken. */
typedef struct letter {
    struct letter *next;
    cadre_req req;
    word words[];
} letter;

typedef struct inquest {
    const cadre__coll_call *call;
    cadre_comm *comm;
    size_t size;
    word *words;
    bool *answered; /* [size] whether a letter came from there */
    bool *told;     /* [size] whether one was sent there */
    bool news;      /* since the last letters */
    letter *letters;
} inquest;

/* Whether two entries are of one operation, and differ. */
static bool unlike(const cadre__last *a, const cadre__last *b)
{
    return a->number == b->number && (a->signature != b->signature || a->row != b->row);
}

static cadre_status look_at_neighbours(const cadre__coll_call *call)
{
    const cadre__last mine = cadre__last_from(call);
    cadre__last other;

    for (int r = 0; r < call->size; r++) {
        if (cadre__last_of(call->comm, r, &other) && unlike(&other, &mine))
            return cadre_fail(CADRE_ERR_ARG, "rank %d called something else", r);
    }
    return CADRE_OK;
}

cadre_status cadre__inquest_look(const cadre__coll_call *call)
{
    cadre__coll_state *state = call->state_of_comm;
    const int64_t now = cadre_clock_ns();
    size_t bytes;
    int from;

    if (now - state->listened_ns < LISTEN_EVERY_NS)
        return CADRE_OK;
    state->listened_ns = now;
    CADRE_TRY(cadre__probe_once(call->comm, CADRE__INQUEST_TAG, &state->summoned, &from,
                                &bytes));
    if (state->summoned)
        return cadre_fail(CADRE_ERR_TIMEOUT, "rank %d has given up", from);
    return look_at_neighbours(call);
}

/* ---- What this rank knows ---- */

/* The state letter in /proc/PID/stat, behind the name in parentheses. */
static process process_of(int pid)
{
    char path[64], text[512];
    size_t n = 0;

    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return kill(pid, 0) != 0 && errno == ESRCH ? ENDED : UNKNOWN;
    n = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    text[n] = '\0';
    const char *end = strrchr(text, ')');
    if (end == NULL || end[1] != ' ')
        return UNKNOWN;
    switch (end[2]) {
    case 'T':
    case 't':
        return STOPPED;
    case 'Z':
    case 'X':
        return ENDED;
    default:
        return RUNNING;
    }
}

static void know_neighbours(inquest *q)
{
    const int mine = q->call->rank;

    for (int r = 0; r < q->call->size; r++) {
        word *w = &q->words[r];

        if (r == mine || !cadre__last_of(q->comm, r, &w->last))
            continue;
        w->source = NEIGHBOUR;
        /* Who cannot read the other's memory may not know its process by this number. */
        w->process = cadre__comm_can_read(q->comm)
                         ? (uint8_t)process_of(cadre__comm_pid(q->comm, r))
                         : UNKNOWN;
    }
}

static cadre_status open_inquest(inquest *q, const cadre__coll_call *call,
                                 cadre_status st)
{
    *q = (inquest){.call = call, .comm = call->comm, .size = (size_t)call->size};
    q->words = cadre__alloc_n(q->size, sizeof *q->words);
    q->answered = cadre__alloc_n(q->size, sizeof *q->answered);
    q->told = cadre__alloc_n(q->size, sizeof *q->told);
    if (q->words == NULL || q->answered == NULL || q->told == NULL)
        return CADRE_ERR_NOMEM;
    know_neighbours(q);
    q->words[call->rank] = (word){
        .last = cadre__last_from(call),
        .status = call->state_of_comm->summoned ? CADRE_OK : st,
        .source = ITSELF,
        .process = RUNNING,
    };
    q->news = true;
    return CADRE_OK;
}

/* ---- Letters ---- */

static void tell(inquest *q, size_t to)
{
    letter *l;

    /* Who was told and has not answered may be dead: one letter is enough. */
    if (q->told[to] && !q->answered[to])
        return;
    l = cadre__alloc(sizeof *l + q->size * sizeof *l->words);
    if (l == NULL)
        return;
    memcpy(l->words, q->words, q->size * sizeof *l->words);
    if (cadre_isend(q->comm, l->words, q->size * sizeof *l->words, (int)to,
                    CADRE__INQUEST_TAG, &l->req) != CADRE_OK) {
        cadre__free(l);
        return;
    }
    q->told[to] = true;
    l->next = q->letters;
    q->letters = l;
}

static void tell_all(inquest *q)
{
    const size_t mine = (size_t)q->call->rank;

    for (size_t away = 1; away < q->size; away *= 2) {
        const size_t up = (mine + away) % q->size;
        const size_t down = (mine + q->size - away) % q->size;

        tell(q, up);
        if (down != up)
            tell(q, down);
    }
    q->news = false;
}

static void learn(inquest *q, const word *words)
{
    for (size_t r = 0; r < q->size; r++) {
        if (words[r].source > ITSELF || words[r].process > ENDED ||
            words[r].source <= q->words[r].source)
            continue;
        q->words[r] = words[r];
        q->news = true;
    }
}

/* Take a letter that is there. A long one whose sender dies stays under way for ever, and
 * so does its memory. */
static void take(inquest *q, int from, size_t bytes)
{
    const size_t expected = q->size * sizeof(word);
    word *words = cadre__alloc(bytes > expected ? bytes : expected);
    size_t got = 0;

    if (words == NULL)
        return;
    if (cadre_recv(q->comm, words, bytes, from, CADRE__INQUEST_TAG,
                   cadre_clock_ns() + TAKE_NS, &got) != CADRE_OK)
        return;
    q->answered[from] = true;
    if (got == expected)
        learn(q, words);
    cadre__free(words);
}

static bool complete(const inquest *q)
{
    for (size_t r = 0; r < q->size; r++) {
        if (q->words[r].source != ITSELF)
            return false;
    }
    return true;
}

static void correspond(inquest *q)
{
    const struct timespec nap = {.tv_nsec = NAP_NS};
    const int64_t until = cadre_clock_ns() + LONGEST_NS;
    int64_t now, news = cadre_clock_ns(), sent = 0;

    while ((now = cadre_clock_ns()) < until && now - news < QUIET_NS) {
        bool found = false;
        size_t bytes;
        int from;

        if (q->news && now - sent >= BETWEEN_LETTERS_NS) {
            tell_all(q);
            sent = news = now;
            if (complete(q))
                return;
        }
        if (cadre__probe_once(q->comm, CADRE__INQUEST_TAG, &found, &from, &bytes) !=
            CADRE_OK)
            return;
        if (found)
            take(q, from, bytes);
        else
            nanosleep(&nap, NULL);
    }
}

/* Letters that nobody took keep their memory, which MPI may still read. */
static void close_inquest(inquest *q)
{
    const int64_t until = cadre_clock_ns() + TAKE_NS;

    for (letter *l = q->letters; l != NULL;) {
        letter *next = l->next;
        size_t leaked;

        (void)cadre_wait(q->comm, &l->req, 1, until);
        cadre_cancel(q->comm, &l->req, 1, &leaked);
        if (leaked == 0)
            cadre__free(l);
        l = next;
    }
    cadre__free(q->words);
    cadre__free(q->answered);
    cadre__free(q->told);
}

/* ---- Conclusions ---- */

typedef struct list {
    char text[900];
    size_t used;
    int named, left_out;
} list;

/* Add "rank 2 on vm" and what is to be said of it. */
static void name(list *l, const inquest *q, size_t rank, const char *what)
{
    if (l->named == MOST_NAMED) {
        l->left_out++;
        return;
    }
    l->named++;
    const int n = snprintf(l->text + l->used, sizeof l->text - l->used,
                           "%srank %zu on %s (%s)", l->used > 0 ? ", " : "", rank,
                           cadre_comm_host_of(q->comm, (int)rank), what);
    l->used +=
        (size_t)n < sizeof l->text - l->used ? (size_t)n : sizeof l->text - 1 - l->used;
}

static const char *end_of(list *l)
{
    if (l->left_out > 0)
        snprintf(l->text + l->used, sizeof l->text - l->used, " and %d more",
                 l->left_out);
    l->left_out = 0;
    return l->text;
}

/* Ranks that are in the same operation, and call it differently. */
static void find_unlike(const inquest *q, list *found)
{
    const cadre__last *mine = &q->words[q->call->rank].last;
    char text[160];

    for (size_t r = 0; r < q->size; r++) {
        const cadre__last *last = &q->words[r].last;

        if (q->words[r].source != NOBODY && unlike(last, mine))
            name(found, q, r, cadre__last_describe(last, text, sizeof text));
    }
}

static void describe_missing(const inquest *q, const word *w, char *text, size_t size)
{
    static const char *const processes[] = {[UNKNOWN] = "",
                                            [RUNNING] = "",
                                            [STOPPED] = "its process is stopped; ",
                                            [ENDED] = "its process has ended; "};
    const cadre__last *mine = &q->words[q->call->rank].last;
    const char *state = processes[w->process];
    char last[160];

    if (w->source == NOBODY)
        snprintf(text, size, "what it last entered is not known");
    else if (w->last.number == 0)
        snprintf(text, size, "%sit entered nothing yet", state);
    else if (w->last.number == mine->number && w->last.under_way)
        snprintf(text, size, "%sit entered this operation", state);
    else
        snprintf(text, size, "%slast entered %s%s", state,
                 cadre__last_describe(&w->last, last, sizeof last),
                 w->last.under_way ? "" : ", and left it");
}

static void find_missing(const inquest *q, list *missing)
{
    char text[256];

    for (size_t r = 0; r < q->size; r++) {
        const word *w = &q->words[r];

        if (w->source == ITSELF)
            continue;
        describe_missing(q, w, text, sizeof text);
        name(missing, q, r, text);
    }
}

/* Ranks that gave up by themselves, and so are nearer the cause than this one. */
static cadre_status find_first(const inquest *q, list *first, cadre_status st)
{
    char text[256], last[160];

    for (size_t r = 0; r < q->size; r++) {
        const word *w = &q->words[r];

        if (w->source != ITSELF || w->status == CADRE_OK || (int)r == q->call->rank)
            continue;
        if (first->named == 0)
            st = (cadre_status)w->status;
        snprintf(text, sizeof text, "%s, in %s",
                 cadre_status_text((cadre_status)w->status),
                 cadre__last_describe(&w->last, last, sizeof last));
        name(first, q, r, text);
    }
    return st;
}

static cadre_status conclude(const inquest *q, cadre_status st, const char *sentence)
{
    list others = {.used = 0}, missing = {.used = 0}, first = {.used = 0};
    char mine[160];

    find_unlike(q, &others);
    if (others.named > 0)
        return cadre_fail(
            CADRE_ERR_ARG, "the ranks' calls differ: %s on this rank (%d), but %s",
            cadre__last_describe(&q->words[q->call->rank].last, mine, sizeof mine),
            q->call->rank, end_of(&others));
    find_missing(q, &missing);
    if (q->call->state_of_comm->summoned) {
        st = find_first(q, &first, st);
        if (first.named > 0)
            cadre_fail(st, "given up, as before by %s", end_of(&first));
    }
    if (missing.named > 0)
        return cadre_fail(st, "%s; missing: %s",
                          first.named > 0 ? cadre_last_error() : sentence,
                          end_of(&missing));
    return first.named > 0 ? st : cadre_fail(st, "%s", sentence);
}

cadre_status cadre__inquest(const cadre__coll_call *call, cadre_status st)
{
    char sentence[2048];
    inquest q;

    /* What follows may fail, and then records sentences of its own. */
    snprintf(sentence, sizeof sentence, "%s", cadre_last_error());
    if (open_inquest(&q, call, st) == CADRE_OK) {
        correspond(&q);
        st = conclude(&q, st, sentence);
        snprintf(sentence, sizeof sentence, "%s", cadre_last_error());
    }
    close_inquest(&q);
    return cadre_fail(st, "%s", sentence);
}
