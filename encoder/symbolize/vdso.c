/* SPDX-License-Identifier: MIT
 *
 * See vdso.h.
 *
 * The copy is taken from the process itself if it still lives and we may read its memory. Otherwise
 * this process's own vDSO is taken, if its build id is the one in the profile.
 */
#include "encoder/symbolize/vdso.h"

#include "encoder/symbolize/image.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <unistd.h>

enum { VDSO_MAX = 1 << 20 }; /* bytes; real ones have two to four pages */

static int vdso_file(const void *bytes, size_t len)
{
    int fd = memfd_create("vdso", MFD_CLOEXEC);
    if (fd < 0) {
        return -errno;
    }
    if (write(fd, bytes, len) != (ssize_t)len) {
        close(fd);
        return -EIO;
    }
    return fd;
}

static int vdso_of_process(const struct module *module)
{
    const struct mapping *mapping = module->queries[0].mapping;
    uint64_t len = mapping->limit - mapping->start;
    char name[64];
    int mem, fd = -EIO;
    if (module->pid <= 0 || mapping->limit <= mapping->start || len > VDSO_MAX) {
        return -ENOENT;
    }
    snprintf(name, sizeof name, "/proc/%d/mem", (int)module->pid);
    mem = open(name, O_RDONLY | O_CLOEXEC);
    if (mem < 0) {
        return -errno;
    }
    uint8_t *bytes = malloc((size_t)len);
    if (bytes && pread(mem, bytes, (size_t)len, (off_t)mapping->start) == (ssize_t)len) {
        fd = vdso_file(bytes, (size_t)len);
    }
    free(bytes);
    close(mem);
    return fd;
}

/* This process's own. It ends with its section headers, which are at the end of the image. */
static int vdso_of_ourselves(void)
{
    const Elf64_Ehdr *ehdr = (const Elf64_Ehdr *)getauxval(AT_SYSINFO_EHDR);
    if (!ehdr || memcmp(ehdr->e_ident, ELFMAG, SELFMAG) != 0 ||
        ehdr->e_ident[EI_CLASS] != ELFCLASS64) {
        return -ENOENT;
    }
    size_t len = ehdr->e_shoff + (size_t)ehdr->e_shentsize * ehdr->e_shnum;
    return len <= VDSO_MAX ? vdso_file(ehdr, len) : -EFBIG;
}

int vdso_open(const struct module *module)
{
    char id[IMAGE_ID_SIZE];
    if (module->nqueries == 0) {
        return -ENOENT;
    }
    int fd = vdso_of_process(module);
    if (fd >= 0) {
        if (image_build_id(fd, id) == 0 &&
            (module->build_id[0] == '\0' || strcasecmp(id, module->build_id) == 0)) {
            return fd;
        }
        close(fd);
    }
    fd = vdso_of_ourselves();
    if (fd >= 0 && (module->build_id[0] == '\0' || image_build_id(fd, id) != 0 ||
                    strcasecmp(id, module->build_id) != 0)) {
        close(fd);
        return -ENOENT;
    }
    return fd;
}
