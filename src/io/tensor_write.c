/* io/tensor_write.c - writing tensor files, so that their bytes depend on the content
 * only. */
#include "core/memory.h"
#include "io/h5_support.h"
#include <cadre/io.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static hid_t file_type(cadre_dtype dtype)
{
    static const int little = 1;
    const bool is_little = *(const char *)&little;
    switch (dtype) {
    case CADRE_F32:
        return is_little ? H5T_IEEE_F32LE : H5T_IEEE_F32BE;
    case CADRE_F64:
        return is_little ? H5T_IEEE_F64LE : H5T_IEEE_F64BE;
    case CADRE_I32:
        return is_little ? H5T_STD_I32LE : H5T_STD_I32BE;
    default:
        return is_little ? H5T_STD_I64LE : H5T_STD_I64BE;
    }
}

/* The group that holds the dataset, made on the way if missing; *last is the final part
 * of the name. Negative on failure; the caller closes it. */
static hid_t open_parent(hid_t file, char *name, char **last)
{
    hid_t group = H5Gopen2(file, "/", H5P_DEFAULT);
    for (char *slash; group >= 0 && (slash = strchr(name, '/')); name = slash + 1) {
        *slash = '\0';
        const hid_t next = H5Lexists(group, name, H5P_DEFAULT) > 0
                               ? H5Gopen2(group, name, H5P_DEFAULT)
                               : cadre__h5_make_group(group, name);
        H5Gclose(group);
        group = next;
    }
    *last = name;
    return group;
}

static bool write_tensor(hid_t file, const cadre_named_tensor *named, char *why,
                         size_t why_size)
{
    const cadre_tensor *tensor = &named->tensor;
    hsize_t dims[CADRE_MAX_DIMS];
    size_t n = 0;
    char *name = cadre__strdup(named->name), *last = NULL;
    if (!name) {
        snprintf(why, why_size, "out of memory");
        return false;
    }
    for (int i = 0; i < tensor->n_dims; i++)
        dims[i] = tensor->dims[i];
    const hid_t space = tensor->n_dims ? H5Screate_simple(tensor->n_dims, dims, NULL)
                                       : H5Screate(H5S_SCALAR);
    const hid_t creation = H5Pcreate(H5P_DATASET_CREATE);
    const hid_t type = file_type(tensor->dtype), parent = open_parent(file, name, &last);
    hid_t dataset = H5I_INVALID_HID;
    bool ok = cadre_tensor_count(tensor, &n) == CADRE_OK && parent >= 0 &&
              H5Pset_obj_track_times(creation, false) >= 0 &&
              H5Pset_alloc_time(creation, H5D_ALLOC_TIME_EARLY) >= 0 &&
              H5Pset_fill_time(creation, H5D_FILL_TIME_NEVER) >= 0;
    if (ok)
        dataset =
            H5Dcreate2(parent, last, type, space, H5P_DEFAULT, creation, H5P_DEFAULT);
    ok = dataset >= 0 && (n == 0 || H5Dwrite(dataset, type, H5S_ALL, H5S_ALL, H5P_DEFAULT,
                                             tensor->data) >= 0);
    if (!ok) /* before closing anything clears the reason */
        cadre__h5_reason(why, why_size);
    if (dataset >= 0)
        H5Dclose(dataset);
    if (parent >= 0)
        H5Gclose(parent);
    H5Pclose(creation);
    H5Sclose(space);
    cadre__free(name);
    return ok;
}

static bool write_attributes(hid_t file, const cadre_attribute *attributes, size_t n)
{
    const hid_t root = H5Gopen2(file, "/", H5P_DEFAULT);
    bool ok = root >= 0;
    for (size_t i = 0; ok && i < n; i++)
        ok = cadre__h5_put_attribute(root, attributes[i].name, attributes[i].value) >= 0;
    if (root >= 0)
        H5Gclose(root);
    return ok;
}

static cadre_status check_arguments(const char *path, const cadre_named_tensor *tensors,
                                    size_t n_tensors, const cadre_attribute *attributes,
                                    size_t n_attributes)
{
    for (size_t i = 0; i < n_tensors; i++) {
        const char *name = tensors[i].name;
        const cadre_tensor *tensor = &tensors[i].tensor;
        size_t n;
        if (!name || !name[0] || name[0] == '/' || name[strlen(name) - 1] == '/' ||
            strstr(name, "//"))
            return cadre_fail(CADRE_ERR_ARG, "%s: tensor %zu has no usable name ('%s')",
                              path, i, name ? name : "");
        const cadre_status st = cadre_tensor_count(tensor, &n);
        if (st != CADRE_OK)
            return cadre_context(st, "%s: tensor '%s'", path, name);
        if (tensor->dtype > CADRE_I64)
            return cadre_fail(CADRE_ERR_ARG,
                              "%s: tensor '%s' is of %s, expected f32, f64, i32 or i64",
                              path, name, cadre_dtype_name(tensor->dtype));
        if (n > 0 && !tensor->data)
            return cadre_fail(CADRE_ERR_ARG, "%s: tensor '%s' has no data", path, name);
    }
    for (size_t i = 0; i < n_attributes; i++)
        if (!attributes[i].name || !attributes[i].name[0] || !attributes[i].value)
            return cadre_fail(CADRE_ERR_ARG, "%s: attribute %zu has no name or no value",
                              path, i);
    return CADRE_OK;
}

static cadre_status write_all(hid_t file, const char *path,
                              const cadre_named_tensor *tensors, size_t n_tensors,
                              const cadre_attribute *attributes, size_t n_attributes)
{
    char why[512];
    for (size_t i = 0; i < n_tensors; i++)
        if (!write_tensor(file, &tensors[i], why, sizeof why))
            return cadre_fail(CADRE_ERR_IO, "%s: tensor '%s' cannot be written: %s", path,
                              tensors[i].name, why);
    if (!write_attributes(file, attributes, n_attributes))
        return cadre_fail(CADRE_ERR_IO, "%s: the attributes cannot be written: %s", path,
                          cadre__h5_reason(why, sizeof why));
    return CADRE_OK;
}

cadre_status cadre_tensor_file_write(const char *path, const cadre_named_tensor *tensors,
                                     size_t n_tensors, const cadre_attribute *attributes,
                                     size_t n_attributes)
{
    cadre__h5_file file;

    CADRE_TRY(check_arguments(path, tensors, n_tensors, attributes, n_attributes));
    CADRE_TRY(cadre__h5_create(path, &file));
    return cadre__h5_finish(
        &file, write_all(file.id, path, tensors, n_tensors, attributes, n_attributes));
}
