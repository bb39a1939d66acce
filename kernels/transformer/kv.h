/* kv.h - which pages of the KV cache belong to whom, and which hold a prefix that others
 * may share. Bookkeeping only; the pages themselves are forward's.
 *
 * A page holds CADRE_KV_PAGE positions. Full pages of a prompt are published under their
 * tokens and those of all pages before; a later sequence that starts with the same tokens
 * uses them instead of computing them again, which gives the same bits. Tokens are
 * compared, not only their hash: no prompt can be made to look like another. Pages nobody
 * uses stay published until they are needed, the least recently used first, and of one
 * sequence the last page first.
 *
 * What happens depends on the calls only, so ranks that make the same calls agree.
 */
#ifndef TF_KV_H
#define TF_KV_H

#include <cadre/status.h>
#include <stddef.h>
#include <stdint.h>

typedef struct tf_kv tf_kv;

#define TF_KV_MAX_PAGES ((size_t)1 << 26)

/* The caller owns *out; on failure it is NULL. Local.
 * CADRE_ERR_ARG    no pages, or more than TF_KV_MAX_PAGES
 * CADRE_ERR_NOMEM  says how much */
cadre_status tf_kv_create(size_t n_pages, tf_kv **out);
void tf_kv_destroy(tf_kv *kv);

/* Pages that a sequence can have now, and pages in all. Local. */
size_t tf_kv_n_free(const tf_kv *kv);
size_t tf_kv_n_pages(const tf_kv *kv);

/* Take n_pages for a sequence whose prompt is tokens[n_tokens], n_tokens > 0, sharing
 * published ones where the prompt matches, but never the page of its last token: that one
 * has to be computed for its logits. pages[n_pages] is filled; *n_shared is how many
 * positions (a multiple of CADRE_KV_PAGE) need not be computed. Takes all or nothing.
 * Allocates nothing. Local.
 * CADRE_ERR_STATE  not enough free pages now; records no sentence, since it is no failure
 */
cadre_status tf_kv_take(tf_kv *kv, const int32_t *tokens, size_t n_tokens, size_t n_pages,
                        uint32_t *pages, size_t *n_shared);

/* Publish the full pages among the first n_tokens tokens of a sequence that was taken.
 * They have been computed, or are by the step that is being planned: forward stores the
 * keys and values of all rows of a layer before any row reads them, so a sequence that
 * joins in the same step may share them. Local. */
void tf_kv_publish(tf_kv *kv, const int32_t *tokens, size_t n_tokens,
                   const uint32_t *pages);

/* Give a sequence's pages back. Local. */
void tf_kv_release(tf_kv *kv, const uint32_t *pages, size_t n_pages);

#endif
