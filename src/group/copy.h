/* group/copy.h - copies of requests and answers that own what they point to. */
#ifndef CADRE_GROUP_COPY_H
#define CADRE_GROUP_COPY_H

#include <cadre/request.h>

/* Copy requests[n] to copies[n]; all they point to is in *memory, which the caller frees
 * with cadre__free() in any case. */
cadre_status cadre__requests_copy(const cadre_request *requests, size_t n,
                                  cadre_request *copies, void **memory);

/* In one piece of memory, freed with cadre__free(). NULL for NULL, and when there is no
 * memory left. */
cadre_logprobs *cadre__logprobs_copy(const cadre_logprobs *logprobs);

#endif
