/* fuzz_job: any bytes as a JSON document, as a lean one, and as a job file.
 *
 * Sources: src/core/{memory,money,status,text}.c src/io/job*.c src/io/file.c
 * Sources: src/io/json*.c
 * Libraries: -lcjson -lxxhash -lz
 */
#include "core/memory.h"
#include "io/job.h"
#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_numbers(const cadre__json_doc *doc, const cadre__json *node)
{
    const size_t n = cadre__json_n_numbers(doc, node);
    float *row = n ? cadre__alloc_n(n, sizeof *row) : NULL;
    if (row)
        (void)cadre__json_read_floats(doc, node, n, row);
    cadre__free(row);
    for (const cadre__json *child = cadre__json_first(node); child;
         child = cadre__json_next(child))
        read_numbers(doc, child);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data;
    cadre__json_doc *doc;
    cadre__job *job;
    if (cadre__json_parse_lean("fuzz.json", 1, text, size, &doc) == CADRE_OK) {
        read_numbers(doc, cadre__json_root(doc));
        cadre__json_doc_destroy(doc);
    }
    if (cadre__json_parse("fuzz.json", 1, text, size, &doc) != CADRE_OK)
        return 0;
    cadre__free(cadre__json_print(cadre__json_root(doc), true));
    (void)cadre__json_set_path(doc, "tiers.0.shards", text[0] == '{' ? "2" : "x");
    if (cadre__job_from_doc("jobs/fuzz.json", doc, &job) == CADRE_OK)
        cadre__job_destroy(job);
    return 0;
}
