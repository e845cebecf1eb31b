/* SPDX-License-Identifier: MIT
 *
 * encoder/encode.h: snapshots are encoded into memory, inflated and decoded (profile_decode.h); and
 * encoder/ids.h. pseudo_name is the test's, so that no collector is linked.
 */
#include "encoder/encode.h"

#include "encoder/atomic_file.h"
#include "encoder/ids.h"
#include "encoder/maps.h"
#include "test/unit/folder.h"
#include "test/unit/profile_decode.h"

#include <fcntl.h>
#include <sys/auxv.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

const char *pseudo_name(uintptr_t pc)
{
    return pc == PSEUDO_TRUNCATED ? "[truncated]" : pc == PSEUDO_SELF ? "[self]" : NULL;
}

static int encode_to_memory(const struct snapshot *snap, const struct maps *maps, size_t fail_at)
{
    gzipped.used = gzipped.writes = 0;
    gzipped.failed = false;
    gzipped.fail_at = fail_at;
    return encode(snap, maps, &(struct byte_sink){memory_write, &gzipped});
}

/* ---- snapshots ---- */

static const struct profile_shape heap_shape = {
    .name = "heap",
    .sample_type = {{"alloc_objects", "count"},
                    {"alloc_space", "bytes"},
                    {"inuse_objects", "count"},
                    {"inuse_space", "bytes"}},
    .values = 4,
    .period_type = {"space", "bytes"},
    .default_sample_type = "inuse_space",
};
static const struct profile_shape cpu_shape = {
    .name = "cpu",
    .sample_type = {{"samples", "count"}, {"cpu", "nanoseconds"}},
    .values = 2,
    .period_type = {"cpu", "nanoseconds"},
};

static const struct stack *stack_of(const uintptr_t *pc, uint32_t depth)
{
    struct stack *s = calloc(1, sizeof *s + depth * sizeof *pc);
    s->depth = depth;
    memcpy(s->pc, pc, depth * sizeof *pc);
    return s;
}

#define STACK(...)                                                                                 \
    stack_of((uintptr_t[]){__VA_ARGS__}, sizeof((uintptr_t[]){__VA_ARGS__}) / sizeof(uintptr_t))

static struct maps *read_maps(void)
{
    return maps_read(getauxval(AT_PHDR)); /* if it is NULL, the tests find no mappings and fail */
}

/* A heap: code of the program, of libc, pseudo frames, an address of nothing. */
static void encode_heap(void)
{
    uintptr_t here = (uintptr_t)encode_heap + 5;
    uintptr_t libc = (uintptr_t)getauxval + 9;
    static const struct thread_name thread = {5, "name"};
    struct labels *set = malloc(sizeof *set + sizeof set->label[0]);
    assert_non_null(set);
    set->count = 1;
    set->label[0] = (struct label){"thread", "the program's"};
    struct snapshot_sample sample[] = {
        {STACK(libc, here, 4096, PSEUDO_TRUNCATED), 48, NULL, NULL, {3, 144, 1, 48}},
        {STACK(here + 1), 0, NULL, NULL, {0}},
        {STACK(here, libc, 40), 0, set, &thread, {-1, INT64_MAX, 0, 0}},
        {NULL, 1, NULL, NULL, {0, 0, 0, 7}},
    };
    struct snapshot snap = {.shape = &heap_shape, .period = 524288, .sample = sample, .samples = 4};
    snap.time_nanos = 1700000000000000123, snap.duration_nanos = 77;
    struct maps *maps = read_maps();
    assert_int_equal(encode_to_memory(&snap, maps, 0), 0);
    maps_free(maps);
    free(set);
    for (size_t i = 0; i < 4; i++) {
        free((void *)sample[i].stack);
    }
}

static void test_samples(void **state)
{
    (void)state;
    encode_heap();
    decode();
    check_tables();
    assert_int_equal(got.count[TYPE], 4);
    assert_string_equal(string(got.item[TYPE][2][1]), "alloc_space");
    assert_string_equal(string(got.item[TYPE][2][2]), "bytes");
    assert_string_equal(string(got.item[PERIOD_TYPE][1][1]), "space");
    assert_int_equal(got.scalar[PERIOD], 524288);
    assert_string_equal(string(got.scalar[DEFAULT]), "inuse_space");
    assert_int_equal(got.scalar[TIME], 1700000000000000123);
    assert_int_equal(got.scalar[DURATION], 77);

    assert_int_equal(got.count[SAMPLE], 3); /* the sample of zeros and its location are left out */
    assert_int_equal(got.count[LOCATION], 5);
    static const uint64_t ids[] = {1, 2, 3, 4, 2, 1, 5};
    assert_true(got.sample[0].n[1] == 4 && got.sample[1].n[1] == 3 && got.sample[2].n[1] == 0);
    assert_memory_equal(got.sample[0].packed[1], ids, 4 * sizeof *ids);
    assert_memory_equal(got.sample[1].packed[1], ids + 4, 3 * sizeof *ids);
    assert_true(got.sample[0].n[2] == 4 && got.sample[0].packed[2][1] == 144);
    assert_int_equal((int64_t)got.sample[1].packed[2][0], -1);
    assert_int_equal((int64_t)got.sample[1].packed[2][1], INT64_MAX);
    assert_true(got.sample[0].labels == 1);
    const uint64_t *label = got.sample[0].label;
    assert_string_equal(string(label[1]), "bytes");
    assert_true(label[2] == 0 && label[3] == 48 && label[4] == 0);
    assert_int_equal(got.sample[1].labels, 2); /* the program's "thread", and not the name */
    label = got.sample[1].label;
    assert_string_equal(string(label[1]), "tid");
    assert_true(label[3] == 5 && label[4] == 0);

    const uint64_t(*location)[FIELDS] = got.item[LOCATION];
    assert_int_equal(location[1][3], (uintptr_t)getauxval + 8);
    assert_non_null(strstr(string(got.item[MAPPING][location[1][2]][5]), "libc"));
    assert_int_equal(location[2][3], (uintptr_t)encode_heap + 4);
    assert_int_equal(location[2][2], 1); /* this program is mapping 1 */
    assert_true(location[3][3] == 4095 && location[3][2] == 0 && location[3][4] == 0);
    assert_true(location[4][3] == PSEUDO_TRUNCATED && location[4][2] == 0);
    assert_int_equal(got.count[FUNCTION], 2);
    const uint64_t *f = got.item[FUNCTION][location[4][4]];
    assert_string_equal(string(f[2]), "[truncated]");
    assert_true(f[3] == f[2] && f[4] == 0 && f[5] == 0);
    assert_string_equal(string(got.item[FUNCTION][location[5][4]][2]), "[unknown]");
}

