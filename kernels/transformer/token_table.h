/* token_table.h - tokens by their text, and merges by the two tokens they join: hash
 * tables with linear probing, made once and then only read.
 */
#ifndef TF_TOKEN_TABLE_H
#define TF_TOKEN_TABLE_H

#include "gguf.h"

/* Caller storage, all zero when empty. */
typedef struct tf_token_table {
    const tf_string *texts; /* borrowed: text of each id */
    uint64_t *slots;        /* high half: of the hash; low half: id + 1, or 0: free */
    size_t mask;            /* slots - 1 */
    size_t max_bytes;       /* of the longest text */
} tf_token_table;

/* Room for n tokens. CADRE_ERR_NOMEM */
cadre_status tf_token_table_init(tf_token_table *table, const tf_string *texts, size_t n);
void tf_token_table_fini(tf_token_table *table);

/* Add id; returns the id that has the same text already, or -1. */
int32_t tf_token_table_add(tf_token_table *table, int32_t id);

/* The token whose text is these bytes, or -1. */
int32_t tf_token_table_find(const tf_token_table *table, const char *text, size_t bytes);

/* What two tokens become, and how early: the lower the rank, the earlier. */
typedef struct tf_merge {
    int32_t left, right, id; /* id -1: free slot */
    uint32_t rank;
} tf_merge;

typedef struct tf_merge_table {
    tf_merge *slots;
    size_t mask;
} tf_merge_table;

/* Room for n merges. CADRE_ERR_NOMEM */
cadre_status tf_merge_table_init(tf_merge_table *table, size_t n);
void tf_merge_table_fini(tf_merge_table *table);

/* Add a merge unless one of the same two tokens is there. */
void tf_merge_table_add(tf_merge_table *table, tf_merge merge);

/* NULL: these two do not merge. */
const tf_merge *tf_merge_table_find(const tf_merge_table *table, int32_t left,
                                    int32_t right);

#endif
