/* io/versions.c - versions of HDF5, cJSON, zlib and xxHash. */
#include "io/versions.h"
#include <cJSON.h>
#include <hdf5.h>
#include <stdio.h>
#include <xxhash.h>
#include <zlib.h>

const char *cadre__hdf5_version(void)
{
    static char text[48];
    unsigned major, minor, release;
    if (H5get_libversion(&major, &minor, &release) < 0)
        return "unknown";
    snprintf(text, sizeof text, "%u.%u.%u", major, minor, release);
    return text;
}

const char *cadre__cjson_version(void)
{
    return cJSON_Version();
}

const char *cadre__zlib_version(void)
{
    return zlibVersion();
}

const char *cadre__xxhash_version(void)
{
    static char text[48];
    const unsigned version = XXH_versionNumber();
    snprintf(text, sizeof text, "%u.%u.%u", version / 10000, version / 100 % 100,
             version % 100);
    return text;
}
