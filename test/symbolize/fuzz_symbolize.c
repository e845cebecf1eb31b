/* SPDX-License-Identifier: MIT
 *
 * pprof-symbolize on files of unknown origin: libFuzzer's entry point.
 *
 * An input whose first byte is 'P' is a profile, otherwise it is a binary with debug information.
 * Whatever it is, the program must not crash (its workers may) and must report; a profile that it
 * refuses must stay as it was; and beside a damaged binary the other module must get its names.
 * fuzz_seeds.py makes the folder FUZZ_FOLDER with `base.pb.gz`, a profile whose last location is in
 * a good module and all others in `victim`, the binary that the input replaces.
 */
#include "encoder/symbolize/batch.h"
#include "encoder/symbolize/profile_file.h"

#include <fcntl.h>
#include <libelf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void complain(const char *what)
{
    fprintf(stderr, "fuzz_symbolize: %s\n", what);
    abort();
}

static void put(const char *path, const void *data, size_t size)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (fd < 0 || write(fd, data, size) != (ssize_t)size || close(fd) != 0)
        complain("cannot write");
}

static void judge_profile(char *path, const uint8_t *data, size_t size)
{
    struct batch_options options = {0};
    struct stat st;

    put(path, data, size);
    int failed = batch_run(&path, 1, &options);
    if (stat(path, &st) != 0)
        complain("the profile is lost");
    if (failed && (size_t)st.st_size != size)
        complain("a refused profile has changed");
}

static void judge_binary(char *path, const char *victim, const uint8_t *data, size_t size)
{
    static char base[1 << 16];
    static size_t base_size;
    struct batch_options options = {0};
    struct profile profile;
    char name[4096];

    if (base_size == 0) {
        snprintf(name, sizeof name, "%s/base.pb.gz", getenv("FUZZ_FOLDER"));
        int fd = open(name, O_RDONLY);
        ssize_t got = fd >= 0 ? read(fd, base, sizeof base) : -1;
        if (got <= 0)
            complain("no base.pb.gz in FUZZ_FOLDER");
        base_size = (size_t)got;
        close(fd);
    }
    put(victim, data, size);
    put(path, base, base_size);
    if (batch_run(&path, 1, &options) != 0)
        complain("a bad binary has failed its profile");
    int fd = open(path, O_RDONLY);
    if (fd < 0 || profile_file_load(&profile, fd) != 0)
        complain("what was written is no profile");
    const struct location *last = &profile.locations[profile.nlocations - 1];
    if (!last->had_lines || last->stale)
        complain("the good module has lost its names");
    profile_file_free(&profile);
    close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char path[4096], victim[4096];
    const char *folder = getenv("FUZZ_FOLDER");

    if (!folder)
        complain("FUZZ_FOLDER is not set");
    if (size == 0)
        return 0;
    elf_version(EV_CURRENT);
    snprintf(path, sizeof path, "%s/input.pb.gz", folder);
    snprintf(victim, sizeof victim, "%s/victim", folder);
    if (data[0] == 'P')
        judge_profile(path, data + 1, size - 1);
    else
        judge_binary(path, victim, data + 1, size - 1);
    return 0;
}
