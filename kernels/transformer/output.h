/* output.h - from tokens to the text of an answer: where it stops, and that it is UTF-8.
 */
#ifndef TF_OUTPUT_H
#define TF_OUTPUT_H

#include "tokenizer.h"
#include <cadre/request.h>

/* Stop strings, looked for in bytes as they come. One is found as soon as its last byte
 * is there, wherever tokens begin and end; of those that end at the same byte the longest
 * counts. Nothing is remembered of the bytes but how far each string has matched (Knuth,
 * Morris and Pratt 1977). */
typedef struct tf_stop {
    char *text;
    uint32_t *border; /* [n]: of the first i + 1 bytes, the longest proper prefix that is
                         a suffix, too */
    uint32_t n, matched;
} tf_stop;

typedef struct tf_stops {
    size_t n;
    tf_stop items[CADRE_MAX_STOPS];
    size_t n_seen; /* bytes */
} tf_stops;

/* Copy the strings. All zero is a tf_stops without any; the caller calls fini() in any
 * case. Local.
 * CADRE_ERR_INPUT  more than CADRE_MAX_STOPS, an empty one, a very long one
 * CADRE_ERR_NOMEM */
cadre_status tf_stops_init(tf_stops *stops, const char *const *texts, size_t n);
void tf_stops_fini(tf_stops *stops);

/* The next bytes of the text. 1 if a stop string is complete: *end is where it begins,
 * counted from the first byte ever fed. Allocates nothing. Local. */
int tf_stops_feed(tf_stops *stops, const char *bytes, size_t n, size_t *end);

/* What ids[n] add to the text, of which the first `most` bytes count, as UTF-8: bytes
 * that are no character, and NUL, become U+FFFD, and a character that is cut off at the
 * end is left out. `skip` bytes of the first token are left out, too, and not counted.
 * The caller frees *text, which ends with a NUL that is not counted in *bytes. Local.
 * CADRE_ERR_NOMEM */
cadre_status tf_output_text(const tf_tokenizer *tokenizer, const int32_t *ids, size_t n,
                            size_t skip, size_t most, char **text, size_t *bytes);

#endif
