/* coll/recorder.c - the last operations of this process, and their way out. */
#include "coll/recorder.h"
#include "core/memory.h"
#include "core/settings.h"
#include <cadre/clock.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <threads.h>
#include <time.h>
#include <unistd.h>

#define MOST_RECORDS (1 << 20)

/* What is known of a call is copied, since a call on the stack is gone when it ends; the
 * step of one under way is read where the algorithm keeps it. */
typedef struct record {
    _Atomic(const cadre__coll_call *) under_way; /* NULL: it ended */
    const cadre__coll_row *row;
    uint32_t number;
    int rank, size, root;
    size_t count, bytes;
    cadre_dtype dtype;
    cadre_reduction reduction;
    int64_t start_ns, end_ns;
    int step, n_steps;
    cadre_status status;
} record;

static struct {
    record *ring;
    size_t capacity;
    atomic_size_t n; /* records begun, ever */
    int world_rank;
    char host[64];
    char path[PATH_MAX]; /* empty: stderr */
    int64_t epoch_ns;    /* wall clock - monotonic clock */
} recorder;

bool cadre__recording;

/* ---- Keeping ---- */

void cadre__recorder_enter(const cadre__coll_call *call)
{
    const size_t index = atomic_fetch_add(&recorder.n, 1);
    record *r = &recorder.ring[index % recorder.capacity];

    atomic_store(&r->under_way, NULL);
    r->row = call->row;
    r->number = call->number;
    r->rank = call->rank;
    r->size = call->size;
    r->root = call->root;
    r->count = call->count;
    r->bytes = call->bytes;
    r->dtype = call->dtype;
    r->reduction = call->reduction;
    r->start_ns = cadre_clock_ns();
    atomic_store(&r->under_way, call);
}

/* The newest records come first in the search: mostly it is the first. */
static record *find(const cadre__coll_call *call)
{
    const size_t n = atomic_load(&recorder.n);
    const size_t kept = n < recorder.capacity ? n : recorder.capacity;

    for (size_t back = 1; back <= kept; back++) {
        record *r = &recorder.ring[(n - back) % recorder.capacity];

        if (atomic_load(&r->under_way) == call)
            return r;
    }
    return NULL;
}

void cadre__recorder_leave(const cadre__coll_call *call, cadre_status st)
{
    record *r = find(call);

    if (r == NULL)
        return;
    r->end_ns = cadre_clock_ns();
    r->step = call->step;
    r->n_steps = call->n_steps;
    r->status = st;
    atomic_store(&r->under_way, NULL);
}

/* ---- Writing: only what a signal handler may do ---- */

typedef struct line {
    char text[512];
    size_t used;
} line;

static void put(line *l, const char *text)
{
    while (*text != '\0' && l->used < sizeof l->text - 1)
        l->text[l->used++] = *text++;
}

/* At least `digits` digits. */
static void put_number(line *l, int64_t value, int digits)
{
    char reversed[24];
    int n = 0;
    uint64_t rest = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;

    if (value < 0)
        put(l, "-");
    do {
        reversed[n++] = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest > 0 || n < digits);
    while (n > 0) {
        const char one[2] = {reversed[--n], '\0'};
        put(l, one);
    }
}

static void put_field(line *l, const char *key, int64_t value)
{
    put(l, key);
    put_number(l, value, 1);
}

static void put_time(line *l, int64_t ns)
{
    const int64_t wall = ns + recorder.epoch_ns;

    put_field(l, " time=", wall / CADRE_NS_PER_S);
    put(l, ".");
    put_number(l, wall % CADRE_NS_PER_S / CADRE_NS_PER_US, 6);
}

/* One write per line, so that lines of ranks that share a pipe stay whole. */
static void write_line(line *l, int fd)
{
    size_t done = 0;

    l->text[l->used++] = '\n';
    while (done < l->used) {
        const ssize_t n = write(fd, l->text + done, l->used - done);

        if (n < 0 && errno != EINTR)
            return;
        done += n > 0 ? (size_t)n : 0;
    }
}

static void begin_line(line *l)
{
    l->used = 0;
    put_field(l, "cadre-trace rank=", recorder.world_rank);
    put(l, " host=");
    put(l, recorder.host);
}

static void put_operation(line *l, const record *r)
{
    const cadre_collective collective = r->row->collective;

    put_field(l, " number=", r->number);
    put_field(l, " comm_rank=", r->rank);
    put_field(l, " comm_size=", r->size);
    put(l, " collective=");
    put(l, cadre__collective_name(collective));
    put(l, " algorithm=");
    put(l, r->row->name);
    if (collective == CADRE_BARRIER)
        return;
    put_field(l, " count=", (int64_t)r->count);
    put_field(l, " bytes=", (int64_t)r->bytes);
    put(l, " dtype=");
    put(l, cadre_dtype_name(r->dtype));
    if (cadre__collective_reduces(collective)) {
        put(l, " reduction=");
        put(l, cadre_reduction_name(r->reduction));
    }
    if (cadre__collective_has_root(collective))
        put_field(l, " root=", r->root);
}

