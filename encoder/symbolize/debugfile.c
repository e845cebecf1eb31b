/* SPDX-License-Identifier: MIT
 *
 * Finds separate debug files as gdb does; see debugfile.h.
 *
 * By build id, then by debuglink, first below the process's own root, then below ours, then in the
 * folders of PPROF_BINARY_PATH, last from a server (fetch.h). Every candidate is checked: by build
 * id where the module has one, by the link's CRC otherwise.
 *
 * libdwfl also asks for the supplementary file that dwz has made, by the name in the debug file.
 * That file has a build id of its own, which stands beside the name.
 */
#include "encoder/symbolize/debugfile.h"

#include "encoder/symbolize/fetch.h"
#include "encoder/symbolize/image.h"
#include "encoder/symbolize/locate.h"

#include <elfutils/libdwelf.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

struct debug_search {
    const struct module *module;
    char id[IMAGE_ID_SIZE];  /* the module's own; "" = none */
    char folder[PATH_MAX];   /* of the module, as the process saw it; "" = not known */
    const char *base, *link; /* names without folders; link may be NULL */
    GElf_Word crc;
    char *path; /* found: malloc'ed */
};

static bool debugfile_crc_fits(int fd, GElf_Word wanted)
{
    uint8_t buf[1 << 16];
    uLong crc = crc32(0, NULL, 0);
    ssize_t got;
    off_t at = 0;
    while ((got = pread(fd, buf, sizeof buf, at)) > 0) {
        crc = crc32(crc, buf, (uInt)got);
        at += got;
    }
    return got == 0 && crc == wanted;
}

/* Opens `path` if it is the wanted debug file. Owns `path` from now on, which may be NULL. A
 * descriptor or -1. */
static int debugfile_try(struct debug_search *search, char *path)
{
    char id[IMAGE_ID_SIZE];
    int fd = path ? locate_regular(path) : -1;
    if (fd >= 0) {
        bool fits = image_build_id(fd, id) == 0 &&
                    (search->id[0] ? strcmp(id, search->id) == 0
                                   : search->link && debugfile_crc_fits(fd, search->crc));
        if (fits) {
            search->path = path;
            return fd;
        }
        close(fd);
    }
    free(path);
    return -1;
}

__attribute__((format(printf, 2, 3))) static int debugfile_at(struct debug_search *search,
                                                              const char *format, ...)
{
    char *path = NULL;
    va_list args;
    va_start(args, format);
    if (vasprintf(&path, format, args) < 0) {
        path = NULL;
    }
    va_end(args);
    return debugfile_try(search, path);
}

static int debugfile_below(struct debug_search *search, const char *root)
{
    const char *folder = search->folder, *link = search->link;
    int fd = -1;
    if (strlen(search->id) > 2) {
        fd = debugfile_at(search, "%s/usr/lib/debug/.build-id/%.2s/%s.debug", root, search->id,
                          search->id + 2);
    }
    if (fd >= 0 || !link || folder[0] != '/') {
        return fd;
    }
    fd = debugfile_at(search, "%s%s/%s", root, folder, link);
    if (fd < 0) {
        fd = debugfile_at(search, "%s%s/.debug/%s", root, folder, link);
    }
    if (fd < 0) {
        fd = debugfile_at(search, "%s/usr/lib/debug%s/%s", root, folder, link);
    }
    /* /lib may be a link to /usr/lib, and the debug package may have its file under either name. */
    if (fd < 0 && strncmp(folder, "/usr/", 5) == 0) {
        fd = debugfile_at(search, "%s/usr/lib/debug%s/%s", root, folder + 4, link);
    } else if (fd < 0) {
        fd = debugfile_at(search, "%s/usr/lib/debug/usr%s/%s", root, folder, link);
    }
    return fd;
}

static int debugfile_in_folder(void *arg, const char *folder)
{
    struct debug_search *search = arg;
    const char *id = search->id;
    int fd = -1;
    if (strlen(id) > 2) {
        fd = debugfile_at(search, "%s/.build-id/%.2s/%s.debug", folder, id, id + 2);
        if (fd < 0) {
            fd = debugfile_at(search, "%s/%.2s/%s.debug", folder, id, id + 2);
        }
        if (fd < 0) {
            fd = debugfile_at(search, "%s/%s/%s.debug", folder, id, search->base);
        }
        if (fd < 0) {
            fd = debugfile_at(search, "%s/%s.debug", folder, search->base);
        }
    }
    if (fd < 0 && search->link) {
        fd = debugfile_at(search, "%s/%s", folder, search->link);
    }
    return fd;
}

/* Makes it a search for the supplementary file. `beside` is the debug file that names it, from
 * whose folder on a relative name counts. A descriptor or -1: to be looked for by build id. */
static int debugfile_supplement(struct debug_search *search, Dwfl_Module *mod, const char *beside)
{
    Dwarf_Addr bias;
    Dwarf *dwarf = dwfl_module_getdwarf(mod, &bias); /* has been read: the name is out of it */
    const char *name, *slash = beside ? strrchr(beside, '/') : NULL;
    const void *bits;
    ssize_t len = dwarf ? dwelf_dwarf_gnu_debugaltlink(dwarf, &name, &bits) : 0;
    if (len <= 0) {
        search->id[0] = '\0';
        search->link = NULL;
        return -1;
    }
    image_hex(bits, (size_t)len, search->id);
    if (name[0] != '/') {
        return slash ? debugfile_at(search, "%.*s/%s", (int)(slash - beside), beside, name) : -1;
    }
    int fd = search->module->pid > 0
                 ? debugfile_at(search, "/proc/%d/root%s", (int)search->module->pid, name)
                 : -1;
    return fd >= 0 ? fd : debugfile_at(search, "%s", name);
}

int debugfile_find(Dwfl_Module *mod, void **userdata, const char *name, Dwarf_Addr base,
                   const char *file_name, const char *link, GElf_Word link_crc, char **found)
{
    struct debug_search search = {.module = *userdata, .crc = link_crc};
    char path[PATH_MAX], root[64];
    const unsigned char *bits;
    GElf_Addr vaddr;
    int fd = -1;
    (void)name;
    (void)base;
    if (!search.module) {
        return -1;
    }
    int len = dwfl_module_build_id(mod, &bits, &vaddr);
    if (len > 0) {
        image_hex(bits, (size_t)len, search.id);
    }
    if (link && *link) {
        const char *slash = strrchr(link, '/');
        search.link = slash ? slash + 1 : link;
    }
    locate_path(search.module, path);
    char *slash = strrchr(path, '/');
    search.base = slash ? slash + 1 : path;
    if (slash) {
        memcpy(search.folder, path, (size_t)(slash - path));
    }

    if (search.link && link_crc == 0) { /* a debug link has a CRC, the supplement's name has none */
        fd = debugfile_supplement(&search, mod, file_name);
    }
    if (fd < 0 && search.module->pid > 0) {
        snprintf(root, sizeof root, "/proc/%d/root", (int)search.module->pid);
        fd = debugfile_below(&search, root);
    }
    if (fd < 0) {
        fd = debugfile_below(&search, "");
    }
    if (fd < 0) {
        fd = locate_each_folder(debugfile_in_folder, &search);
    }
    if (fd < 0) {
        fd = debugfile_try(&search, fetch_file(FETCH_DEBUG_FILE, search.id));
    }
    *found = search.path;
    return fd < 0 ? -1 : fd;
}
