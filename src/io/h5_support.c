/* io/h5_support.c - what all users of HDF5 in this folder share. */
#include "io/h5_support.h"
#include "core/memory.h"
#include "io/file.h"
#include <stdbool.h>
#include <stdio.h>

#define MEMORY_STEP_BYTES ((size_t)1 << 22) /* by which a file in memory grows */
/* What a file in memory is called: nothing, since HDF5 first reads what has that name. */
#define MEMORY_NAME "/dev/null/cadre"

void cadre__h5_quiet_begin(cadre__h5_quiet *quiet)
{
    H5open();
    H5Eget_auto2(H5E_DEFAULT, &quiet->print, &quiet->context);
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
}

void cadre__h5_quiet_end(const cadre__h5_quiet *quiet)
{
    H5Eset_auto2(H5E_DEFAULT, quiet->print, quiet->context);
}

typedef struct reason {
    char *buf;
    size_t size;
} reason;

static herr_t first_reason(unsigned n, const H5E_error2_t *error, void *context)
{
    const reason *to = context;
    if (n == 0 && error->desc)
        snprintf(to->buf, to->size, "%s", error->desc);
    return 0;
}

char *cadre__h5_reason(char *buf, size_t size)
{
    reason to = {buf, size};
    snprintf(buf, size, "no reason given");
    /* Upward starts where the failure was found, so the first entry says the most. */
    H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, first_reason, &to);
    return buf;
}

cadre_status cadre__h5_create(const char *path, cadre__h5_file *out)
{
    char why[512];
    out->path = path;
    out->id = H5I_INVALID_HID;
    cadre__h5_quiet_begin(&out->quiet);
    const hid_t creation = H5Pcreate(H5P_FILE_CREATE),
                access = H5Pcreate(H5P_FILE_ACCESS);
    if (H5Pset_obj_track_times(creation, false) >= 0 &&
        /* The oldest format: in newer ones 1.10 gives out images in memory whose
         * superblock does not match its checksum. */
        H5Pset_libver_bounds(access, H5F_LIBVER_EARLIEST, H5F_LIBVER_V18) >= 0 &&
        H5Pset_fapl_core(access, MEMORY_STEP_BYTES, false) >= 0 &&
        H5Pset_fclose_degree(access, H5F_CLOSE_STRONG) >= 0 &&
        H5Pset_alignment(access, 1, 64) >= 0)
        out->id = H5Fcreate(MEMORY_NAME, H5F_ACC_TRUNC, creation, access);
    cadre__h5_reason(why, sizeof why);
    H5Pclose(creation);
    H5Pclose(access);
    if (out->id >= 0)
        return CADRE_OK;
    cadre__h5_quiet_end(&out->quiet);
    return cadre_fail(CADRE_ERR_IO, "%s: cannot be begun: %s", path, why);
}

static cadre_status copy_to_disk(const cadre__h5_file *file)
{
    char why[512];
    const ssize_t size = H5Fflush(file->id, H5F_SCOPE_GLOBAL) < 0
                             ? -1
                             : H5Fget_file_image(file->id, NULL, 0);
    if (size <= 0)
        return cadre_fail(CADRE_ERR_IO, "%s: cannot be completed: %s", file->path,
                          cadre__h5_reason(why, sizeof why));
    char *bytes = cadre__alloc((size_t)size);
    if (!bytes)
        return CADRE_ERR_NOMEM;
    cadre_status st;
    if (H5Fget_file_image(file->id, bytes, (size_t)size) != size)
        st = cadre_fail(CADRE_ERR_IO, "%s: cannot be completed: %s", file->path,
                        cadre__h5_reason(why, sizeof why));
    else
        st = cadre__file_write(file->path, bytes, (size_t)size);
    cadre__free(bytes);
    return st;
}

cadre_status cadre__h5_finish(cadre__h5_file *file, cadre_status st)
{
    if (st == CADRE_OK)
        st = copy_to_disk(file);
    H5Fclose(file->id);
    cadre__h5_quiet_end(&file->quiet);
    return st;
}

hid_t cadre__h5_make_group(hid_t parent, const char *name)
{
    const hid_t creation = H5Pcreate(H5P_GROUP_CREATE);
    hid_t group = H5I_INVALID_HID;
    if (H5Pset_obj_track_times(creation, false) >= 0)
        group = H5Gcreate2(parent, name, H5P_DEFAULT, creation, H5P_DEFAULT);
    H5Pclose(creation);
    return group;
}

herr_t cadre__h5_put_attribute(hid_t object, const char *name, const char *value)
{
    const hid_t type = H5Tcopy(H5T_C_S1), space = H5Screate(H5S_SCALAR);
    herr_t status = -1;
    hid_t attribute = H5I_INVALID_HID;

    if (H5Tset_size(type, H5T_VARIABLE) >= 0 && H5Tset_cset(type, H5T_CSET_UTF8) >= 0)
        attribute = H5Acreate2(object, name, type, space, H5P_DEFAULT, H5P_DEFAULT);
    if (attribute >= 0) {
        status = H5Awrite(attribute, type, &value);
        H5Aclose(attribute);
    }
    H5Sclose(space);
    H5Tclose(type);
    return status;
}
