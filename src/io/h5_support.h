/* io/h5_support.h - what all users of HDF5 in this folder share: silence, and reasons. */
#ifndef CADRE_IO_H5_SUPPORT_H
#define CADRE_IO_H5_SUPPORT_H

#include <cadre/status.h>
#include <hdf5.h>
#include <stddef.h>

/* HDF5 prints each failure to stderr unless told not to; a library of ours prints
 * nothing. */
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

/* A file of ours being made. HDF5 writes it to memory, and only its finished bytes go to
 * disk: a disk that fills up under HDF5 leaves it in a state that it cannot close. */
typedef struct cadre__h5_file {
    hid_t id;
    const char *path; /* borrowed */
    cadre__h5_quiet quiet;
} cadre__h5_file;

/* Begin the file that will stand at path. Its bytes depend on the content only: the
 * oldest format, no time stamps, data aligned to 64 bytes. CADRE_ERR_IO; nothing to
 * finish then.
 */
cadre_status cadre__h5_create(const char *path, cadre__h5_file *out);

/* Close it and, if st is CADRE_OK, write it whole to its path. Returns st, or what failed
 * here. */
cadre_status cadre__h5_finish(cadre__h5_file *file, cadre_status st);

/* A group below `parent` without time stamps; negative on failure. */
hid_t cadre__h5_make_group(hid_t parent, const char *name);

/* A string attribute of variable length in UTF-8, without NUL inside; negative on
 * failure. */
herr_t cadre__h5_put_attribute(hid_t object, const char *name, const char *value);

#endif
