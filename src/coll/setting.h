/* coll/setting.h - CADRE_COLL: algorithms that are named for the whole program.
 *
 * Items with commas between: COLLECTIVE:ALGORITHM for calls of all sizes, or
 * COLLECTIVE:FROM-TO:ALGORITHM for those of FROM <= bytes < TO, as in
 * allreduce:0-4k:recursive_doubling,allreduce:4k-:ring. Without FROM it is 0, without TO
 * there is no end; k, M and G are powers of 1024. Sizes that no item names are by choice;
 * so are calls that the named algorithm cannot do.
 */
#ifndef CADRE_COLL_SETTING_H
#define CADRE_COLL_SETTING_H

#include "coll/call.h"

typedef struct cadre__coll_rule {
    size_t from, to; /* bytes; to is past the end, SIZE_MAX: none */
    const cadre__coll_row *row;
} cadre__coll_rule;

#define CADRE__MAX_RULES 16
typedef struct cadre__coll_rules {
    struct {
        size_t n;
        cadre__coll_rule rules[CADRE__MAX_RULES];
    } of[CADRE_N_COLLECTIVES];
} cadre__coll_rules;

/* Read a setting. Local. Errors name the character, counted from 1.
 *
 * CADRE_ERR_INPUT      not of that form, a bad number, ranges that overlap, or too many
 * CADRE_ERR_NOT_FOUND  no such collective or algorithm; the sentence lists those that
 *                      are */
cadre_status cadre__coll_parse(const char *setting, cadre__coll_rules *out);

/* The row for a call of so many bytes; NULL: none is named. Local. */
const cadre__coll_row *cadre__coll_rule_for(const cadre__coll_rules *rules,
                                            cadre_collective collective, size_t bytes);

/* What CADRE_COLL says, read at the first call in the process; *out is borrowed. If it is
 * bad, every call fails alike. Local. */
cadre_status cadre__coll_setting(const cadre__coll_rules **out);

#endif
