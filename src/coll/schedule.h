/* coll/schedule.h - who exchanges what with whom, as arithmetic on rank numbers.
 *
 * Nothing here knows about messages or memory, so all of it is tested for any number of
 * ranks without MPI. Ranks are 0 .. size-1 and size is at least 1 everywhere.
 */
#ifndef CADRE_COLL_SCHEDULE_H
#define CADRE_COLL_SCHEDULE_H

#include <stddef.h>

/* Elements first .. first+count-1. */
typedef struct cadre__span {
    size_t first, count;
} cadre__span;

/* Chunk `chunk` of `count` elements in n_chunks; the first count % n_chunks hold one
 * more. */
cadre__span cadre__chunk(size_t count, int n_chunks, int chunk);

/* How many segments of at most segment_count elements the largest of those chunks makes;
 * at least 1. Every chunk is cut into that many, so that all ranks count alike. */
size_t cadre__n_segments(size_t count, int n_chunks, size_t segment_count);

/* Segment `index` of a span; empty past its end. */
cadre__span cadre__segment(cadre__span span, size_t segment_count, size_t index);

/* The rank `distance` places to the right (to the left if negative), round the ring. */
int cadre__ring_neighbour(int rank, int distance, int size);

/* Ring reduce-scatter, steps 0 .. size-2: rank r sends chunk ring_chunk(r, step) to the
 * right and receives ring_chunk(r, step + 1) from the left; then r holds chunk r+1 whole.
 * The ring allgather that follows is the same walk from position r+1. */
int cadre__ring_chunk(int position, int step, int size);

/* The smallest k with 2^k >= size. */
int cadre__log2_ceil(int size);

/* The largest power of two that is <= size. */
int cadre__pow2_floor(int size);

/* ---- Binomial tree over places 0 .. size-1; the root has place 0. ---- */

/* Place of a rank in the tree rooted at `root`, and back. */
int cadre__tree_place(int rank, int root, int size);
int cadre__tree_rank(int place, int root, int size);

/* Place p has the children p+d with d = reach/2, reach/4, .. 1 and p+d < size, where
 * reach is the lowest bit set in p (for the root, the smallest power of two >= size). Its
 * parent is p - reach. */
int cadre__tree_reach(int place, int size);

/* Places place .. place+n-1 are the subtree below and including `place`: returns n. */
int cadre__tree_subtree(int place, int size);

/* ---- Recursive doubling among pow2_floor(size) places. ---- */

/* Place of a rank, or -1: the even ones of the first 2 x (size - pow2_floor(size)) ranks
 * hand their data to the next rank and stand aside. Places rise with ranks. */
int cadre__doubling_place(int rank, int size);
int cadre__doubling_rank(int place, int size);

#endif
