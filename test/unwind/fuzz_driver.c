/* SPDX-License-Identifier: MIT
 *
 * The walker's fuzz target without a fuzzer: inputs by the grammar of fuzz_seeds.c, half of them
 * mutated, each in a worker whose death is a finding with its input.
 *
 *     fuzz_driver inputs=1000000 [seconds=60] [seed=1] [jobs=2] [findings=FOLDER]
 *     fuzz_driver seeds=FOLDER [inputs=200]    writes inputs, for libFuzzer to begin with
 *     fuzz_driver FILE...                      replays files
 *
 * An input is a function of the seed and its number, so every run can be had again. Prints one line
 * for each finding and one of figures; the status says whether there was one.
 */
#include "test/unwind/fuzz.h"

#include "collectors/base/sys.h"

#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { JOBS_MAX = 64, FINDINGS_MAX = 20, WARM = 20000 };

/* What a worker tells its parent, and leaves behind when it dies. */
struct shared {
    uint64_t next; /* the number of the input to come, less that of the worker's first */
    int64_t worst_ns;
    long grown_kib;
    size_t bytes;
    uint8_t input[FUZZ_INPUT_MAX];
};

static uint64_t seed = 1, inputs = 1000000, jobs = 2;
static double seconds = 1e9;
static const char *findings = ".", *seeds;

static uint64_t mix(uint64_t x)
{
    x ^= x >> 31;
    x *= 0x7fb5d329728ea185;
    x ^= x >> 27;
    x *= 0x81dadef4bc2dd44d;
    return x ^ x >> 33;
}

static size_t mutate(uint64_t state, uint8_t *input, size_t bytes)
{
    size_t head = sizeof(struct fuzz_head);
    for (int n = 1 + (int)(state & 3); n > 0 && bytes > head; n--) {
        state = mix(state + 1);
        bool in_head = (state >> 60) == 0;
        size_t at = in_head ? (state >> 8) % head : head + (state >> 8) % (bytes - head);
        switch (state & 7) {
        case 0:
        case 1:
            input[at] ^= (uint8_t)(1U << (state >> 40 & 7));
            break;
        case 2:
            input[at] = (uint8_t)(state >> 40);
            break;
        case 3:
            input[at] = state >> 40 & 1 ? 0xff : 0x80;
            break;
        case 4: /* insert */
            if (bytes < FUZZ_INPUT_MAX && at >= head) {
                memmove(input + at + 1, input + at, bytes - at);
                bytes++;
            }
            break;
        case 5: /* remove */
            if (at >= head) {
                memmove(input + at, input + at + 1, bytes - at - 1);
                bytes--;
            }
            break;
        case 6: /* copy a piece */
            if (at >= head) {
                size_t from = head + (state >> 40) % (bytes - head);
                size_t most = bytes - (at > from ? at : from);
                memmove(input + at, input + from, most < 16 ? most : 16);
            }
            break;
        default: /* cut */
            bytes = (state >> 40 & 7) == 0 ? at : bytes;
        }
    }
    return bytes;
}

static size_t make(uint64_t number, uint8_t *input)
{
    uint64_t r = mix(seed * 0x9e3779b97f4a7c15UL + number);
    size_t bytes = fuzz_seed(r, input);
    return r & 1 << 20 ? mutate(r, input, bytes) : bytes;
}

static long resident_kib(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_maxrss;
}

static __attribute__((noreturn)) void work(struct shared *s, uint64_t first, uint64_t n)
{
    int64_t until = sys_clock_ns(CLOCK_MONOTONIC) + (int64_t)(seconds * 1e9);
    uint64_t begin = s->next;
    long before = 0;
    for (; s->next < n; s->next++) {
        s->bytes = make(first + s->next, s->input);
        LLVMFuzzerTestOneInput(s->input, s->bytes);
        s->worst_ns = fuzz_worst_ns > s->worst_ns ? fuzz_worst_ns : s->worst_ns;
        if (s->next - begin == WARM) {
            before = resident_kib();
        }
        if (s->next % 1024 == 0 && sys_clock_ns(CLOCK_MONOTONIC) > until) {
            break;
        }
    }
    long grown = before ? resident_kib() - before : 0;
    s->grown_kib = grown > s->grown_kib ? grown : s->grown_kib;
    _exit(0);
}

