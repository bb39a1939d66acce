! tests/preload/fortran.f90 - collectives from Fortran: module mpi, whose routines are those of
! mpif.h, and module mpi_f08.
module by_mpi
  use mpi
  implicit none
contains
  subroutine run(failed)
    integer, intent(inout) :: failed
    integer, parameter :: n = 1000
    double precision :: a(n), b(n)
    integer :: ierr, rank, ranks, round, word, request, i
    integer :: status(MPI_STATUS_SIZE)
    integer, allocatable :: all(:), counts(:), places(:)

    call MPI_COMM_RANK(MPI_COMM_WORLD, rank, ierr)
    call MPI_COMM_SIZE(MPI_COMM_WORLD, ranks, ierr)
    allocate (all(2 * ranks), counts(ranks), places(ranks))
    do round = 1, 24
      a = rank + 1
      b = -1
      call MPI_ALLREDUCE(a, b, n, MPI_DOUBLE_PRECISION, MPI_SUM, MPI_COMM_WORLD, ierr)
      if (ierr /= MPI_SUCCESS .or. any(b /= ranks * (ranks + 1) / 2)) failed = failed + 1
      call MPI_ALLREDUCE(MPI_IN_PLACE, a, n, MPI_DOUBLE_PRECISION, MPI_MAX, MPI_COMM_WORLD, ierr)
      if (any(a /= ranks)) failed = failed + 1
      word = merge(round, -1, rank == ranks - 1)
      call MPI_BCAST(word, 1, MPI_INTEGER, ranks - 1, MPI_COMM_WORLD, ierr)
      if (word /= round) failed = failed + 1
      call MPI_REDUCE(rank, word, 1, MPI_INTEGER, MPI_MAX, 0, MPI_COMM_WORLD, ierr)
      if (rank == 0 .and. word /= ranks - 1) failed = failed + 1
      counts = 2
      places = [(2 * (i - 1), i = 1, ranks)]
      all = -1
      all(2 * rank + 1:2 * rank + 2) = rank
      call MPI_ALLGATHERV(MPI_IN_PLACE, 0, MPI_DATATYPE_NULL, all, counts, places, MPI_INTEGER, &
                          MPI_COMM_WORLD, ierr)
      if (any(all /= [((i - 1) / 2, i = 1, 2 * ranks)])) failed = failed + 1
      call MPI_BARRIER(MPI_COMM_WORLD, ierr)
      call MPI_IBCAST(word, 1, MPI_INTEGER, 0, MPI_COMM_WORLD, request, ierr)
      call MPI_WAIT(request, status, ierr)
      if (word /= ranks - 1) failed = failed + 1
    end do
  end subroutine
end module

module by_mpi_f08
  use mpi_f08
  implicit none
contains
  subroutine run08(failed)
    integer, intent(inout) :: failed
    real :: a(100), b(100)
    integer :: rank, ranks, round
    type(MPI_Request) :: request

    call MPI_Comm_rank(MPI_COMM_WORLD, rank)
    call MPI_Comm_size(MPI_COMM_WORLD, ranks)
    do round = 1, 24
      a = rank + 1
      call MPI_Allreduce(a, b, 100, MPI_REAL, MPI_SUM, MPI_COMM_WORLD)
      if (any(b /= ranks * (ranks + 1) / 2)) failed = failed + 1
      call MPI_Allreduce(MPI_IN_PLACE, a, 100, MPI_REAL, MPI_MIN, MPI_COMM_WORLD)
      if (any(a /= 1)) failed = failed + 1
      call MPI_Iallreduce(MPI_IN_PLACE, a, 100, MPI_REAL, MPI_SUM, MPI_COMM_WORLD, request)
      call MPI_Wait(request, MPI_STATUS_IGNORE)
      if (any(a /= ranks)) failed = failed + 1
      call MPI_Barrier(MPI_COMM_WORLD)
    end do
  end subroutine
end module

program fortran
  use mpi
  use by_mpi, only: run
  use by_mpi_f08, only: run08
  implicit none
  integer :: failed, all, rank, ierr

  failed = 0
  call MPI_INIT(ierr)
  call MPI_COMM_RANK(MPI_COMM_WORLD, rank, ierr)
  call run(failed)
  call run08(failed)
  call MPI_ALLREDUCE(failed, all, 1, MPI_INTEGER, MPI_SUM, MPI_COMM_WORLD, ierr)
  if (rank == 0 .and. all == 0) print '(a)', 'all well'
  call MPI_FINALIZE(ierr)
  if (all /= 0) stop 1
end program
