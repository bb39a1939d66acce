/* run/coll_data.h - what collectives are verified with: small integers in a pattern whose
 * period is a prime number of elements, so that results are exact in every type, are
 * compared with one period, and a block in the wrong place is seen. Local functions. */
#ifndef CADRE_RUN_COLL_DATA_H
#define CADRE_RUN_COLL_DATA_H

#include <cadre/dtype.h>
#include <stdbool.h>

#define CADRE__COLL_PERIOD 4093

/* What a pattern is made for. */
typedef struct cadre__coll_data {
    cadre_dtype dtype;
    cadre_reduction reduction;
    bool reduces; /* else values are only moved */
    int size;     /* ranks */
} cadre__coll_data;

/* Bytes of a table: two periods, so that one can be copied from any place of the first.
 */
size_t cadre__coll_data_bytes(const cadre__coll_data *data);

/* What `rank` sends. */
void cadre__coll_data_make(const cadre__coll_data *data, int rank, char *table);
/* The reduction of what ranks 0 to `last` send. */
void cadre__coll_data_reduce(const cadre__coll_data *data, int last, char *table);

/* n elements of a table, from element `first` of it on, which repeats for ever. */
void cadre__coll_data_write(const cadre__coll_data *data, const char *table, size_t first,
                            size_t n, char *out);
/* The index of the first element of got[n] that is not so; n if all are. */
size_t cadre__coll_data_compare(const cadre__coll_data *data, const char *table,
                                size_t first, size_t n, const char *got);

#endif
