/* SPDX-License-Identifier: MIT
 *
 * Truthful flags for each mapping; see finish.h.
 *
 * When a mapping has the flag has_functions, viewers look nothing up for it, and do not show a
 * location without a line. So the flag is set only if every location of the mapping has a line, be
 * it a synthetic one. has_filenames, has_line_numbers and has_inline_frames are set if at least one
 * location got that from debug information; all others were looked up in it too.
 */
#include "encoder/symbolize/finish.h"

#include <errno.h>
#include <stdlib.h>

struct finish_tally {
    bool named; /* some location with a new line */
    bool bare;  /* some location without any line */
    bool lines; /* some location with a line number */
    bool files;
    bool inlines;
};

static void finish_count(struct finish_tally *tally, const struct location *location,
                         const struct names *names)
{
    if (location->had_lines) {
        return;
    }
    if (location->count == 0) {
        tally->bare = true;
        return;
    }
    tally->named = true;
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
    if (!tallies) {
        return -ENOMEM;
    }
    for (size_t i = 0; i < profile->nlocations; i++) {
        struct location *location = &profile->locations[i];
        if (location->stale &&
            location->kind <= ANSWER_SYNTHETIC) { /* the synthetic name that it has is as good */
            location->had_lines = true;
            location->count = 0;
        }
        finish_count(&tallies[location->mapping], location, names);
        profile->named |= location->count > 0;
    }
    for (size_t i = 0; i < profile->nmappings; i++) {
        const struct finish_tally *tally = &tallies[i + 1];
        struct mapping *mapping = &profile->mappings[i];
        mapping->named = tally->named;
        mapping->functions = !tally->bare;
        mapping->files |= tally->files;
        mapping->lines |= tally->lines;
        mapping->inlines |= tally->inlines;
    }
    free(tallies);
    return 0;
}
