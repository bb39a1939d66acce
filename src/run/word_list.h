/* run/word_list.h - arguments that are lists, and names of what collectives work on. */
#ifndef CADRE_RUN_WORD_LIST_H
#define CADRE_RUN_WORD_LIST_H

#include <cadre/coll.h>
#include <stdbool.h>

/* "ring,native": words with commas between. */
#define CADRE__MAX_WORDS 32
typedef struct cadre__word_list {
    size_t n;
    char words[CADRE__MAX_WORDS][32];
} cadre__word_list;

/* Errors name the option. CADRE_ERR_ARG  an empty word, too long a one, too many */
cadre_status cadre__words_read(const char *list, const char *option,
                               cadre__word_list *out);
bool cadre__words_have(const cadre__word_list *list, const char *word);

/* "4-64M", each four times the one before, or "8,1k,1M", or both together. */
#define CADRE__MAX_SIZES 128
typedef struct cadre__size_list {
    size_t n;
    size_t bytes[CADRE__MAX_SIZES];
} cadre__size_list;

/* CADRE_ERR_ARG  not of that form, 0, more than `most` bytes, too many, not ascending */
cadre_status cadre__sizes_read(const char *list, const char *option, size_t most,
                               cadre__size_list *out);

/* For these, CADRE_ERR_ARG lists the names that there are.
 * "all", NULL, or names with commas between; also what words_read() returns. */
cadre_status cadre__collectives_read(const char *list, const char *option,
                                     bool out[CADRE_N_COLLECTIVES]);
cadre_status cadre__dtype_by_name(const char *name, cadre_dtype *out);
cadre_status cadre__reduction_by_name(const char *name, cadre_reduction *out);

#endif
