/* finish.c: truthful flags for each mapping; see finish.h.
 *
 * A viewer that sees has_functions asks no further, and shows a location without a line as nothing
 * at all; so the flag is set only if every location of the mapping has a line. A mapping of which
 * nothing is known stays bare, and whoever has the binary can still name it by its build id.
 * has_filenames, has_line_numbers and has_inline_frames say that debug information was there: at
 * least one location got it, and all others were looked up in it.
 *
 * SPDX-License-Identifier: MIT
 */
#include "finish.h"

#include <errno.h>
#include <stdlib.h>

struct finish_tally {
    bool real;  /* some name that is no synthetic one */
    bool bare;  /* some location without any line */
    bool lines; /* some location with a line number */
    bool files;
    bool inlines;
};

static void finish_count(struct finish_tally *tally, const struct location *location,
                         const struct names *names)
{
    if (location->had_lines)
        return;
    if (location->count == 0) {
        tally->bare = true;
        return;
    }
    tally->real |= location->kind >= ANSWER_SYMBOL;
    tally->inlines |= location->kind == ANSWER_DWARF;
    for (size_t i = 0; i < location->count; i++) {
        const struct names_line *line = &names->lines[location->first + i];
        tally->lines |= line->line != 0;
        tally->files |= names->functions[line->function].file != 0;
    }
}

int finish_profile(struct profile *profile, const struct names *names)
{
    struct finish_tally *tallies = calloc(profile->nmappings + 1, sizeof *tallies);

    if (!tallies)
        return -ENOMEM;
    for (size_t i = 0; i < profile->nlocations; i++)
        finish_count(&tallies[profile->locations[i].mapping], &profile->locations[i], names);
    for (size_t i = 0; i < profile->nmappings; i++) {
        const struct finish_tally *tally = &tallies[i + 1];
        struct mapping *mapping = &profile->mappings[i];
        if (!tally->real)
            continue;
        mapping->named = true;
        mapping->functions = !tally->bare;
        mapping->files = tally->files;
        mapping->lines = tally->lines;
        mapping->inlines = tally->inlines;
    }
    for (size_t i = 0; i < profile->nlocations; i++) {
        struct location *location = &profile->locations[i];
        if (location->kind == ANSWER_SYNTHETIC && !tallies[location->mapping].real)
            location->count = 0;
        profile->named |= location->count > 0;
    }
    free(tallies);
    return 0;
}
