/* topo/cgroup.c - memory and CPU limits of control groups.
 *
 * /proc/self/cgroup names the group of this process in each hierarchy, and
 * /proc/self/mountinfo tells where hierarchies are mounted and which of their groups is
 * the root of the mount (in a container rarely "/"). A limit of any ancestor holds for
 * all below it, so every folder up to the mount point is read.
 */
#include "topo/cgroup.h"
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PATH_BYTES 4096
#define LINE_BYTES 8192

typedef enum controller { MEMORY_V1, CPU_V1, UNIFIED, N_CONTROLLERS } controller;

/* Where one hierarchy is mounted, and the process's group in it. */
typedef struct hierarchy {
    char mount[PATH_BYTES], mount_root[PATH_BYTES], group[PATH_BYTES];
} hierarchy;

static bool copy_path(char *to, const char *from)
{
    const size_t n = strlen(from);
    if (n >= PATH_BYTES)
        return false;
    memcpy(to, from, n + 1);
    return true;
}

/* Whether the comma-separated list holds word. */
static bool lists(const char *list, const char *word)
{
    const size_t n = strlen(word);
    for (const char *p = list; *p;) {
        const size_t length = strcspn(p, ",");
        if (length == n && strncmp(p, word, n) == 0)
            return true;
        p += length + (p[length] == ',');
    }
    return false;
}

/* One line of mountinfo: "31 23 0:28 MOUNT_ROOT MOUNT OPTIONS ... - TYPE SOURCE
 * SUPER". */
static void take_mount(char *line, hierarchy *all)
{
    char *fields[5], *save = NULL;
    char *separator = strstr(line, " - ");
    if (!separator)
        return;
    *separator = '\0';
    for (int i = 0; i < 5; i++) {
        fields[i] = strtok_r(i == 0 ? line : NULL, " ", &save);
        if (!fields[i])
            return;
    }
    const char *type = strtok_r(separator + 3, " ", &save);
    const char *source = strtok_r(NULL, " ", &save);
    const char *super = strtok_r(NULL, " \n", &save);
    if (!type || !source || !super)
        return;
    for (int c = 0; c < N_CONTROLLERS; c++) {
        const bool match = c == UNIFIED
                               ? strcmp(type, "cgroup2") == 0
                               : strcmp(type, "cgroup") == 0 &&
                                     lists(super, c == CPU_V1 ? "cpu" : "memory");
        if (!match || all[c].mount[0] != '\0')
            continue;
        if (!copy_path(all[c].mount_root, fields[3]) ||
            !copy_path(all[c].mount, fields[4]))
            all[c].mount[0] = '\0';
    }
}

/* One line of /proc/self/cgroup: "4:memory:/path", "0::/path" for version 2. */
static void take_group(char *line, hierarchy *all)
{
    line[strcspn(line, "\n")] = '\0';
    char *controllers = strchr(line, ':');
    char *group = controllers ? strchr(controllers + 1, ':') : NULL;
    if (!group)
        return;
    *group++ = '\0';
    controllers++;
    for (int c = 0; c < N_CONTROLLERS; c++) {
        const bool match = c == UNIFIED
                               ? controllers[0] == '\0'
                               : lists(controllers, c == CPU_V1 ? "cpu" : "memory");
        if (match && !copy_path(all[c].group, group))
            all[c].group[0] = '\0';
    }
}

static void each_line(const char *root, const char *path, hierarchy *all,
                      void (*take)(char *line, hierarchy *all))
{
    char name[PATH_BYTES], line[LINE_BYTES];
    if (snprintf(name, sizeof name, "%s%s", root, path) >= (int)sizeof name)
        return;
    FILE *file = fopen(name, "re");
    if (!file)
        return;
    while (fgets(line, sizeof line, file))
        take(line, all);
    fclose(file);
}

/* Read folder/name; true if it starts with a number or two, which go into *first,
 * *second. */
static bool read_numbers(const char *folder, const char *name, uint64_t *first,
                         uint64_t *second)
{
    char path[PATH_BYTES + 64];
    if (snprintf(path, sizeof path, "%s/%s", folder, name) >= (int)sizeof path)
        return false;
    FILE *file = fopen(path, "re");
    if (!file)
        return false;
    char line[128] = "";
    const bool read = fgets(line, sizeof line, file) != NULL;
    fclose(file);
    /* "max" and the "-1" of version 1 both mean that there is no limit. */
    if (!read || line[0] < '0' || line[0] > '9')
        return false;
    char *end;
    *first = strtoull(line, &end, 10);
    if (second)
        *second = strtoull(end, NULL, 10);
    return true;
}

static void limit_memory(const char *folder, const char *name, cadre__cgroup_limits *out)
{
    uint64_t bytes;
    if (read_numbers(folder, name, &bytes, NULL) && bytes < out->memory_bytes)
        out->memory_bytes = bytes;
}

static void limit_cpus(uint64_t quota, uint64_t period, cadre__cgroup_limits *out)
{
    if (period == 0)
        return;
    uint64_t cpus = quota / period + (quota % period != 0);
    if (cpus == 0)
        cpus = 1;
    if (cpus < out->quota_cpus)
        out->quota_cpus = cpus;
}

static void read_folder(int c, const char *folder, cadre__cgroup_limits *out)
{
    uint64_t quota, period;
    if (c == MEMORY_V1) {
        limit_memory(folder, "memory.limit_in_bytes", out);
    } else if (c == CPU_V1) {
        if (read_numbers(folder, "cpu.cfs_quota_us", &quota, NULL) &&
            read_numbers(folder, "cpu.cfs_period_us", &period, NULL))
            limit_cpus(quota, period, out);
    } else {
        limit_memory(folder, "memory.max", out);
        if (read_numbers(folder, "cpu.max", &quota, &period))
            limit_cpus(quota, period, out);
    }
}

/* From the process's group up to the mount point. */
static void read_hierarchy(const char *root, int c, const hierarchy *h,
                           cadre__cgroup_limits *out)
{
    char folder[3 * PATH_BYTES];
    const char *below = h->group;
    const size_t n_root = strlen(h->mount_root);

    if (h->mount[0] == '\0')
        return;
    /* The group as seen from the mount point; one outside of it cannot be seen from
     * here. */
    if (n_root > 1)
        below = strncmp(below, h->mount_root, n_root) == 0 ? below + n_root : "";
    if (strstr(below, "/.."))
        below = "";
    const int top = snprintf(folder, sizeof folder, "%s%s", root, h->mount);
    if (top < 0 || top >= (int)sizeof folder)
        return;
    snprintf(folder + top, sizeof folder - (size_t)top, "%s", below);
    for (;;) {
        read_folder(c, folder, out);
        char *slash = strrchr(folder, '/');
        if (!slash || slash < folder + top)
            return;
        *slash = '\0';
    }
}

void cadre__cgroup_read(const char *root, cadre__cgroup_limits *out)
{
    out->memory_bytes = CADRE__CGROUP_NO_LIMIT;
    out->quota_cpus = CADRE__CGROUP_NO_LIMIT;

    hierarchy *all = calloc(N_CONTROLLERS, sizeof *all);
    if (!all)
        return;
    each_line(root, "/proc/self/mountinfo", all, take_mount);
    each_line(root, "/proc/self/cgroup", all, take_group);
    for (int c = 0; c < N_CONTROLLERS; c++)
        read_hierarchy(root, c, &all[c], out);
    free(all);
}
