/* io/h5_support.h - what all users of HDF5 in this folder share: silence, and reasons. */
#ifndef CADRE_IO_H5_SUPPORT_H
#define CADRE_IO_H5_SUPPORT_H

#include <hdf5.h>
#include <stddef.h>

/* HDF5 prints each failure to stderr unless told not to; a library of ours prints nothing. */
typedef struct cadre__h5_quiet {
    H5E_auto2_t print;
    void *context;
} cadre__h5_quiet;

/* Load HDF5 (once) and stop its printing, until the matching end. */
void cadre__h5_quiet_begin(cadre__h5_quiet *quiet);
void cadre__h5_quiet_end(const cadre__h5_quiet *quiet);

/* The innermost reason of HDF5's last failure, "truncated file: ...", into buf of size
 * bytes; "no reason given" if there is none. Returns buf. */
char *cadre__h5_reason(char *buf, size_t size);

/* Properties for creating a file whose bytes depend on its content only: newest format, no
 * time stamps, data aligned to 64 bytes. Negative on failure; the caller closes both. */
void cadre__h5_file_properties(hid_t *creation, hid_t *access);

/* A group below `parent` without time stamps; negative on failure. */
hid_t cadre__h5_make_group(hid_t parent, const char *name);

/* A string attribute of variable length in UTF-8, without NUL inside; negative on failure. */
herr_t cadre__h5_put_attribute(hid_t object, const char *name, const char *value);

#endif
