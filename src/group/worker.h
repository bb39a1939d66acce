/* group/worker.h - what serves: shards, and the commands that come for them.
 *
 * On a comm of one rank the coordinator hands commands to the worker directly; otherwise
 * cadre_groups_serve() takes them off the comm. What follows is the same. */
#ifndef CADRE_GROUP_WORKER_H
#define CADRE_GROUP_WORKER_H

#include "group/mail.h"
#include "group/shard.h"
#include <cadre/group.h>
#include <stdbool.h>

typedef struct cadre__worker cadre__worker;

/* Where replies go. The letter's table and data are free for reuse on return if `keep`;
 * else they stay until the next command. */
typedef cadre_status cadre__reply_fn(void *context, cadre__letter *reply, bool keep);

typedef enum cadre__channel {
    CADRE__FROM_COORDINATOR,
    CADRE__FROM_LEADER,
    CADRE__N_CHANNELS
} cadre__channel;

/* A NULL context stands for the worker itself. */
cadre_status cadre__worker_create(cadre_groups *groups, cadre__reply_fn *reply,
                                  void *context, cadre__worker **out);
void cadre__worker_destroy(cadre__worker *worker);

/* Carry out one command; failures of kernels go into replies. */
cadre_status cadre__worker_handle(cadre__worker *worker, cadre__letter *letter,
                                  cadre__channel channel);
/* One step of each shard led from here that has unfinished work. */
cadre_status cadre__worker_step(cadre__worker *worker);

/* Replies over the comm: the reply function of a rank that only serves. */
cadre__reply_fn cadre__worker_reply_by_mail;

#endif
