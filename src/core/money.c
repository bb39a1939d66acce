/* core/money.c - decimal strings to and from integer money, exactly. */
#include <cadre/money.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define FRACTION_DIGITS 13

static cadre_status refuse(const char *text)
{
    return cadre_fail(CADRE_ERR_INPUT,
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
                return cadre_fail(CADRE_ERR_INPUT,
                                  "\"%.40s\" USD is finer than 1e-13 USD, the smallest amount",
                                  text);
            }
        }
    }
    if (*p != '\0')
        return refuse(text);
    for (; fraction < FRACTION_DIGITS; fraction++)
        overflow |= push_digit(&value, 0);
    if (overflow || (!negative && value == INT64_MIN))
        return cadre_fail(CADRE_ERR_RANGE,
                          "\"%.40s\" USD is beyond the largest amount, 922337.2036854775807 USD",
                          text);
    *out = negative ? value : -value;
    return CADRE_OK;
}

char *cadre_money_format(cadre_money amount, char *buf)
{
    const uint64_t size = amount < 0 ? 0 - (uint64_t)amount : (uint64_t)amount;
    const uint64_t unit = CADRE_MONEY_USD;
    int n = snprintf(buf, CADRE_MONEY_TEXT, "%s%" PRIu64 ".%013" PRIu64,
                     amount < 0 ? "-" : "", size / unit, size % unit);
    /* Drop zeros that say nothing, but keep two digits as for cents. */
    const int shortest = n - FRACTION_DIGITS + 2;
    while (n > shortest && buf[n - 1] == '0')
        buf[--n] = '\0';
    return buf;
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
