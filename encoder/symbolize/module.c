/* module.c: names the addresses of one binary or library; see module.h.
 *
 * The flow: find the file, turn addresses into the file's own, sort them; those that a unit of the
 * debug information covers are answered unit by unit, innermost inlined call first, with lines; the
 * others by symbol, by PLT stub, or by the synthetic lib.so!0x1234.
 *
 * SPDX-License-Identifier: MIT
 */
#include "module.h"

#include "apart.h"
#include "debugfile.h"
#include "demangle.h"
#include "die_name.h"
#include "dwp.h"
#include "image.h"
#include "locate.h"
#include "plt.h"
#include "scopes.h"
#include "source_path.h"
#include "symbols.h"
#include "synthetic.h"
#include "units.h"

#include <dwarf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* One query, on its way. */
struct spot {
    uint64_t vaddr;
    size_t query;
    uint32_t unit;
    bool inside; /* of the file: vaddr is right */
};

struct reading {
    const struct module *module;
    struct answer_sink *sink;
    Dwfl_Module *mod;
    Elf *elf;
    struct image image;
    struct symbols symbols;
    struct units units;
    struct die_names die_names;
    struct source_paths paths;
    uint64_t dwarf_bias;
    struct dwp *dwp;
    bool dwp_looked_for;
    unsigned bad_units; /* that brought their process down */
};

static int spot_order(const void *a, const void *b)
{
    const struct spot *x = a, *y = b;

    if (x->unit != y->unit)
        return x->unit < y->unit ? -1 : 1;
    if (x->vaddr != y->vaddr)
        return x->vaddr < y->vaddr ? -1 : 1;
    return (x->query > y->query) - (x->query < y->query);
}

static int module_put_name(struct reading *r, const struct spot *spot, enum answer_kind kind,
                           const char *symbol, const char *file, uint64_t line, uint64_t offset)
{
    size_t stem = strcspn(symbol, "@");
    char *name = demangle_name(symbol, false), *system_name;
    int error = -ENOMEM;

    /* Without its version; but name@plt is our own and stays. */
    if (strcmp(symbol + stem, "@plt") == 0) {
        char *whole = NULL;
        if (name && asprintf(&whole, "%s@plt", name) < 0)
            whole = NULL;
        free(name);
        name = whole;
        stem = strlen(symbol);
    }
    system_name = strndup(symbol, stem ? stem : strlen(symbol));
    if (name && system_name) {
        struct frame frame = {.name = name,
                              .system_name = system_name,
                              .file = file,
                              .line = line,
                              .offset = (uint32_t)offset};
        error = r->sink->put(r->sink, spot->query, kind, &frame, 1);
    }
    free(name);
    free(system_name);
    return error;
}

static int module_put_synthetic(struct reading *r, const struct spot *spot)
{
    char name[SYNTHETIC_SIZE];

    if (!spot->inside)
        return synthetic_put(r->sink, spot->query, &r->module->queries[spot->query]);
    synthetic_name(name, r->module->file, spot->vaddr);
    struct frame frame = {.name = name, .system_name = name, .file = ""};
    return r->sink->put(r->sink, spot->query, ANSWER_SYNTHETIC, &frame, 1);
}

/* An address that no DWARF function covers; `unit` may still know its line (assembler code). */
static int module_put_plain(struct reading *r, const struct spot *spot, Dwarf_Die *unit)
{
    const char *file = "";
    int line = 0;

    if (!spot->inside)
        return module_put_synthetic(r, spot);
    const struct symbol *symbol = symbols_find(&r->symbols, spot->vaddr);
    if (!symbol) {
        char *stub = plt_name(r->elf, &r->image, &r->symbols, spot->vaddr);
        if (!stub)
            return module_put_synthetic(r, spot);
        int error = module_put_name(r, spot, ANSWER_SYMBOL, stub, "", 0, 0);
        free(stub);
        return error;
    }
    Dwarf_Line *row = unit ? dwarf_getsrc_die(unit, spot->vaddr - r->dwarf_bias) : NULL;
    if (row) {
        file = dwarf_linesrc(row, NULL, NULL);
        file = file ? source_path(&r->paths, unit, file) : "";
        dwarf_lineno(row, &line);
    }
    return module_put_name(r, spot, *file ? ANSWER_DWARF : ANSWER_SYMBOL, symbol->name, file,
                           line > 0 ? (uint64_t)line : 0, spot->vaddr - symbol->start);
}

