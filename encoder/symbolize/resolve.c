/* SPDX-License-Identifier: MIT
 *
 * See resolve.h. The flow: find the file, turn addresses into the file's own, sort them by
 * compilation unit, have answer.c answer unit after unit; a large module in pieces, each in a
 * process of its own.
 */
#include "encoder/symbolize/resolve.h"

#include "encoder/symbolize/answer.h"
#include "encoder/symbolize/apart.h"
#include "encoder/symbolize/debugfile.h"
#include "encoder/symbolize/locate.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

static int spot_order(const void *a, const void *b)
{
    const struct spot *x = a, *y = b;
    if (x->unit != y->unit) {
        return x->unit < y->unit ? -1 : 1;
    }
    if (x->vaddr != y->vaddr) {
        return x->vaddr < y->vaddr ? -1 : 1;
    }
    return (x->query > y->query) - (x->query < y->query);
}

/* ---- in pieces ---- */

/* A piece is a number of units that one child process answers: libdw keeps some 100 KB of each unit
 * that it has read, and frees it only with the module. */
enum { UNITS_A_PIECE = 64 };
enum { PIECE_SECONDS = 300 }; /* of CPU; the largest units known take a few */
enum { UNIT_SECONDS = 30 };
/* After so many units on which a child has died, all others are answered by symbol: 8 units that
 * never end take 4 minutes. */
enum { BAD_UNITS_MAX = 8 };

/* Spots of some units, sorted by unit. */
struct piece {
    struct reading *r;
    const struct spot *spots;
    size_t n;
    bool symbols_only;
};

/* The index behind the spots of at most `units` units that begin at spots[i]. */
static size_t piece_end(const struct spot *spots, size_t i, size_t n, size_t units)
{
    for (; i < n && units > 0; units--) {
        uint32_t unit = spots[i].unit;
        while (i < n && spots[i].unit == unit) {
            i++;
        }
    }
    return i;
}

static int answer_piece(void *arg)
{
    const struct piece *p = arg;
    int error = 0;
    for (size_t i = 0, end; i < p->n && error == 0; i = end) {
        const struct spot *first = &p->spots[i];
        if (p->symbols_only || first->unit == UNIT_NONE) {
            end = i + 1;
            error = answer_plain(p->r, first, NULL);
        } else {
            end = piece_end(p->spots, i, p->n, 1);
            error = answer_unit(p->r, first, end - i, &p->r->units.dies[first->unit]);
        }
    }
    return error;
}

static bool died_of_it(int error)
{
    return error == -EFAULT || error == -ENOMEM;
}

static int resolve_by_unit(struct reading *r, const struct spot *spots, size_t n)
{
    int error = 0;
    for (size_t i = 0, end; i < n && error == 0; i = end) {
        end = r->bad_units < BAD_UNITS_MAX ? piece_end(spots, i, n, 1) : n;
        struct piece piece = {.r = r,
                              .spots = spots + i,
                              .n = end - i,
                              .symbols_only = r->bad_units >= BAD_UNITS_MAX};
        error = apart_run(answer_piece, &piece, r->sink, UNIT_SECONDS);
        if (died_of_it(error) && !piece.symbols_only) {
            r->bad_units++;
            piece.symbols_only = true;
            error = apart_run(answer_piece, &piece, r->sink, UNIT_SECONDS);
        }
        if (died_of_it(error)) { /* these spots get no answer */
            error = 0;
        }
    }
    return error;
}

static int resolve_spots(struct reading *r, struct spot *spots, size_t n, enum resolve_mode mode)
{
    int error = 0;
    qsort(spots, n, sizeof *spots, spot_order);
    if (mode == RESOLVE_BY_UNIT) {
        return resolve_by_unit(r, spots, n);
    }
    for (size_t i = 0, end; i < n && error == 0; i = end) {
        end = piece_end(spots, i, n, UNITS_A_PIECE);
        struct piece piece = {.r = r, .spots = spots + i, .n = end - i};
        if (piece.n == n) {
            /* Small enough for this process, whose death worker.c notices. */
            return answer_piece(&piece);
        }
        error = apart_run(answer_piece, &piece, r->sink, PIECE_SECONDS);
        if (died_of_it(error)) {
            error = resolve_by_unit(r, spots + i, end - i);
        }
    }
    return error;
}

static int resolve_reading(struct reading *r, enum resolve_mode mode)
{
    const struct module *module = r->module;
    struct spot *spots;
    GElf_Addr bias;
    r->elf = dwfl_module_getelf(r->dwfl, &bias);
    if (!r->elf) {
        return -ENOEXEC;
    }
    int error = image_read(&r->image, r->elf);
    if (error) {
        return error;
    }
    if (mode != RESOLVE_SYMBOLS) {
        Dwarf *dwarf = dwfl_module_getdwarf(r->dwfl, &r->dwarf_bias);
        if (dwarf) {
            error = units_load(&r->units, dwarf, r->dwarf_bias, &r->image);
        }
    }
    if (error == 0) {
        error = symbols_load(&r->symbols, r->dwfl, &r->image);
    }
    spots = calloc(module->nqueries + 1, sizeof *spots);
    if (error || !spots) {
        free(spots);
        return error ? error : -ENOMEM;
    }
    for (size_t i = 0; i < module->nqueries; i++) {
        const struct query *query = &module->queries[i];
        spots[i].query = i;
        spots[i].inside = image_vaddr(&r->image, query->mapping, query->address, &spots[i].vaddr);
        spots[i].unit = spots[i].inside ? units_find(&r->units, spots[i].vaddr) : UNIT_NONE;
    }
    error = resolve_spots(r, spots, module->nqueries, mode);
    free(spots);
    return error;
}

/* libdwfl wants a find_elf callback. It is not called: the module is reported with its file open.
 */
static int find_no_elf(Dwfl_Module *mod, void **userdata, const char *name, Dwarf_Addr base,
                       char **file_name, Elf **elf)
{
    (void)mod;
    (void)userdata;
    (void)name;
    (void)base;
    (void)file_name;
    (void)elf;
    return -1;
}

int resolve_module(const struct module *module, enum resolve_mode mode, struct answer_sink *sink)
{
    static const Dwfl_Callbacks callbacks = {.find_elf = find_no_elf,
                                             .find_debuginfo = debugfile_find,
                                             .section_address = dwfl_offline_section_address};
    struct reading r = {.module = module, .sink = sink};
    char path[PATH_MAX];
    void **userdata;
    int error = -ENOEXEC, fd = locate_open(module);
    if (fd < 0) {
        return fd;
    }
    locate_path(module, path);
    Dwfl *dwfl = dwfl_begin(&callbacks);
    if (!dwfl) {
        close(fd);
        return -ENOMEM;
    }
    /* Reported at base 0, a module has the addresses that its file has. */
    dwfl_report_begin(dwfl);
    r.dwfl = dwfl_report_elf(dwfl, path, path, fd, 0, true);
    if (r.dwfl) {
        dwfl_report_end(dwfl, NULL, NULL);
        dwfl_module_info(r.dwfl, &userdata, NULL, NULL, NULL, NULL, NULL, NULL);
        *userdata = (void *)(uintptr_t)module; /* debugfile_find reads it */
        error = resolve_reading(&r, mode);
    } else {
        close(fd);
    }
    die_names_free(&r.die_names);
    source_paths_free(&r.paths);
    units_free(&r.units);
    symbols_free(&r.symbols);
    fdes_free(&r.fdes);
    image_free(&r.image);
    dwfl_end(dwfl);
    dwp_free(r.dwp);
    return error;
}
