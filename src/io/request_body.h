/* io/request_body.h - what OpenAI's body may ask: what nobody here can do, and what
 * nobody here knows. */
#ifndef CADRE_IO_REQUEST_BODY_H
#define CADRE_IO_REQUEST_BODY_H

#include "io/json.h"

/* CADRE_ERR_INPUT for a key that would give an answer to another question if it were
 * passed over: several answers, penalties, tools. */
cadre_status cadre__request_body_check(const cadre__json_doc *doc,
                                       const cadre__json *body);

/* Keys that were told already; all zero at first. */
#define CADRE__STRANGE_KEYS_TOLD 20
typedef struct cadre__strange_keys {
    size_t n;
    char *keys[CADRE__STRANGE_KEYS_TOLD];
} cadre__strange_keys;

/* Warn of keys of a line in OpenAI's form, and of its body, that nobody here reads, with
 * line and nearest known key: each once, and no more than so many. */
void cadre__strange_keys_tell(cadre__strange_keys *told, const cadre__json_doc *doc);
void cadre__strange_keys_fini(cadre__strange_keys *told);

#endif