/* Where an inlined call was written. */
static void module_call_site(Dwarf_Die *inlined, Dwarf_Die *tree, const char **file, uint64_t *line)
{
    Dwarf_Attribute attribute;
    Dwarf_Word value;
    Dwarf_Files *files;
    size_t n;

    *file = NULL;
    *line = 0;
    if (dwarf_formudata(dwarf_attr(inlined, DW_AT_call_line, &attribute), &value) == 0)
        *line = value;
    if (dwarf_formudata(dwarf_attr(inlined, DW_AT_call_file, &attribute), &value) == 0 &&
        dwarf_getsrcfiles(tree, &files, &n) == 0 && value < n)
        *file = dwarf_filesrc(files, (size_t)value, NULL, NULL);
}

/* The symbol of the function that begins where this entry does. */
static const struct symbol *module_entry_symbol(struct reading *r, Dwarf_Die *die)
{
    Dwarf_Addr entry;

    if (dwarf_entrypc(die, &entry) != 0)
        return NULL;
    const struct symbol *symbol = symbols_find(&r->symbols, entry + r->dwarf_bias);
    return symbol && symbol->start == entry + r->dwarf_bias ? symbol : NULL;
}

/* A wrapper of pprofinject.h, which is to be taken for part of its caller: attribute artificial.
 * Other such functions are shown, as addr2line does: implicit destructors are artificial too. */
static bool module_is_wrapper(Dwarf_Die *die)
{
    Dwarf_Attribute attribute;
    const char *name = dwarf_formstring(dwarf_attr_integrate(die, DW_AT_name, &attribute));
    bool artificial = false;

    return name && strncmp(name, "pprof", 5) == 0 &&
           dwarf_formflag(dwarf_attr_integrate(die, DW_AT_artificial, &attribute), &artificial) ==
               0 &&
           artificial;
}

/* `unit` has the lines, `tree` the entries: not the same with split DWARF. */
static int module_put_chain(struct reading *r, const struct spot *spot,
                            const struct scope_chain *chain, Dwarf_Die *unit, Dwarf_Die *tree)
{
    struct frame frames[FRAMES_MAX];
    Dwarf_Line *row = dwarf_getsrc_die(unit, chain->pc);
    const char *file = row ? dwarf_linesrc(row, NULL, NULL) : NULL;
    uint64_t line = 0;
    Dwarf_Addr entry;
    int row_line;
    size_t n = 0;

    if (row && dwarf_lineno(row, &row_line) == 0 && row_line > 0)
        line = (uint64_t)row_line;
    for (size_t i = chain->n; i-- > 0;) {
        Dwarf_Die *die = &chain->dies[i];
        if (i > 0 && module_is_wrapper(die)) {
            module_call_site(die, tree, &file, &line);
            continue;
        }
        const struct symbol *symbol = i == 0 ? module_entry_symbol(r, die) : NULL;
        const struct die_name *name = die_name(&r->die_names, die, symbol);
        if (!name)
            return -ENOMEM;
        if (!name->name || !name->system_name)
            return module_put_plain(r, spot, unit);
        if (!file) {
            file = name->file;
            line = 0;
        }
        frames[n] = (struct frame){.name = name->name,
                                   .system_name = name->system_name,
                                   .file = source_path(&r->paths, unit, file),
                                   .line = line,
                                   .start_line = strcmp(file, name->file) ? 0 : name->start_line};
        if (dwarf_entrypc(&chain->dies[0], &entry) == 0 && chain->pc >= entry)
            frames[n].offset = (uint32_t)(chain->pc - entry);
        n++;
        if (i > 0)
            module_call_site(die, tree, &file, &line);
    }
    return r->sink->put(r->sink, spot->query, ANSWER_DWARF, frames, n);
}

