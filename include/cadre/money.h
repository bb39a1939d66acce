/* cadre/money.h - exact money.
 *
 * An amount is a signed 64-bit count of 1e-13 USD, so every published price per token is
 * a whole number and the largest amount is 922,337.2036854775807 USD. Decimal strings are
 * converted exactly or refused; no floating-point number is involved anywhere.
 */
#ifndef CADRE_MONEY_H
#define CADRE_MONEY_H

#include <cadre/status.h>
#include <stddef.h>
#include <stdint.h>

typedef int64_t cadre_money; /* 1e-13 USD */

#define CADRE_MONEY_USD INT64_C(10000000000000)
#define CADRE_MONEY_MAX INT64_MAX
#define CADRE_MONEY_TEXT 24 /* bytes that hold any formatted amount, with its NUL */

/* Parse a plain decimal such as "5", "0.10" or "-0.0000000000001": an optional '-',
 * digits, optionally '.' and digits. No exponent, no blank, no sign '+'. Local. On
 * failure *out is unchanged.
 * CADRE_ERR_INPUT  not such a decimal, or more than 13 digits of fraction that are not 0
 * CADRE_ERR_RANGE  beyond +-922,337.2036854775807 USD */
CADRE_API cadre_status cadre_money_parse(const char *text, cadre_money *out);

/* Write amount as the shortest exact decimal with at least two digits of fraction
 * ("5.00", "0.0000025"), NUL-terminated, into buf of at least CADRE_MONEY_TEXT bytes.
 * Returns buf. Local. */
CADRE_API char *cadre_money_format(cadre_money amount, char *buf);

/* *out = a + b, a - b, a * count; *out is unchanged on overflow. Local.
 * CADRE_ERR_RANGE  the result does not fit */
CADRE_API cadre_status cadre_money_add(cadre_money a, cadre_money b, cadre_money *out);
CADRE_API cadre_status cadre_money_sub(cadre_money a, cadre_money b, cadre_money *out);
CADRE_API cadre_status cadre_money_mul(cadre_money a, uint64_t count, cadre_money *out);

#endif
