/* cadre/cadre.h - all public headers, except cadre/mpi.h, which includes <mpi.h>. */
#ifndef CADRE_CADRE_H
#define CADRE_CADRE_H

#include <cadre/clock.h>
#include <cadre/coll.h>
#include <cadre/comm.h>
#include <cadre/dtype.h>
#include <cadre/export.h>
#include <cadre/group.h>
#include <cadre/hist.h>
#include <cadre/io.h>
#include <cadre/kernel.h>
#include <cadre/log.h>
#include <cadre/money.h>
#include <cadre/ops.h>
#include <cadre/options.h>
#include <cadre/request.h>
#include <cadre/status.h>
#include <cadre/topo.h>

#endif
