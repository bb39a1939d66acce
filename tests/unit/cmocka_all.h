/* tests/unit/cmocka_all.h - cmocka with the headers it wants first. */
#ifndef CADRE_TESTS_CMOCKA_ALL_H
#define CADRE_TESTS_CMOCKA_ALL_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#endif
