/* io/versions.h - versions of the libraries that io owns, as they are running. */
#ifndef CADRE_IO_VERSIONS_H
#define CADRE_IO_VERSIONS_H

/* "1.10.8" and the like; the strings live for ever. */
const char *cadre__hdf5_version(void);
const char *cadre__cjson_version(void);
const char *cadre__zlib_version(void);
const char *cadre__xxhash_version(void);

#endif
