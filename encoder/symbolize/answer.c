/* SPDX-License-Identifier: MIT
 *
 * See answer.h. The answer for an address that the debug information covers is its function and
 * inlined calls, the innermost first, with lines; for others it is the symbol, the PLT stub, or the
 * synthetic name of the function, lib_so!0x1234.
 */
#include "encoder/symbolize/answer.h"

#include "encoder/symbolize/demangle.h"
#include "encoder/symbolize/plt.h"
#include "encoder/symbolize/scopes.h"
#include "encoder/symbolize/synthetic.h"

#include <dwarf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int put_name(struct reading *r, const struct spot *spot, enum answer_kind kind,
                    const char *symbol, const char *file, uint64_t line, uint64_t offset)
{
    size_t stem = strcspn(symbol, "@");
    char *name = demangle_name(symbol, false), *system_name;
    int error = -ENOMEM;
    /* The version behind '@' goes. "name@plt" is made by plt.c and stays whole. */
    if (strcmp(symbol + stem, "@plt") == 0) {
        char *whole = NULL;
        if (name && asprintf(&whole, "%s@plt", name) < 0) {
            whole = NULL;
        }
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

/* Where the function begins that holds an address which no symbol covers: an FDE says it. Code
 * without an FDE (of an assembler) is one function from the end of what is known before it, a
 * function or a symbol, or from the start of its section. */
static uint64_t nameless_start(struct reading *r, uint64_t vaddr)
{
    struct fde fde;
    uint64_t start = image_code_start(&r->image, r->elf, vaddr);
    uint64_t known = symbols_end_before(&r->symbols, vaddr);
    start = known > start ? known : start;
    if (fde_find(&r->fdes, r->elf, &r->image, vaddr, &fde)) {
        if (vaddr < fde.end) {
            return fde.start;
        }
        start = fde.end > start ? fde.end : start;
    }
    return start;
}

static int put_nameless(struct reading *r, const struct spot *spot)
{
    if (!spot->inside) {
        return synthetic_put(r->sink, spot->query, &r->module->queries[spot->query]);
    }
    uint64_t start = nameless_start(r, spot->vaddr);
    return synthetic_put_function(r->sink, spot->query, r->module->file, start,
                                  spot->vaddr - start);
}

int answer_plain(struct reading *r, const struct spot *spot, Dwarf_Die *unit)
{
    const char *file = "";
    int line = 0;
    if (!spot->inside) {
        return put_nameless(r, spot);
    }
    const struct symbol *symbol = symbols_find(&r->symbols, spot->vaddr);
    if (!symbol) {
        char *stub = plt_name(r->elf, &r->image, &r->symbols, spot->vaddr);
        if (!stub) {
            return put_nameless(r, spot);
        }
        int error = put_name(r, spot, ANSWER_SYMBOL, stub, "", 0, 0);
        free(stub);
        return error;
    }
    Dwarf_Line *row = unit ? dwarf_getsrc_die(unit, spot->vaddr - r->dwarf_bias) : NULL;
    if (row) {
        file = dwarf_linesrc(row, NULL, NULL);
        file = file ? source_path(&r->paths, unit, file) : "";
        dwarf_lineno(row, &line);
    }
    return put_name(r, spot, *file ? ANSWER_DWARF : ANSWER_SYMBOL, symbol->name, file,
                    line > 0 ? (uint64_t)line : 0, spot->vaddr - symbol->start);
}

/* The file and line of an inlined call; *file is NULL and *line 0 where they are not known. */
static void call_site(Dwarf_Die *inlined, Dwarf_Die *tree, const char **file, uint64_t *line)
{
    Dwarf_Attribute attribute;
    Dwarf_Word value;
    Dwarf_Files *files;
    size_t n;
    *file = NULL;
    *line = 0;
    if (dwarf_formudata(dwarf_attr(inlined, DW_AT_call_line, &attribute), &value) == 0) {
        *line = value;
    }
    if (dwarf_formudata(dwarf_attr(inlined, DW_AT_call_file, &attribute), &value) == 0 &&
        dwarf_getsrcfiles(tree, &files, &n) == 0 && value < n) {
        *file = dwarf_filesrc(files, (size_t)value, NULL, NULL);
    }
}

/* The symbol that starts at the function's entry address; NULL: there is none. */
static const struct symbol *entry_symbol(struct reading *r, Dwarf_Die *die)
{
    Dwarf_Addr entry;
    if (dwarf_entrypc(die, &entry) != 0) {
        return NULL;
    }
    const struct symbol *symbol = symbols_find(&r->symbols, entry + r->dwarf_bias);
    return symbol && symbol->start == entry + r->dwarf_bias ? symbol : NULL;
}

/* Whether this is an inline wrapper of pprofinject.h, whose frame is left out: it has a name that
 * begins with pprof, and the attribute artificial or, where link-time optimisation has dropped
 * that, a place in that header. Other artificial functions are shown, as addr2line shows them:
 * implicit destructors are artificial too. */
static bool is_wrapper(Dwarf_Die *die)
{
    Dwarf_Attribute attribute;
    const char *name = dwarf_formstring(dwarf_attr_integrate(die, DW_AT_name, &attribute));
    bool artificial = false;
    if (!name || strncmp(name, "pprof", 5) != 0) {
        return false;
    }
    if (dwarf_formflag(dwarf_attr_integrate(die, DW_AT_artificial, &attribute), &artificial) == 0 &&
        artificial) {
        return true;
    }
    const char *file = dwarf_decl_file(die), *slash = file ? strrchr(file, '/') : NULL;
    return file && strcmp(slash ? slash + 1 : file, "pprofinject.h") == 0;
}

/* Answers a spot whose scopes are in chain. `unit` has the line table, `tree` the entries; with
 * split DWARF they are two units, otherwise the same one. */
static int put_chain(struct reading *r, const struct spot *spot, const struct scope_chain *chain,
                     Dwarf_Die *unit, Dwarf_Die *tree)
{
    struct frame frames[FRAMES_MAX];
    Dwarf_Line *row = dwarf_getsrc_die(unit, chain->pc);
    const char *file = row ? dwarf_linesrc(row, NULL, NULL) : NULL;
    uint64_t line = 0;
    Dwarf_Addr entry;
    int row_line;
    size_t n = 0;
    if (row && dwarf_lineno(row, &row_line) == 0 && row_line > 0) {
        line = (uint64_t)row_line;
    }
    for (size_t i = chain->n; i-- > 0;) {
        Dwarf_Die *die = &chain->dies[i];
        if (i > 0 && is_wrapper(die)) {
            call_site(die, tree, &file, &line);
            continue;
        }
        const struct symbol *symbol = i == 0 ? entry_symbol(r, die) : NULL;
        const struct die_name *name = die_name(&r->die_names, die, symbol);
        if (!name) {
            return -ENOMEM;
        }
        if (!name->name || !name->system_name) {
            return answer_plain(r, spot, unit);
        }
        if (!file) {
            file = name->file;
            line = 0;
        }
        frames[n] = (struct frame){.name = name->name,
                                   .system_name = name->system_name,
                                   .file = source_path(&r->paths, unit, file),
                                   .line = line,
                                   .start_line = strcmp(file, name->file) ? 0 : name->start_line};
        if (dwarf_entrypc(&chain->dies[0], &entry) == 0 && chain->pc >= entry) {
            frames[n].offset = (uint32_t)(chain->pc - entry);
        }
        n++;
        if (i > 0) {
            call_site(die, tree, &file, &line);
        }
    }
    return r->sink->put(r->sink, spot->query, ANSWER_DWARF, frames, n);
}

/* The unit with the entries, of a skeleton unit whose debug information is split. False: unit is no
 * skeleton, or the other half is not found. */
static bool split_half(struct reading *r, Dwarf_Die *unit, Dwarf_Die *split)
{
    uint64_t id = 0;
    if (dwarf_tag(unit) != DW_TAG_skeleton_unit && !dwarf_hasattr(unit, DW_AT_GNU_dwo_name)) {
        return false;
    }
    dwarf_cu_info(unit->cu, NULL, NULL, NULL, NULL, &id, NULL, NULL);
    if (!r->dwp_looked_for) {
        r->dwp = dwp_find(r->module, r->dwfl);
    }
    r->dwp_looked_for = true;
    dwp_want(r->dwp, id);
    int error = dwarf_cu_info(unit->cu, NULL, NULL, NULL, split, NULL, NULL, NULL);
    dwp_want(NULL, 0);
    return error == 0 && split->addr;
}

int answer_unit(struct reading *r, const struct spot *spots, size_t n, Dwarf_Die *unit)
{
    struct scope_chain *chains = calloc(n, sizeof *chains);
    Dwarf_Die split, *tree = unit;
    if (!chains) {
        return -ENOMEM;
    }
    if (split_half(r, unit, &split)) {
        tree = &split;
    }
    for (size_t i = 0; i < n; i++) {
        chains[i].pc = spots[i].vaddr - r->dwarf_bias;
    }
    int error = scopes_find(tree, chains, n);
    for (size_t i = 0; i < n && error == 0; i++) {
        error = chains[i].n ? put_chain(r, &spots[i], &chains[i], unit, tree)
                            : answer_plain(r, &spots[i], unit);
    }
    scopes_free(chains, n);
    free(chains);
    return error;
}
