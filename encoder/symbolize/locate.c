/* SPDX-License-Identifier: MIT
 *
 * Finds the file that a mapping was; see locate.h.
 *
 * If the profile has a build id, a file with another one is not used: names from another version
 * would look right. If it has none, only the path tells; then a file that the kernel calls deleted
 * is taken only through the process itself, while that lives.
 */
#include "encoder/symbolize/locate.h"

#include "encoder/symbolize/fetch.h"
#include "encoder/symbolize/image.h"
#include "encoder/symbolize/vdso.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int locate_regular(const char *path)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0) {
        return -errno;
    }
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        close(fd);
        return -ENOENT;
    }
    return fd;
}

bool locate_path(const struct module *module, char path[PATH_MAX])
{
    static const char mark[] = " (deleted)";
    size_t len = strnlen(module->file, PATH_MAX - 1);
    bool deleted = len >= sizeof mark - 1 &&
                   memcmp(module->file + len - (sizeof mark - 1), mark, sizeof mark - 1) == 0;
    if (deleted) {
        len -= sizeof mark - 1;
    }
    memcpy(path, module->file, len);
    path[len] = '\0';
    return deleted;
}

/* Whether the living process has the file mapped as deleted, so that the path now leads to another
 * one. False if the module has a build id, which tells by itself. */
static bool locate_replaced(const struct module *module)
{
    const struct mapping *mapping = module->nqueries ? module->queries[0].mapping : NULL;
    char name[64], *line = NULL;
    size_t cap = 0;
    bool replaced = false;
    ssize_t len;
    if (module->pid <= 0 || module->build_id[0] || !mapping) {
        return false;
    }
    snprintf(name, sizeof name, "/proc/%d/maps", (int)module->pid);
    FILE *in = fopen(name, "re");
    while (in && (len = getline(&line, &cap, in)) > 0) {
        if (strtoull(line, NULL, 16) == mapping->start) {
            replaced = len > 11 && strcmp(line + len - 11, " (deleted)\n") == 0;
        }
    }
    free(line);
    if (in) {
        fclose(in);
    }
    return replaced;
}

/* Opens `path` if it is an ELF file with the module's build id, or any ELF file if the module has
 * none and need_id is false. A descriptor or -errno. */
static int locate_try(const struct module *module, const char *path, bool need_id)
{
    char id[IMAGE_ID_SIZE];
    if (need_id && module->build_id[0] == '\0') {
        return -ENOENT;
    }
    int fd = locate_regular(path);
    if (fd < 0) {
        return fd;
    }
    if (image_build_id(fd, id) == 0 &&
        (module->build_id[0] == '\0' || strcasecmp(id, module->build_id) == 0)) {
        return fd;
    }
    close(fd);
    return -ENOENT;
}

static int locate_in_process(const struct module *module, const char *path, bool deleted)
{
    char name[PATH_MAX + 64];
    int fd = -ENOENT;
    if (module->pid > 0 && path[0] == '/') {
        snprintf(name, sizeof name, "/proc/%d/root%s", (int)module->pid, path);
        fd = locate_try(module, name, deleted);
    }
    if (fd < 0 && path[0] == '/') {
        fd = locate_try(module, path, deleted);
    }
    if (fd >= 0 || module->pid <= 0) {
        return fd;
    }

    /* The file was deleted or replaced, but /proc still leads to it: by map_files, which needs
     * privileges, or by exe. */
    for (size_t i = 0; i < module->nqueries; i++) {
        const struct mapping *mapping = module->queries[i].mapping;
        if (i > 0 && mapping == module->queries[i - 1].mapping) {
            continue;
        }
        snprintf(name, sizeof name, "/proc/%d/map_files/%lx-%lx", (int)module->pid,
                 (unsigned long)mapping->start, (unsigned long)mapping->limit);
        fd = locate_try(module, name, false);
        if (fd >= 0) {
            return fd;
        }
    }
    snprintf(name, sizeof name, "/proc/%d/exe", (int)module->pid);
    return locate_try(module, name, true);
}

struct folder_search {
    const struct module *module;
    const char *base;
};

static int locate_in_folder(void *arg, const char *folder)
{
    const struct folder_search *search = arg;
    char name[PATH_MAX];
    int fd = -ENOENT;
    if (search->module->build_id[0] && !strchr(search->module->build_id, '/')) {
        snprintf(name, sizeof name, "%s/%s/%s", folder, search->module->build_id, search->base);
        fd = locate_try(search->module, name, false);
    }
    if (fd < 0) {
        snprintf(name, sizeof name, "%s/%s", folder, search->base);
        fd = locate_try(search->module, name, false);
    }
    return fd;
}

int locate_each_folder(int (*f)(void *arg, const char *folder), void *arg)
{
    const char *path = getenv("PPROF_BINARY_PATH"), *home = getenv("HOME");
    char folder[PATH_MAX];
    int result = -ENOENT;
    if (!path || !*path) { /* pprof's own default */
        if (!home || !*home) {
            return -ENOENT;
        }
        snprintf(folder, sizeof folder, "%s/pprof/binaries", home);
        return f(arg, folder);
    }
    while (result < 0 && *path) {
        size_t len = strcspn(path, ":");
        if (len > 0 && len < sizeof folder) {
            memcpy(folder, path, len);
            folder[len] = '\0';
            result = f(arg, folder);
        }
        path += len + (path[len] == ':');
    }
    return result;
}

int locate_open(const struct module *module)
{
    char path[PATH_MAX];
    bool deleted = locate_path(module, path) || locate_replaced(module);
    const char *slash = strrchr(path, '/');
    struct folder_search search = {.module = module, .base = slash ? slash + 1 : path};
    if (strcmp(path, "[vdso]") == 0) {
        return vdso_open(module);
    }
    if (module->nqueries == 0 || search.base[0] == '\0') {
        return -ENOENT;
    }
    int fd = locate_in_process(module, path, deleted);
    if (fd < 0) {
        fd = locate_each_folder(locate_in_folder, &search);
    }
    if (fd < 0) {
        char *fetched = fetch_file(FETCH_BINARY, module->build_id);
        fd = fetched ? locate_try(module, fetched, true) : fd;
        free(fetched);
    }
    return fd;
}
