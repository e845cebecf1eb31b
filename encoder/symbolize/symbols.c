/* SPDX-License-Identifier: MIT
 *
 * See symbols.h.
 *
 * libdwfl's own look-up searches the whole table for each address; this one sorts it once. Of
 * several symbols at an address it takes sized ones before unsized ones (labels in assembler code),
 * then global and weak before local ones, then functions before untyped ones, and of aliases the
 * one with the fewest underscores in front and the shortest name: `malloc`, not `__libc_malloc`.
 */
#include "encoder/symbolize/symbols.h"

#include "encoder/symbolize/grow.h"

#include <string.h>

/* The number of earlier symbols among which an enclosing one is looked for; nested symbols are
 * rare. */
enum { SYMBOLS_BACK = 256 };

static uint32_t symbol_rank(const GElf_Sym *sym, const char *name)
{
    unsigned bind = GELF_ST_BIND(sym->st_info), type = GELF_ST_TYPE(sym->st_info);
    uint32_t rank = sym->st_size == 0 ? 1u << 31 : 0;
    size_t bars = strspn(name, "_"), len = strnlen(name, 255);
    rank |= bind == STB_LOCAL ? 1u << 24 : 0;
    rank |= type == STT_NOTYPE ? 1u << 20 : 0;
    rank |= (uint32_t)(bars < 15 ? bars : 15) << 8;
    return rank | (uint32_t)len;
}

/* Whether a symbol is code; then *end is where it ends at the latest. */
static bool symbol_is_code(const GElf_Sym *sym, GElf_Addr start, GElf_Word section, Elf *elf,
                           const struct image *image, uint64_t *end)
{
    unsigned type = GELF_ST_TYPE(sym->st_info);
    GElf_Shdr header;
    if (type != STT_FUNC && type != STT_GNU_IFUNC && type != STT_NOTYPE) {
        return false;
    }
    if (section == SHN_UNDEF || section == SHN_ABS || !image_executable(image, start)) {
        return false;
    }
    *end = start + 1;
    Elf_Scn *where = elf ? elf_getscn(elf, section) : NULL;
    if (!where || !gelf_getshdr(where, &header)) {
        return type != STT_NOTYPE;
    }
    *end = start + (header.sh_addr + header.sh_size - sym->st_value);
    return (header.sh_flags & SHF_EXECINSTR) && sym->st_value >= header.sh_addr &&
           sym->st_value - header.sh_addr < header.sh_size;
}

static int symbol_order(const void *a, const void *b)
{
    const struct symbol *x = a, *y = b;
    if (x->start != y->start) {
        return x->start < y->start ? -1 : 1;
    }
    if (x->rank != y->rank) {
        return x->rank < y->rank ? -1 : 1;
    }
    return strcmp(x->name, y->name);
}

static int symbols_add(struct symbols *symbols, Dwfl_Module *mod, int i, const struct image *image)
{
    GElf_Sym sym;
    GElf_Addr start;
    GElf_Word section;
    Elf *elf;
    Dwarf_Addr bias;
    uint64_t end;
    const char *name = dwfl_module_getsym_info(mod, i, &sym, &start, &section, &elf, &bias);
    /* ".L" labels, annobin's marks and ARM's mapping symbols ("$x") are no functions. */
    if (!name || !*name || name[0] == '$' || name[0] == '.') {
        return 0;
    }
    if (!symbol_is_code(&sym, start, section, elf, image, &end)) {
        return 0;
    }
    if (sym.st_size > 0) {
        if (start + sym.st_size < start) {
            return 0;
        }
        end = start + sym.st_size;
    }
    if (grow_array(&symbols->all, &symbols->cap, symbols->n + 1, sizeof *symbols->all)) {
        return -ENOMEM;
    }
    symbols->all[symbols->n++] = (struct symbol){.start = start,
                                                 .end = end,
                                                 .name = name,
                                                 .rank = symbol_rank(&sym, name),
                                                 .sized = sym.st_size > 0,
                                                 .global = GELF_ST_BIND(sym.st_info) != STB_LOCAL};
    return 0;
}

int symbols_load(struct symbols *symbols, Dwfl_Module *mod, const struct image *image)
{
    int n = dwfl_module_getsymtab(mod);
    memset(symbols, 0, sizeof *symbols);
    for (int i = 0; i < n; i++) {
        if (symbols_add(symbols, mod, i, image)) {
            return -ENOMEM;
        }
    }
    if (symbols->n == 0) {
        return 0;
    }
    qsort(symbols->all, symbols->n, sizeof *symbols->all, symbol_order);
    symbols->reach = calloc(symbols->n, sizeof *symbols->reach);
    if (!symbols->reach) {
        return -ENOMEM;
    }
    uint64_t reach = 0;
    for (size_t i = 0; i < symbols->n; i++) {
        if (symbols->all[i].sized && symbols->all[i].end > reach) {
            reach = symbols->all[i].end;
        }
        symbols->reach[i] = reach;
    }
    return 0;
}

void symbols_free(struct symbols *symbols)
{
    free(symbols->all);
    free(symbols->reach);
    memset(symbols, 0, sizeof *symbols);
}

/* The symbol of the lowest rank that has the same start as all[i] and holds the address. */
static const struct symbol *symbols_best(const struct symbols *symbols, size_t i, uint64_t vaddr)
{
    const struct symbol *best = &symbols->all[i];
    while (i > 0 && symbols->all[i - 1].start == best->start) {
        i--;
        if (vaddr < symbols->all[i].end) {
            best = &symbols->all[i];
        }
    }
    return best;
}

/* The index of the first symbol that starts behind the address. */
static size_t symbols_behind(const struct symbols *symbols, uint64_t vaddr)
{
    size_t low = 0, high = symbols->n;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (symbols->all[mid].start <= vaddr) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    return low;
}

uint64_t symbols_end_before(const struct symbols *symbols, uint64_t vaddr)
{
    size_t behind = symbols_behind(symbols, vaddr);
    return behind > 0 && symbols->reach[behind - 1] <= vaddr ? symbols->reach[behind - 1] : 0;
}

const struct symbol *symbols_find(const struct symbols *symbols, uint64_t vaddr)
{
    size_t low = symbols_behind(symbols, vaddr);
    if (low == 0) {
        return NULL;
    }
    for (size_t i = low, back = 0; i-- > 0 && symbols->reach[i] > vaddr && back < SYMBOLS_BACK;
         back++) {
        const struct symbol *symbol = &symbols->all[i];
        if (symbol->sized && vaddr < symbol->end) {
            return symbols_best(symbols, i, vaddr);
        }
    }
    /* An unsized symbol extends to the next symbol of any kind, or to the end of its section. */
    const struct symbol *last = &symbols->all[low - 1];
    if (!last->sized && vaddr < last->end) {
        return symbols_best(symbols, low - 1, vaddr);
    }
    return NULL;
}
