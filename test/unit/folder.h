/* SPDX-License-Identifier: MIT
 *
 * A folder for a cmocka group, made and removed around it, and what a command says of it. The
 * group's tests get its path as their state.
 */
#ifndef TEST_UNIT_FOLDER_H
#define TEST_UNIT_FOLDER_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Whether some line of the command's output holds the text, and the command succeeds. */
static inline bool command_says(const char *command, const char *what)
{
    char line[512];
    bool found = false;
    FILE *f = popen(command, "re");
    while (f && fgets(line, sizeof line, f)) {
        found |= strstr(line, what) != NULL;
    }
    return f && pclose(f) == 0 && found;
}

static inline int make_folder(void **state)
{
    static char folder[] = "/tmp/pprofinject-unit.XXXXXX";
    *state = mkdtemp(folder);
    return *state ? 0 : -1;
}

static inline int remove_folder(void **state)
{
    char command[100];
    snprintf(command, sizeof command, "rm -rf '%s'", (char *)*state);
    return system(command);
}

#endif
