# shellcheck shell=bash
# Sourced, not run: the environment that Open MPI needs to start cadre anywhere.
# What is set already is left alone.

# Open MPI refuses to run as root unless told twice. In a container there is often nobody else.
if [ "$(id -u)" -eq 0 ]; then
    export OMPI_ALLOW_RUN_AS_ROOT="${OMPI_ALLOW_RUN_AS_ROOT:-1}"
    export OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="${OMPI_ALLOW_RUN_AS_ROOT_CONFIRM:-1}"
fi
# More ranks than cores are fine: the coordinator sleeps, and small machines test large jobs.
export OMPI_MCA_rmaps_base_oversubscribe="${OMPI_MCA_rmaps_base_oversubscribe:-1}"
# cadre binds its workers itself (CADRE_BIND), and knows which rank is the coordinator.
export OMPI_MCA_hwloc_base_binding_policy="${OMPI_MCA_hwloc_base_binding_policy:-none}"
# No warning about a missing InfiniBand.
export OMPI_MCA_btl_base_warn_component_unused="${OMPI_MCA_btl_base_warn_component_unused:-0}"