static void put_state(line *l, const record *r, const cadre__coll_call *call,
                      int64_t now_ns)
{
    const int step = call != NULL ? call->step : r->step;
    const int n_steps = call != NULL ? call->n_steps : r->n_steps;

    put_time(l, r->start_ns);
    put_field(
        l, " us=", ((call != NULL ? now_ns : r->end_ns) - r->start_ns) / CADRE_NS_PER_US);
    put(l, " state=");
    put(l, call != NULL            ? "under_way"
           : r->status == CADRE_OK ? "done"
                                   : cadre_status_name(r->status));
    if (n_steps > 0 && (call != NULL || r->status != CADRE_OK)) {
        put_field(l, " step=", step + 1);
        put_field(l, "/", n_steps);
    }
}

void cadre__recorder_dump(const char *why)
{
    const size_t n = atomic_load(&recorder.n);
    const size_t kept = n < recorder.capacity ? n : recorder.capacity;
    const int64_t now = cadre_clock_ns();
    int fd = STDERR_FILENO;
    line l;

    if (!cadre__recording)
        return;
    if (recorder.path[0] != '\0')
        fd = open(recorder.path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (fd < 0)
        fd = STDERR_FILENO;
    begin_line(&l);
    put_field(&l, " kept=", (int64_t)kept);
    put_field(&l, " of=", (int64_t)n);
    put_time(&l, now);
    put(&l, " why=");
    put(&l, why);
    write_line(&l, fd);
    for (size_t i = n - kept; i < n; i++) {
        const record *r = &recorder.ring[i % recorder.capacity];

        if (r->row == NULL) /* being written by another thread */
            continue;
        begin_line(&l);
        put_operation(&l, r);
        put_state(&l, r, atomic_load(&r->under_way), now);
        write_line(&l, fd);
    }
    if (fd != STDERR_FILENO)
        close(fd);
}

/* ---- Signals ---- */

static const struct {
    int number;
    const char *name;
} signals[] = {{SIGUSR1, "SIGUSR1"},
               {SIGTERM, "SIGTERM"},
               {SIGABRT, "SIGABRT"},
               {SIGSEGV, "SIGSEGV"}};

enum { N_SIGNALS = sizeof signals / sizeof signals[0] };

static struct sigaction before[N_SIGNALS];

/* What would have happened without us. */
static void pass_on(int i, siginfo_t *info, void *context)
{
    const struct sigaction *old = &before[i];

    if (old->sa_flags & SA_SIGINFO) {
        old->sa_sigaction(signals[i].number, info, context);
    } else if (old->sa_handler != SIG_DFL && old->sa_handler != SIG_IGN) {
        old->sa_handler(signals[i].number);
    } else if (old->sa_handler == SIG_DFL && signals[i].number != SIGUSR1) {
        /* Blocked while we are here: it ends the process as soon as we return. */
        sigaction(signals[i].number, old, NULL);
        raise(signals[i].number);
    }
}

static void on_signal(int number, siginfo_t *info, void *context)
{
    const int error = errno;
    int i = 0;

    while (i < N_SIGNALS - 1 && signals[i].number != number)
        i++;
    cadre__recorder_dump(signals[i].name);
    pass_on(i, info, context);
    errno = error;
}

static void install_handlers(void)
{
    struct sigaction action = {.sa_sigaction = on_signal,
                               .sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK};

    sigemptyset(&action.sa_mask);
    for (int i = 0; i < N_SIGNALS; i++)
        sigaction(signals[i].number, &action, &before[i]);
}

/* ---- Opening ---- */

static int64_t wall_minus_monotonic(void)
{
    struct timespec wall;

    clock_gettime(CLOCK_REALTIME, &wall);
    return (int64_t)wall.tv_sec * CADRE_NS_PER_S + wall.tv_nsec - cadre_clock_ns();
}

static cadre_status open_once(const cadre_comm *comm)
{
    const int rank = cadre_comm_rank(comm);
    const char *file = cadre__setting_value(CADRE__SETTING_COLL_TRACE_FILE);
    int64_t n;

    CADRE_TRY(cadre__setting_integer(CADRE__SETTING_COLL_TRACE, 0, MOST_RECORDS, &n));
    if (n == 0)
        return CADRE_OK;
    recorder.world_rank = cadre_comm_world_rank_of(comm, rank);
    snprintf(recorder.host, sizeof recorder.host, "%s", cadre_comm_host_of(comm, rank));
    if (file[0] != '\0' && snprintf(recorder.path, sizeof recorder.path, "%s.%d", file,
                                    recorder.world_rank) >= (int)sizeof recorder.path)
        return cadre_fail(CADRE_ERR_INPUT,
                          "%s: a path of %zu characters, %d are the most",
                          cadre__setting_name(CADRE__SETTING_COLL_TRACE_FILE),
                          strlen(file), PATH_MAX - 16);
    recorder.ring = cadre__alloc_n((size_t)n, sizeof *recorder.ring);
    if (recorder.ring == NULL)
        return CADRE_ERR_NOMEM;
    recorder.capacity = (size_t)n;
    recorder.epoch_ns = wall_minus_monotonic();
    cadre__recording = true;
    install_handlers();
    return CADRE_OK;
}

static mtx_t opening;
static once_flag opening_once = ONCE_FLAG_INIT;

static void make_mutex(void)
{
    mtx_init(&opening, mtx_plain);
}

cadre_status cadre__recorder_open(const cadre_comm *comm)
{
    static bool opened;
    cadre_status st = CADRE_OK;

    call_once(&opening_once, make_mutex);
    mtx_lock(&opening);
    if (!opened) {
        st = open_once(comm);
        opened = st == CADRE_OK;
    }
    mtx_unlock(&opening);
    return st;
}
