/* token_table.c - the hash tables of the tokenizer. */
#include "token_table.h"
#include <stdlib.h>
#include <string.h>

/* Any odd number with bits all over does. */
#define MIX UINT64_C(0x9E3779B97F4A7C15)

static uint64_t mixed(uint64_t h, uint64_t word)
{
    h = (h ^ word) * MIX;
    return h ^ h >> 32;
}

static uint64_t hash_of(const char *text, size_t bytes)
{
    uint64_t h = bytes, word;
    for (; bytes > sizeof word; bytes -= sizeof word, text += sizeof word) {
        memcpy(&word, text, sizeof word);
        h = mixed(h, word);
    }
    word = 0;
    memcpy(&word, text, bytes);
    return mixed(mixed(h, word), 0);
}

/* A power of two, at least twice n. */
static size_t slots_for(size_t n)
{
    size_t slots = 16;
    while (slots / 2 < n)
        slots *= 2;
    return slots;
}

static cadre_status no_memory(const char *what, size_t n)
{
    return cadre_fail(CADRE_ERR_NOMEM, "no memory for a table of %zu %s", n, what);
}

cadre_status tf_token_table_init(tf_token_table *table, const tf_string *texts, size_t n)
{
    const size_t slots = slots_for(n);
    *table = (tf_token_table){.texts = texts, .mask = slots - 1};
    table->slots = calloc(slots, sizeof *table->slots);
    return table->slots ? CADRE_OK : no_memory("tokens", n);
}

void tf_token_table_fini(tf_token_table *table)
{
    free(table->slots);
    *table = (tf_token_table){0};
}

/* The slot of a text, or the free one where it belongs. */
static uint64_t *slot_of(const tf_token_table *table, const char *text, size_t bytes,
                         uint64_t hash)
{
    for (size_t i = hash & table->mask;; i = (i + 1) & table->mask) {
        uint64_t *slot = &table->slots[i];
        if (*slot == 0)
            return slot;
        if (*slot >> 32 == hash >> 32) {
            const tf_string *other = &table->texts[(uint32_t)*slot - 1];
            if (other->bytes == bytes && memcmp(other->at, text, bytes) == 0)
                return slot;
        }
    }
}

int32_t tf_token_table_add(tf_token_table *table, int32_t id)
{
    const tf_string *text = &table->texts[id];
    const uint64_t hash = hash_of(text->at, text->bytes);
    uint64_t *slot = slot_of(table, text->at, text->bytes, hash);
    if (*slot != 0)
        return (int32_t)((uint32_t)*slot - 1);
    *slot = (hash >> 32 << 32) | ((uint32_t)id + 1);
    if (text->bytes > table->max_bytes)
        table->max_bytes = text->bytes;
    return -1;
}

int32_t tf_token_table_find(const tf_token_table *table, const char *text, size_t bytes)
{
    if (bytes > table->max_bytes)
        return -1;
    return (int32_t)((uint32_t)*slot_of(table, text, bytes, hash_of(text, bytes)) - 1);
}

cadre_status tf_merge_table_init(tf_merge_table *table, size_t n)
{
    const size_t slots = slots_for(n);
    table->mask = slots - 1;
    table->slots = malloc(slots * sizeof *table->slots);
    if (!table->slots)
        return no_memory("merges", n);
    for (size_t i = 0; i < slots; i++)
        table->slots[i].id = -1;
    return CADRE_OK;
}

void tf_merge_table_fini(tf_merge_table *table)
{
    free(table->slots);
    *table = (tf_merge_table){0};
}

static tf_merge *merge_slot(const tf_merge_table *table, int32_t left, int32_t right)
{
    const uint64_t pair = (uint64_t)(uint32_t)left << 32 | (uint32_t)right;
    for (size_t i = mixed(pair, 0) & table->mask;; i = (i + 1) & table->mask) {
        tf_merge *slot = &table->slots[i];
        if (slot->id < 0 || (slot->left == left && slot->right == right))
            return slot;
    }
}

void tf_merge_table_add(tf_merge_table *table, tf_merge merge)
{
    tf_merge *slot = merge_slot(table, merge.left, merge.right);
    if (slot->id < 0)
        *slot = merge;
}

const tf_merge *tf_merge_table_find(const tf_merge_table *table, int32_t left,
                                    int32_t right)
{
    const tf_merge *slot = merge_slot(table, left, right);
    return slot->id < 0 ? NULL : slot;
}
