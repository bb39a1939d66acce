/* tests/preload/comms.c - communicators of all kinds and ends: split, duplicated, freed
 * by an attribute, inter-communicators; operations of the program's own; error handlers.
 */
#include "check.h"

static int n_copies, n_deletes;

static int on_copy(MPI_Comm comm, int key, void *extra, void *in, void *out, int *flag)
{
    (void)comm, (void)key, (void)extra;
    n_copies++;
    *(void **)out = in;
    *flag = 1;
    return MPI_SUCCESS;
}

/* The attribute owns a communicator, and frees it. */
static int on_delete(MPI_Comm comm, int key, void *value, void *extra)
{
    (void)comm, (void)key, (void)extra;
    n_deletes++;
    if (*(MPI_Comm *)value != MPI_COMM_NULL)
        MPI_Comm_free(value);
    return MPI_SUCCESS;
}

static void use(MPI_Comm comm, int times)
{
    int n, me, sum;
    MPI_Comm_size(comm, &n);
    MPI_Comm_rank(comm, &me);
    for (int i = 0; i < times; i++) {
        const int mine = me + i;
        MPI_Allreduce(&mine, &sum, 1, MPI_INT, MPI_SUM, comm);
        CHECK(sum == n * (n - 1) / 2 + n * i, "sum %d of %d ranks", sum, n);
        MPI_Bcast(&sum, 1, MPI_INT, n - 1, comm);
        MPI_Barrier(comm);
    }
}

static void attributes(void)
{
    MPI_Comm owner, owned, copy;
    int key;

    MPI_Comm_create_keyval(on_copy, on_delete, &key, NULL);
    MPI_Comm_dup(MPI_COMM_WORLD, &owner);
    MPI_Comm_dup(MPI_COMM_WORLD, &owned);
    use(owned, ROUNDS);
    MPI_Comm_set_attr(owner, key, &owned);
    use(owner, ROUNDS);
    CHECK(n_copies == 0, "the attribute was copied %d times", n_copies);
    MPI_Comm_dup(owner, &copy);
    CHECK(n_copies == 1, "the attribute was copied %d times by MPI_Comm_dup", n_copies);
    use(copy, ROUNDS);
    MPI_Comm_free(&copy); /* deletes the copied value, with what it owns */
    CHECK(n_deletes == 1 && owned == MPI_COMM_NULL, "%d deletes", n_deletes);
    MPI_Comm_free(&owner);
    MPI_Comm_free_keyval(&key);
}

static void many(void)
{
    for (int i = 0; i < 60; i++) {
        MPI_Comm half;
        MPI_Comm_split(MPI_COMM_WORLD, rank % 2, i % 3 ? rank : -rank, &half);
        use(half, i % 4);
        MPI_Comm_free(&half);
    }
}

static void between_groups(void)
{
    MPI_Comm half, inter;
    int local, remote, sum = -1;
    MPI_Request request;

    if (size < 2)
        return;
    MPI_Comm_split(MPI_COMM_WORLD, rank % 2, rank, &half);
    MPI_Intercomm_create(half, 0, MPI_COMM_WORLD, rank % 2 ? 0 : 1, 7, &inter);
    MPI_Comm_size(half, &local);
    MPI_Comm_remote_size(inter, &remote);
    for (int i = 0; i < ROUNDS; i++) {
        MPI_Allreduce(&local, &sum, 1, MPI_INT, MPI_SUM, inter);
        CHECK(sum == remote * remote, "sum %d of the other group", sum);
        MPI_Barrier(inter);
        MPI_Ibarrier(inter, &request);
        MPI_Wait(&request, MPI_STATUS_IGNORE);
    }
    MPI_Comm_free(&inter);
    MPI_Comm_free(&half);
}

static void last_wins(void *in, void *inout, int *n, MPI_Datatype *type)
{
    (void)type;
    for (int i = 0; i < *n; i++)
        ((int *)inout)[i] += 3 * ((int *)in)[i];
}

static void own_operations(void)
{
    struct {
        double value;
        int place;
    } in = {rank % 3, rank}, out;
    MPI_Op op;
    int mine = 1, result;
    unsigned bits = 1u << rank, all_bits = 0;

    MPI_Op_create(last_wins, 0, &op);
    for (int i = 0; i < ROUNDS; i++) {
        MPI_Allreduce(&mine, &result, 1, MPI_INT, op, MPI_COMM_WORLD);
        MPI_Allreduce(&in, &out, 1, MPI_DOUBLE_INT, MPI_MAXLOC, MPI_COMM_WORLD);
        CHECK(out.place == (size < 3 ? size - 1 : 2), "maximum at rank %d", out.place);
        MPI_Allreduce(&bits, &all_bits, 1, MPI_UNSIGNED, MPI_BOR, MPI_COMM_WORLD);
        CHECK(all_bits == (1u << size) - 1, "bits %x", all_bits);
    }
    MPI_Op_free(&op);
}

/* Errors are MPI's, by the communicator's own handler. */
static void errors(void)
{
    MPI_Comm comm;
    int value = 0, class;

    MPI_Comm_dup(MPI_COMM_WORLD, &comm);
    MPI_Comm_set_errhandler(comm, MPI_ERRORS_RETURN);
    use(comm, ROUNDS);
    int code = MPI_Bcast(&value, -1, MPI_INT, 0, comm);
    MPI_Error_class(code, &class);
    CHECK(class == MPI_ERR_COUNT, "class %d for a negative count", class);
    code = MPI_Bcast(&value, 1, MPI_INT, size, comm);
    MPI_Error_class(code, &class);
    CHECK(class == MPI_ERR_ROOT, "class %d for a bad root", class);
    code = MPI_Allreduce(&value, &value, 1, MPI_DATATYPE_NULL, MPI_SUM, comm);
    MPI_Error_class(code, &class);
    CHECK(class != MPI_SUCCESS, "class %d for no type", class);
    use(comm, ROUNDS);
    MPI_Comm_free(&comm);
}

/* Started, then freed before its end: MPI allows it, Open MPI 4.1 crashes. */
static void freed_early(void)
{
    MPI_Comm comm;
    MPI_Request requests[4];
    int in = rank, out[4] = {-1, -1, -1, -1};

    MPI_Comm_dup(MPI_COMM_WORLD, &comm);
    use(comm, ROUNDS);
    for (int i = 0; i < 4; i++)
        MPI_Iallreduce(&in, &out[i], 1, MPI_INT, MPI_MAX, comm, &requests[i]);
    MPI_Comm_free(&comm);
    MPI_Waitall(4, requests, MPI_STATUSES_IGNORE);
    for (int i = 0; i < 4; i++)
        CHECK(out[i] == size - 1, "[%d] is %d", i, out[i]);
}

int main(int argc, char **argv)
{
    MPI_Init(&argc, &argv);
    check_start();
    attributes();
    many();
    between_groups();
    own_operations();
    errors();
    if (argc > 1)
        freed_early();
    use(MPI_COMM_SELF, ROUNDS);
    return check_finish();
}