/* The other half of a unit whose debug information is split; false = there is none. */
static bool module_split(struct reading *r, Dwarf_Die *unit, Dwarf_Die *split)
{
    uint64_t id = 0;

    if (dwarf_tag(unit) != DW_TAG_skeleton_unit && !dwarf_hasattr(unit, DW_AT_GNU_dwo_name))
        return false;
    dwarf_cu_info(unit->cu, NULL, NULL, NULL, NULL, &id, NULL, NULL);
    if (!r->dwp_looked_for)
        r->dwp = dwp_find(r->module, r->mod);
    r->dwp_looked_for = true;
    dwp_want(r->dwp, id);
    int error = dwarf_cu_info(unit->cu, NULL, NULL, NULL, split, NULL, NULL, NULL);
    dwp_want(NULL, 0);
    return error == 0 && split->addr;
}

/* All spots of one unit, sorted by address. */
static int module_put_unit(struct reading *r, const struct spot *spots, size_t n, Dwarf_Die *unit)
{
    struct scope_chain *chains = calloc(n, sizeof *chains);
    Dwarf_Die split, *tree = unit;
    int error;

    if (!chains)
        return -ENOMEM;
    if (module_split(r, unit, &split))
        tree = &split;
    for (size_t i = 0; i < n; i++)
        chains[i].pc = spots[i].vaddr - r->dwarf_bias;
    error = scopes_find(tree, chains, n);
    for (size_t i = 0; i < n && error == 0; i++)
        error = chains[i].n ? module_put_chain(r, &spots[i], &chains[i], unit, tree)
                            : module_put_plain(r, &spots[i], unit);
    scopes_free(chains, n);
    free(chains);
    return error;
}

/* ---- in pieces ---- */

/* What libdw keeps of a unit it has read is some 100 KB, and it gives nothing back before the end.
 */
#define UNITS_A_PIECE 64
#define PIECE_SECONDS 300 /* of CPU; the largest units known take a few */
#define UNIT_SECONDS 30
#define BAD_UNITS_MAX                                                                              \
    8 /* then the rest has to do without lines: 8 that never end are 4 minutes                     \
       */

/* Spots of some units, sorted by unit. */
struct piece {
    struct reading *r;
    const struct spot *spots;
    size_t n;
    bool symbols_only;
};

/* Where the units that begin at spots[i] end, `units` of them at most. */
static size_t piece_end(const struct spot *spots, size_t i, size_t n, size_t units)
{
    for (; i < n && units > 0; units--) {
        uint32_t unit = spots[i].unit;
        while (i < n && spots[i].unit == unit)
            i++;
    }
    return i;
}

static int module_put_piece(void *arg)
{
    const struct piece *p = arg;
    int error = 0;

    for (size_t i = 0, end; i < p->n && error == 0; i = end) {
        const struct spot *first = &p->spots[i];
        if (p->symbols_only || first->unit == UNIT_NONE) {
            end = i + 1;
            error = module_put_plain(p->r, first, NULL);
        } else {
            end = piece_end(p->spots, i, p->n, 1);
            error = module_put_unit(p->r, first, end - i, &p->r->units.dies[first->unit]);
        }
    }
    return error;
}

static bool died_of_it(int error)
{
    return error == -EFAULT || error == -ENOMEM;
}

