/* comm/internal.h - what the folders on top of comm may use besides cadre/comm.h. */
#ifndef CADRE_COMM_INTERNAL_H
#define CADRE_COMM_INTERNAL_H

#include <cadre/comm.h>
#include <stdbool.h>
#include <stdint.h>

/* Tags above CADRE_MAX_TAG, which users cannot take. */
#define CADRE__AGREE_TAG 32768
#define CADRE__INQUEST_TAG 32770
#define CADRE__CREATE_TAG 65536 /* + the caller's tag */
/* + the operation's number modulo CADRE__COLL_NUMBERS, and what it is, as one of so many
 * kinds. All in 23 bits, the least that a usual transport has for tags. */
#define CADRE__COLL_TAG 131072
#define CADRE__COLL_NUMBERS 512
#define CADRE__COLL_KINDS 8192

/* A place where one layer above keeps something of its own with the comm (src/coll: its
 * workspace); destroy(*slot) runs before the comm goes. Local. */
void **cadre__comm_slot(cadre_comm *comm, void (*destroy)(void *));

/* Whether comm was made from a communicator of MPI's. Local. */
bool cadre__comm_is_root(const cadre_comm *comm);

/* What a layer above wants all comms to have that are made from `comm`, a root, from now
 * on, and its node and cross comms at once: memory of cadre__alloc(), which is freed with
 * the last of them. At most once for each root. Local. */
void cadre__comm_bequeath(cadre_comm *comm, void *memory);
/* What the comm has got that way; NULL: nothing. Local. */
const void *cadre__comm_heritage(const cadre_comm *comm);

/* The reason if the comm is broken, as CADRE_ERR_BROKEN; else CADRE_OK. Local. */
cadre_status cadre__comm_check(const cadre_comm *comm);

/* The program that owns the ranks calls MPI itself: from now on waiting makes MPI's
 * progress too, so that the program's messages move meanwhile, and sleeps only where
 * ranks outnumber CPUs, and briefly. Also for comms made from this one. Local. */
void cadre__comm_beside_mpi(cadre_comm *comm);

/* CPUs that the ranks of this node may use together. Local. */
int cadre__comm_node_cpus(const cadre_comm *comm);

/* Whether the ranks of this node outnumber its CPUs: who spins takes time from one who
 * works. Local. */
bool cadre__comm_crowded(const cadre_comm *comm);

/* One look whether a message with this tag is there: from whom, and its size. Local. */
cadre_status cadre__probe_once(cadre_comm *comm, int tag, bool *found, int *from,
                               size_t *bytes);

/* One look at a request: whether it has completed; an unused one has. Local. */
cadre_status cadre__poll_req(cadre_comm *comm, cadre_req *req, bool *done);

/* How often to ask MPI before sleeping. Open MPI looks first and makes progress second,
 * and a long message takes several rounds of progress (announced, fetched, completed):
 * asking once and then sleeping would sleep on a message that is there. In traces with 2
 * looks replies of 19 KiB were taken 60 to 140 us late, with 6 they were not. */
#define CADRE__LOOKS 6

/* Run poll(context, &done) until done, sleeping as needed. `rings`: what is waited for is
 * announced by a doorbell if it comes from this node; otherwise only short sleeps are
 * possible. CADRE_ERR_TIMEOUT has no sentence yet: the caller knows whom it waited
 * for. Local. */
typedef cadre_status cadre__poll_fn(void *context, bool *done);
cadre_status cadre__wait_loop(cadre_comm *comm, cadre__poll_fn *poll, void *context,
                              bool rings, int64_t deadline_ns);

/* ---- Memory that ranks of a node share ---- */

/* Memory of the rank of comm with this place on this node, zeroed when comm was made;
 * NULL if there is none, on all of them, or comm is on several nodes. Its size: at least
 * CADRE__LEAST_AREA_BYTES, more where few ranks share a node. Local. */
#define CADRE__LEAST_AREA_BYTES ((size_t)576 << 10)
/* In each of two areas: 2 MiB, and a page for what stands in front. */
#define CADRE__SWAP_BYTES ((size_t)2052 << 10)
char *cadre__comm_area(const cadre_comm *comm, int node_rank);
size_t cadre__comm_area_bytes(const cadre_comm *comm);

/* The same, also on several nodes, for what the other ranks of the node may read there
 * when something went wrong. A page, so that areas stay aligned. */
#define CADRE__NOTE_BYTES ((size_t)4096)
char *cadre__comm_note(const cadre_comm *comm, int node_rank);

/* Of a comm over several nodes, if some node has more than one of its ranks: those on
 * this node, and those with the same place on theirs, in order of their ranks. Else NULL.
 * They belong to comm. Local. */
cadre_comm *cadre__comm_node(const cadre_comm *comm);
cadre_comm *cadre__comm_cross(const cadre_comm *comm);

/* Zeroed memory, aligned to a page, that the ranks of the node have mapped.
 * CADRE_ERR_NOMEM: full, or there is none. Local. */
cadre_status cadre__comm_heap_take(cadre_comm *comm, size_t bytes, void **out);
/* False if it is no such memory. Local. */
bool cadre__comm_heap_give(cadre_comm *comm, void *memory);
/* Where the heap of a rank of this node begins; NULL: none. All have equally many bytes.
 * Local. */
char *cadre__comm_heap(const cadre_comm *comm, int rank);
size_t cadre__comm_heap_bytes(const cadre_comm *comm);

/* Whether the ranks of this node can read each other's memory by process_vm_readv(), and
 * the process of a rank of this node. Local. */
bool cadre__comm_can_read(const cadre_comm *comm);
int cadre__comm_pid(const cadre_comm *comm, int rank);

/* Wake the other ranks of a comm of one node that sleep: to be called after making
 * visible in shared memory what they may wait for. Local. */
void cadre__comm_wake_others(const cadre_comm *comm);

/* "Open MPI v4.1.4, ...", without MPI having been started. Local. */
const char *cadre__mpi_library_version(void);

#endif