static void test_empty(void **state)
{
    (void)state;
    struct snapshot snap = {.shape = &cpu_shape, .time_nanos = 5, .duration_nanos = 6};
    struct maps *maps = read_maps();
    assert_int_equal(encode_to_memory(&snap, maps, 0), 0);
    decode();
    check_tables();
    assert_true(got.count[SAMPLE] == 0 && got.count[LOCATION] == 0 && got.count[TYPE] == 2);
    assert_int_equal(got.count[MAPPING], maps_count(maps));
    assert_true(got.scalar[DURATION] == 6 && got.scalar[DEFAULT] == 0);
    maps_free(maps);
    assert_int_equal(encode_to_memory(&snap, NULL, 0), 0); /* without maps there is no mapping */
    decode();
    assert_int_equal(got.count[MAPPING], 0);
}

/* The size of this process in bytes; 0 if /proc does not tell. */
static rlim_t process_bytes(void)
{
    rlim_t pages = 0;
    FILE *f = fopen("/proc/self/statm", "re");
    bool told = f && fscanf(f, "%lu", &pages) == 1;
    return f && fclose(f) == 0 && told ? pages * (rlim_t)sysconf(_SC_PAGESIZE) : 0;
}

/* So many samples that the sink is called more than once. Each write fails in turn; then memory is
 * limited to every amount up to the one that suffices. Each time there is an error, no crash, and
 * all memory is given back. */
static void test_sink_errors(void **state)
{
    (void)state;
    enum { SAMPLES = 5000 };
    struct snapshot_sample *sample = calloc(SAMPLES, sizeof *sample);
    uint64_t random = 1;
    for (size_t i = 0; i < SAMPLES; i++) {
        uintptr_t pc[8];
        for (size_t j = 0; j < 8; j++) {
            random = random * 6364136223846793005 + 1442695040888963407;
            pc[j] = 0x10000 + (random >> 45);
        }
        sample[i] = (struct snapshot_sample){.stack = stack_of(pc, 8),
                                             .value = {1, (int64_t)(random >> 30)}};
    }
    struct snapshot snap = {.shape = &cpu_shape, .sample = sample, .samples = SAMPLES};
    assert_int_equal(encode_to_memory(&snap, NULL, 0), 0);
    size_t writes = gzipped.writes;
    rlim_t before = process_bytes();
    assert_true(writes > 5);
    for (size_t n = 1; n <= writes; n++) {
        assert_int_equal(encode_to_memory(&snap, NULL, n), -ENOSPC);
        assert_int_equal(gzipped.writes, n);
    }
    assert_int_equal(process_bytes(), before);
    pid_t pid = fork();
    if (pid == 0) {
        for (rlim_t more = 0;; more += 64 << 10) {
            setrlimit(RLIMIT_AS, &(struct rlimit){before + more, RLIM_INFINITY});
            int err = encode_to_memory(&snap, NULL, 0);
            if (err != -ENOMEM) {
                setrlimit(RLIMIT_AS, &(struct rlimit){RLIM_INFINITY, RLIM_INFINITY});
                _exit(err != 0 || more == 0 || process_bytes() != before);
            }
        }
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    for (size_t i = 0; i < SAMPLES; i++) {
        free((void *)sample[i].stack);
    }
    free(sample);
}

static void test_ids(void **state)
{
    (void)state;
    struct ids t;
    assert_true(ids_open(&t));
    for (uint64_t i = 0; i < 200000; i++) { /* each key twice */
        assert_int_equal(ids_of(&t, i % 100000 * 4096, i), i % 100000 + 1);
    }
    assert_int_equal(ids_item(&t, 100000), 99999);
    ids_close(&t);
}

static void test_go_reads_it(void **state)
{
    if (system("command -v go >/dev/null") != 0) {
        skip();
    }
    char command[600];
    int dir = open(*state, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct atomic_file f;
    encode_heap();
    assert_int_equal(atomic_file_open(&f, dir, "heap.pb.gz"), 0);
    assert_int_equal(atomic_file_write(&f, gzipped.bytes, gzipped.used), 0);
    assert_int_equal(atomic_file_commit(&f, "heap.pb.gz"), 0);
    close(dir);
    snprintf(
        command, sizeof command,
        "go tool pprof -symbolize=none -raw '%s/heap.pb.gz' 2>&1 | grep -cF -e '[dflt]' -e ': 1 "
        "2 3 4' -e 'bytes:[48]' -e '4: 0x1 [truncated] :0'",
        (char *)*state);
    assert_true(command_says(command, "4\n"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_samples),     cmocka_unit_test(test_empty),
        cmocka_unit_test(test_sink_errors), cmocka_unit_test(test_ids),
        cmocka_unit_test(test_go_reads_it),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
