/* io/json_numbers.h - arrays of numbers read straight from JSON text.
 *
 * A row of a request is hundreds of numbers; a tree node for each costs more than all the
 * rest of reading it. So such arrays can be cut out before the tree is built, and read
 * from the text. All texts here have passed cadre__json_scan().
 */
#ifndef CADRE_IO_JSON_NUMBERS_H
#define CADRE_IO_JSON_NUMBERS_H

#include <stddef.h>

/* Copy text[0..size) to out, which has room for as much, with "[]" for each array of
 * nothing but numbers. Returns the bytes written. */
size_t cadre__json_numbers_cut(const char *text, size_t size, char *out);

/* How many numbers an array of numbers has; text begins at its '['. */
size_t cadre__json_numbers_count(const char *text, size_t size);

/* Read its n numbers into out. Returns how many were read before one did not fit a float:
 * n if all did. The text is NUL-terminated somewhere. */
size_t cadre__json_numbers_read(const char *text, size_t n, float *out);

#endif
