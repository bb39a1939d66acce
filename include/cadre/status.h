/* cadre/status.h - what a call returns, and the sentence behind it.
 *
 * Every function that can fail returns a cadre_status: CADRE_OK or a negative code. The
 * code is for programs; the sentence, for people, is kept per thread and read with
 * cadre_last_error(). It is valid until the next failure in the same thread.
 *
 * Nothing in the library exits, aborts, or prints an error of its own accord.
 */
#ifndef CADRE_STATUS_H
#define CADRE_STATUS_H

#include <cadre/export.h>

#define CADRE_STATUS_LIST(X)                                                             \
    X(OK, 0, "success")                                                                  \
    X(ERR_ARG, -1, "invalid argument")                                                   \
    X(ERR_INPUT, -2, "bad input")                                                        \
    X(ERR_NOMEM, -3, "out of memory")                                                    \
    X(ERR_IO, -4, "reading or writing failed")                                           \
    X(ERR_NOT_FOUND, -5, "not found")                                                    \
    X(ERR_EXISTS, -6, "exists already")                                                  \
    X(ERR_RANGE, -7, "out of range")                                                     \
    X(ERR_STATE, -8, "not possible in this state")                                       \
    X(ERR_UNSUPPORTED, -9, "not supported")                                              \
    X(ERR_TIMEOUT, -10, "deadline passed")                                               \
    X(ERR_MPI, -11, "MPI failed")                                                        \
    X(ERR_BROKEN, -12, "communicator broken by an earlier failure")                      \
    X(ERR_TOPO, -13, "placement not possible")                                           \
    X(ERR_BUDGET, -14, "budget exceeded")                                                \
    X(ERR_KERNEL, -15, "shard kernel failed")                                            \
    X(ERR_INTERNAL, -16, "internal error")

typedef enum cadre_status {
#define X(name, value, text) CADRE_##name = value,
    CADRE_STATUS_LIST(X)
#undef X
} cadre_status;

/* "ERR_INPUT"; "unknown status" for a value that is not in the list. Local. */
CADRE_API const char *cadre_status_name(cadre_status st);

/* "bad input"; "unknown status" for a value that is not in the list. Local. */
CADRE_API const char *cadre_status_text(cadre_status st);

/* The sentence of the last failure in this thread; "" if there was none. Local. */
CADRE_API const char *cadre_last_error(void);

/* Where in cadre's sources the last failure of this thread was found ("io/job.c:120").
 * Local. */
CADRE_API const char *cadre_last_error_where(void);

/* Record a failure and return its code, so that reporting and returning are one line:
 *     return cadre_fail(CADRE_ERR_ARG, "width %zu does not divide %zu ranks", w, n);
 * Local. */
#ifdef __clang_analyzer__ /* it cannot see that what comes back is `code` */
#define cadre_fail(code, ...)                                                            \
    (cadre_fail_at(__FILE__, __LINE__, code, __VA_ARGS__), (code))
#else
#define cadre_fail(code, ...) cadre_fail_at(__FILE__, __LINE__, code, __VA_ARGS__)
#endif
CADRE_API cadre_status cadre_fail_at(const char *file, int line, cadre_status code,
                                     const char *fmt, ...) CADRE_PRINTF(4, 5);

/* Put context in front of the last sentence ("loading layer 7: ...") and return st
 * unchanged. Does nothing if st is CADRE_OK. Local. */
CADRE_API cadre_status cadre_context(cadre_status st, const char *fmt, ...)
    CADRE_PRINTF(2, 3);

/* Return at once if expr fails. */
#define CADRE_TRY(expr)                                                                  \
    do {                                                                                 \
        cadre_status cadre_try_status_ = (expr);                                         \
        if (cadre_try_status_ != CADRE_OK)                                               \
            return cadre_try_status_;                                                    \
    } while (0)

/* Set st; go to label if expr fails. */
#define CADRE_TRY_GOTO(st, expr, label)                                                  \
    do {                                                                                 \
        (st) = (expr);                                                                   \
        if ((st) != CADRE_OK)                                                            \
            goto label;                                                                  \
    } while (0)

#endif
