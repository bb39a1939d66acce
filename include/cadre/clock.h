/* cadre/clock.h - time.
 *
 * Durations and instants are signed 64-bit nanoseconds. Instants are of the monotonic
 * clock of one node and mean nothing on another; only durations travel between ranks.
 */
#ifndef CADRE_CLOCK_H
#define CADRE_CLOCK_H

#include <cadre/export.h>
#include <stdint.h>

#define CADRE_NS_PER_US INT64_C(1000)
#define CADRE_NS_PER_MS INT64_C(1000000)
#define CADRE_NS_PER_S INT64_C(1000000000)

/* What a call with no deadline of its own gets: 30 s. */
#define CADRE_DEFAULT_TIMEOUT_MS 30000

/* Now, on the monotonic clock. Local. */
CADRE_API int64_t cadre_clock_ns(void);

/* CPU time that the calling thread has used. Local. */
CADRE_API int64_t cadre_cpu_ns(void);

/* The instant timeout_ms from now; saturates instead of wrapping. Local. */
CADRE_API int64_t cadre_deadline_in_ms(int64_t timeout_ms);

/* Wall-clock time as RFC 3339 in UTC, "2026-11-23T13:05:00Z", into buf of at least 32
 * bytes. Returns buf. Local. */
CADRE_API char *cadre_clock_utc(char *buf);

#endif
