/* core/money.c - decimal strings to and from integer money, exactly. */
#include <cadre/money.h>
#include <string.h>

#define FRACTION_DIGITS 13

static cadre_status refuse(const char *text)
{
    return cadre_fail(
        CADRE_ERR_INPUT,
        "expected an amount in USD as a plain decimal such as \"0.10\", found \"%.40s\"",
        text);
}

/* value = value * 10 + digit below zero, where there is one more value than above. */
static int push_digit(int64_t *value, int digit)
{
    return __builtin_mul_overflow(*value, 10, value) ||
           __builtin_sub_overflow(*value, digit, value);
}

static int is_digit(char c)
{
    return c >= '0' && c <= '9';
}

cadre_status cadre_money_parse(const char *text, cadre_money *out)
{
    const char *p = text;
    const int negative = *p == '-';
    int64_t value = 0; /* minus the amount */
    int fraction = 0, overflow = 0;

    p += negative;
    if (!is_digit(*p))
        return refuse(text);
    for (; is_digit(*p); p++)
        overflow |= push_digit(&value, *p - '0');
    if (*p == '.') {
        p++;
        if (!is_digit(*p))
            return refuse(text);
        for (; is_digit(*p); p++) {
            if (fraction < FRACTION_DIGITS) {
                overflow |= push_digit(&value, *p - '0');
                fraction++;
            } else if (*p != '0') {
                return cadre_fail(
                    CADRE_ERR_INPUT,
                    "\"%.40s\" USD is finer than 1e-13 USD, the smallest amount", text);
            }
        }
    }
    if (*p != '\0')
        return refuse(text);
    for (; fraction < FRACTION_DIGITS; fraction++)
        overflow |= push_digit(&value, 0);
    if (overflow || (!negative && value == INT64_MIN))
        return cadre_fail(
            CADRE_ERR_RANGE,
            "\"%.40s\" USD is beyond the largest amount, 922337.2036854775807 USD", text);
    *out = negative ? value : -value;
    return CADRE_OK;
}

/* By hand, from the last digit to the first: a ledger formats several amounts per
 * request. */
char *cadre_money_format(cadre_money amount, char *buf)
{
    uint64_t size = amount < 0 ? 0 - (uint64_t)amount : (uint64_t)amount;
    char digits[CADRE_MONEY_TEXT];
    char *p = digits + sizeof digits;
    int n_fraction = FRACTION_DIGITS;

    /* Drop zeros that say nothing, but keep two digits as for cents. */
    for (; n_fraction > 2 && size % 10 == 0; n_fraction--)
        size /= 10;
    *--p = '\0';
    for (int i = 0; i < n_fraction; i++, size /= 10)
        *--p = (char)('0' + size % 10);
    *--p = '.';
    do
        *--p = (char)('0' + size % 10);
    while ((size /= 10) > 0);
    if (amount < 0)
        *--p = '-';
    return memcpy(buf, p, (size_t)(digits + sizeof digits - p));
}

static cadre_status overflow_of(cadre_money a, const char *what)
{
    char text[CADRE_MONEY_TEXT];
    return cadre_fail(CADRE_ERR_RANGE, "amount overflows: %s USD %s",
                      cadre_money_format(a, text), what);
}

cadre_status cadre_money_add(cadre_money a, cadre_money b, cadre_money *out)
{
    cadre_money sum;
    if (__builtin_add_overflow(a, b, &sum))
        return overflow_of(a, "plus another amount");
    *out = sum;
    return CADRE_OK;
}

cadre_status cadre_money_sub(cadre_money a, cadre_money b, cadre_money *out)
{
    cadre_money difference;
    if (__builtin_sub_overflow(a, b, &difference))
        return overflow_of(a, "minus another amount");
    *out = difference;
    return CADRE_OK;
}

cadre_status cadre_money_mul(cadre_money a, uint64_t count, cadre_money *out)
{
    cadre_money product;
    if (__builtin_mul_overflow(a, count, &product))
        return overflow_of(a, "times a count");
    *out = product;
    return CADRE_OK;
}