static void save(const char *folder, const char *name, uint64_t number, const uint8_t *input,
                 size_t bytes)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s-%lu-%lu", folder, name, (unsigned long)seed,
             (unsigned long)number);
    FILE *f = fopen(path, "wb");
    if (!f || fwrite(input, 1, bytes, f) != bytes || fclose(f) != 0) {
        perror(path);
        exit(2);
    }
    printf("%s\n", path);
}

static bool option(const char *arg)
{
    const char *value = strchr(arg, '=');
    if (!value) {
        return false;
    }
    size_t n = (size_t)(value++ - arg);
    struct {
        const char *name;
        uint64_t *number;
        const char **text;
    } options[] = {{"inputs", &inputs, NULL},
                   {"seed", &seed, NULL},
                   {"jobs", &jobs, NULL},
                   {"findings", NULL, &findings},
                   {"seeds", NULL, &seeds}};
    for (size_t i = 0; i < sizeof options / sizeof options[0]; i++) {
        if (strlen(options[i].name) == n && memcmp(arg, options[i].name, n) == 0) {
            if (options[i].number) {
                *options[i].number = strtoull(value, NULL, 10);
            } else {
                *options[i].text = value;
            }
            return true;
        }
    }
    if (n == 7 && memcmp(arg, "seconds", n) == 0) {
        seconds = strtod(value, NULL);
        return true;
    }
    return false;
}

static void replay(const char *path)
{
    static uint8_t input[FUZZ_INPUT_MAX];
    FILE *f = fopen(path, "rb");
    if (!f) {
        perror(path);
        exit(2);
    }
    size_t bytes = fread(input, 1, sizeof input, f);
    fclose(f);
    LLVMFuzzerTestOneInput(input, bytes);
    printf("%s: %zu bytes, walked\n", path, bytes);
}

static int fuzz(void)
{
    struct shared *s =
        mmap(NULL, jobs * sizeof *s, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pid_t pid[JOBS_MAX];
    uint64_t each = (inputs + jobs - 1) / jobs;
    int found = 0;
    if (s == MAP_FAILED) {
        return 2;
    }
    fflush(NULL);
    for (uint64_t j = 0; j < jobs; j++) {
        pid[j] = fork();
        if (pid[j] == 0) {
            work(&s[j], j * each, each);
        }
    }
    for (uint64_t living = jobs; living > 0;) {
        int status;
        pid_t ended = wait(&status);
        uint64_t j = 0;
        while (pid[j] != ended) {
            j++;
        }
        living--;
        if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
            continue;
        }
        found++;
        printf("finding: %s %d, ", WIFSIGNALED(status) ? "signal" : "status",
               WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
        save(findings, "finding", j * each + s[j].next, s[j].input, s[j].bytes);
        fflush(NULL);
        if (found < FINDINGS_MAX) { /* over it, and on */
            s[j].next++;
            living++;
            pid[j] = fork();
            if (pid[j] == 0) {
                work(&s[j], j * each, each);
            }
        }
    }
    uint64_t done = 0;
    int64_t worst = 0;
    long grown = 0;
    for (uint64_t j = 0; j < jobs; j++) {
        done += s[j].next;
        worst = s[j].worst_ns > worst ? s[j].worst_ns : worst;
        grown = s[j].grown_kib > grown ? s[j].grown_kib : grown;
    }
    printf("{\"inputs\": %lu, \"findings\": %d, \"worst_us\": %.0f, \"grown_kib\": %ld}\n",
           (unsigned long)done, found, (double)worst / 1000, grown);
    return found != 0;
}

int main(int argc, char **argv)
{
    bool replayed = false;
    for (int i = 1; i < argc; i++) {
        if (!option(argv[i])) {
            replay(argv[i]);
            replayed = true;
        }
    }
    if (jobs < 1 || jobs > JOBS_MAX) {
        return 2;
    }
    static uint8_t input[FUZZ_INPUT_MAX];
    for (uint64_t i = 0; seeds && i < inputs; i++) {
        save(seeds, "seed", i, input, make(i, input));
    }
    return replayed || seeds ? 0 : fuzz();
}
