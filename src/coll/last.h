/* coll/last.h - what each rank last entered on a comm, for the sentences of failures. */
#ifndef CADRE_COLL_LAST_H
#define CADRE_COLL_LAST_H

#include "coll/call.h"

typedef struct cadre__last {
    uint32_t number;    /* of the operation on its comm; 0: none was entered */
    uint32_t signature; /* of the call */
    int32_t row;        /* in the table of rows; see last.c */
    int32_t root;
    uint64_t count;
    uint8_t dtype, reduction;
    uint8_t under_way;
} cadre__last;

/* The operation as an entry, under way. Local. */
cadre__last cadre__last_from(const cadre__coll_call *call);

/* Where this rank notes what it enters; NULL: nowhere. Local. */
void *cadre__last_note(const cadre_comm *comm);

/* Tell the ranks of this node that this rank enters an operation, or has left it. A few
 * stores to this rank's own memory. Local. */
void cadre__last_enter(const cadre__coll_call *call);
void cadre__last_leave(const cadre__coll_call *call);

/* What a rank of this node last entered; false if that is not known. Local. */
bool cadre__last_of(const cadre_comm *comm, int rank, cadre__last *out);

/* "operation 41, allreduce by ring, sum of 100 f32". Returns text. */
char *cadre__last_describe(const cadre__last *last, char *text, size_t size);

#endif