static int module_put_by_unit(struct reading *r, const struct spot *spots, size_t n)
{
    int error = 0;

    for (size_t i = 0, end; i < n && error == 0; i = end) {
        end = r->bad_units < BAD_UNITS_MAX ? piece_end(spots, i, n, 1) : n;
        struct piece piece = {.r = r,
                              .spots = spots + i,
                              .n = end - i,
                              .symbols_only = r->bad_units >= BAD_UNITS_MAX};
        error = apart_run(module_put_piece, &piece, r->sink, UNIT_SECONDS);
        if (died_of_it(error) && !piece.symbols_only) {
            r->bad_units++;
            piece.symbols_only = true;
            error = apart_run(module_put_piece, &piece, r->sink, UNIT_SECONDS);
        }
        if (died_of_it(error)) /* nameless, then */
            error = 0;
    }
    return error;
}

static int module_put_all(struct reading *r, struct spot *spots, size_t n, enum module_mode mode)
{
    int error = 0;

    qsort(spots, n, sizeof *spots, spot_order);
    if (mode == MODULE_BY_UNIT)
        return module_put_by_unit(r, spots, n);
    for (size_t i = 0, end; i < n && error == 0; i = end) {
        end = piece_end(spots, i, n, UNITS_A_PIECE);
        struct piece piece = {.r = r, .spots = spots + i, .n = end - i};
        if (piece.n == n)
            return module_put_piece(&piece); /* a crash is the caller's */
        error = apart_run(module_put_piece, &piece, r->sink, PIECE_SECONDS);
        if (died_of_it(error))
            error = module_put_by_unit(r, spots + i, end - i);
    }
    return error;
}

static int module_read(struct reading *r, enum module_mode mode)
{
    const struct module *module = r->module;
    struct spot *spots;
    GElf_Addr bias;
    int error;

    r->elf = dwfl_module_getelf(r->mod, &bias);
    if (!r->elf)
        return -ENOEXEC;
    error = image_read(&r->image, r->elf);
    if (error)
        return error;
    if (mode != MODULE_SYMBOLS) {
        Dwarf *dwarf = dwfl_module_getdwarf(r->mod, &r->dwarf_bias);
        if (dwarf)
            error = units_load(&r->units, dwarf, r->dwarf_bias, &r->image);
    }
    if (error == 0)
        error = symbols_load(&r->symbols, r->mod, &r->image);
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
    error = module_put_all(r, spots, module->nqueries, mode);
    free(spots);
    return error;
}

/* libdwfl insists on one; the module's file is always open already. */
static int module_no_elf(Dwfl_Module *mod, void **userdata, const char *name, Dwarf_Addr base,
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

int module_resolve(const struct module *module, enum module_mode mode, struct answer_sink *sink)
{
    static const Dwfl_Callbacks callbacks = {.find_elf = module_no_elf,
                                             .find_debuginfo = debugfile_find,
                                             .section_address = dwfl_offline_section_address};
    struct reading r = {.module = module, .sink = sink};
    char path[PATH_MAX];
    void **userdata;
    int error = -ENOEXEC, fd = locate_open(module);

    if (fd < 0)
        return fd;
    locate_path(module, path);
    Dwfl *dwfl = dwfl_begin(&callbacks);
    if (!dwfl) {
        close(fd);
        return -ENOMEM;
    }
    /* At base 0 with the file's own addresses: the module's addresses are then those. */
    dwfl_report_begin(dwfl);
    r.mod = dwfl_report_elf(dwfl, path, path, fd, 0, true);
    if (r.mod) {
        dwfl_report_end(dwfl, NULL, NULL);
        dwfl_module_info(r.mod, &userdata, NULL, NULL, NULL, NULL, NULL, NULL);
        *userdata = (void *)(uintptr_t)module; /* for debugfile_find, which only reads it */
        error = module_read(&r, mode);
    } else {
        close(fd);
    }
    die_names_free(&r.die_names);
    source_paths_free(&r.paths);
    units_free(&r.units);
    symbols_free(&r.symbols);
    image_free(&r.image);
    dwfl_end(dwfl);
    dwp_free(r.dwp);
    return error;
}
