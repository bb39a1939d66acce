/* cadre/options.h - a kernel reads its tier's "options".
 *
 * cadre_kernel_args.options is a JSON object as text. These functions pick values out of
 * it, so that a kernel needs no JSON parser. Each leaves *out as it was (the kernel's
 * default) when the key is absent, and fails with a sentence that names the key, what was
 * found and what was expected. All are Local.
 * CADRE_ERR_INPUT  not an object, another type, or out of range
 * CADRE_ERR_RANGE  the caller's buffer is too small */
#ifndef CADRE_OPTIONS_H
#define CADRE_OPTIONS_H

#include <cadre/status.h>
#include <stddef.h>
#include <stdint.h>

/* Fail on a key that is not among known[0..n), naming the nearest one. */
CADRE_API cadre_status cadre_options_check(const char *options, const char *const *known,
                                           size_t n);
CADRE_API cadre_status cadre_option_integer(const char *options, const char *key,
                                            int64_t min, int64_t max, int64_t *out);
CADRE_API cadre_status cadre_option_number(const char *options, const char *key,
                                           double min, double max, double *out);
/* true or false; *out is 1 or 0. */
CADRE_API cadre_status cadre_option_boolean(const char *options, const char *key,
                                            int *out);
/* A string into buf[size], NUL-terminated. */
CADRE_API cadre_status cadre_option_string(const char *options, const char *key,
                                           char *buf, size_t size);
/* An array of integers into out[max_n]; *n is how many there were. */
CADRE_API cadre_status cadre_option_integers(const char *options, const char *key,
                                             int64_t min, int64_t max, int64_t *out,
                                             size_t max_n, size_t *n);

#endif
