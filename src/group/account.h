/* group/account.h - where the time of this rank goes. Compute is time inside kernel
 * calls, idle is time waiting with nothing to do; what is left of the wall time is
 * coordination. */
#ifndef CADRE_GROUP_ACCOUNT_H
#define CADRE_GROUP_ACCOUNT_H

#include <cadre/group.h>
#include <stdint.h>

typedef struct cadre__time_account {
    int64_t opened_ns; /* instant */
    int64_t compute_ns, idle_ns;
    int64_t n_batches, n_requests, bytes_in, bytes_out;
} cadre__time_account;

/* Totals up to now. */
void cadre__account_read(const cadre__time_account *account, cadre_rank_time *out);

#endif
