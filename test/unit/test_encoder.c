/* SPDX-License-Identifier: MIT
 *
 * encoder/: snapshots are encoded into memory, inflated and decoded by a reader of the wire format
 * that shares no code with the writer. pseudo_name is the test's, so that no collector is linked.
 */
#include "collectors/snapshot.h"
#include "encoder/atomic_file.h"
#include "encoder/encode.h"
#include "encoder/ids.h"
#include "encoder/maps.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zlib.h>

#include <cmocka.h>

const char *pseudo_name(uintptr_t pc)
{
    return pc == PSEUDO_TRUNCATED ? "[truncated]" : pc == PSEUDO_SELF ? "[self]" : NULL;
}

/* ---- a sink into memory, and back from gzip ---- */

struct memory {
    size_t used, writes, fail_at; /* the write with number fail_at fails; 0: none */
    bool failed;
    unsigned char bytes[1 << 20];
};
static struct memory gzipped;

static int memory_write(void *arg, const void *buf, size_t n)
{
    struct memory *m = arg;
    assert_false(m->failed); /* never called again after an error */
    if (++m->writes == m->fail_at) {
        m->failed = true;
        return -ENOSPC;
    }
    assert_true(n > 0 && n <= sizeof m->bytes - m->used);
    memcpy(m->bytes + m->used, buf, n);
    m->used += n;
    return 0;
}

static int encode_to_memory(const struct snapshot *snap, const struct maps *maps, size_t fail_at)
{
    gzipped.used = gzipped.writes = 0;
    gzipped.failed = false;
    gzipped.fail_at = fail_at;
    return encode(snap, maps, &(struct byte_sink){memory_write, &gzipped});
}

/* ---- the decoder ---- */

/* Field numbers of the profile. */
enum { TYPE = 1, SAMPLE, MAPPING, LOCATION, FUNCTION, STRING, TIME = 9, DURATION, PERIOD_TYPE };
enum { PERIOD = 12, DEFAULT = 14, MAX = 8192, FIELDS = 11 };

struct bytes {
    const unsigned char *at, *end;
};
struct field {
    unsigned tag;
    uint64_t v; /* of a varint */
    struct bytes body;
};
struct decoded {
    /* By field number of the profile: how many, and of each, from 1, the fields by number. */
    size_t count[16];
    uint64_t item[16][MAX][FIELDS];
    uint64_t scalar[16];
    char *string[MAX]; /* from 0 */
    struct {
        uint64_t packed[3][256], label[FIELDS]; /* [1] the locations, [2] the values */
        size_t n[3], labels;
    } sample[64]; /* from 0 */
};
static struct decoded got;

static uint64_t varint(struct bytes *b)
{
    uint64_t v = 0;
    for (unsigned shift = 0;; shift += 7) {
        assert_true(b->at < b->end && shift < 64);
        v |= (uint64_t)(*b->at & 0x7f) << shift;
        if (!(*b->at++ & 0x80)) {
            return v;
        }
    }
}

static bool next(struct bytes *b, struct field *f)
{
    if (b->at == b->end) {
        return false;
    }
    uint64_t key = varint(b);
    f->body = (struct bytes){NULL, NULL};
    f->tag = (unsigned)(key >> 3);
    f->v = varint(b);
    assert_true((key & 7) == 0 || (key & 7) == 2);
    if ((key & 7) == 2) {
        assert_true(f->v <= (uint64_t)(b->end - b->at));
        f->body = (struct bytes){b->at, b->at + f->v};
        b->at += f->v;
    } else {
        assert_int_not_equal(f->v, 0); /* zero scalars are omitted */
    }
    return true;
}

/* A message of scalars. A message inside it (the line of a location) stands for its field 1, which
 * is all it may have. */
static void decode_fields(struct bytes b, uint64_t *field)
{
    struct field f;
    while (next(&b, &f)) {
        assert_true(f.tag < FIELDS);
        struct field inner = f;
        assert_true(!f.body.at || (next(&f.body, &inner) && inner.tag == 1));
        assert_true(f.body.at == f.body.end);
        field[f.tag] = inner.v;
    }
}

static void decode_sample(struct bytes b)
{
    struct field f;
    typeof(&got.sample[0]) s = &got.sample[got.count[SAMPLE]++];
    while (next(&b, &f)) {
        if (f.tag == 3) {
            s->labels++;
            decode_fields(f.body, s->label);
            continue;
        }
        while (f.body.at < f.body.end) {
            s->packed[f.tag][s->n[f.tag]++] = varint(&f.body);
        }
    }
}

static void decode(void)
{
    static unsigned char raw[1 << 24];
    z_stream z = {.next_in = gzipped.bytes, .avail_in = (uInt)gzipped.used};
    z.next_out = raw;
    z.avail_out = sizeof raw;
    assert_int_equal(inflateInit2(&z, 15 + 16), Z_OK);
    assert_int_equal(inflate(&z, Z_FINISH), Z_STREAM_END);
    assert_int_equal(z.avail_in, 0);
    inflateEnd(&z);
    memset(&got, 0, sizeof got);
    struct bytes b = {raw, z.next_out};
    struct field f;
    static char text[1 << 20];
    char *end = text;
    while (next(&b, &f)) {
        if (f.tag == SAMPLE) {
            decode_sample(f.body);
        } else if (f.tag == STRING) {
            got.string[got.count[STRING]++] = end;
            memcpy(end, f.body.at, f.v);
            end += f.v;
            *end++ = '\0';
        } else if (f.body.at) {
            assert_true(f.tag <= FUNCTION || f.tag == PERIOD_TYPE);
            decode_fields(f.body, got.item[f.tag][++got.count[f.tag]]);
        } else {
            assert_true(f.tag < 16 && got.scalar[f.tag] == 0); /* twice looks like two profiles */
            got.scalar[f.tag] = f.v;
        }
    }
    assert_true(got.scalar[TIME] != 0 && got.scalar[7] + got.scalar[8] + got.scalar[13] == 0);
}

static const char *string(uint64_t id)
{
    assert_true(id < got.count[STRING]);
    return got.string[id];
}

/* What holds for every profile: dense ids, references that exist, one string of each. */
static void check_tables(void)
{
    assert_string_equal(string(0), "");
    for (size_t i = 0; i < got.count[STRING]; i++) {
        for (size_t j = 0; j < i; j++) {
            assert_string_not_equal(got.string[i], got.string[j]);
        }
    }
    for (unsigned tag = MAPPING; tag <= FUNCTION; tag++) {
        for (size_t i = 1; i <= got.count[tag]; i++) {
            assert_int_equal(got.item[tag][i][1], i);
        }
    }
    for (size_t i = 1; i <= got.count[MAPPING]; i++) {
        const uint64_t *m = got.item[MAPPING][i];
        assert_true(m[2] < m[3] && *string(m[5]) && string(m[6]));
        assert_int_equal(m[7] + m[8] + m[9] + m[10], 0);
    }
    for (size_t i = 1; i <= got.count[LOCATION]; i++) {
        assert_true(got.item[LOCATION][i][2] <= got.count[MAPPING]);
        assert_true(got.item[LOCATION][i][4] <= got.count[FUNCTION]);
    }
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
    .has_duration = true,
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
    return maps_read(getauxval(AT_PHDR)); /* NULL would show: no mappings */
}

/* A heap: code of the program, of libc, pseudo frames, an address of nothing. */
static void encode_heap(void)
{
    uintptr_t here = (uintptr_t)encode_heap + 5;
    uintptr_t libc = (uintptr_t)getauxval + 9;
    struct snapshot_sample sample[] = {
        {STACK(libc, here, 4096, PSEUDO_TRUNCATED), 48, NULL, {3, 144, 1, 48}},
        {STACK(here + 1), 0, NULL, {0}},
        {STACK(here, libc, 40), 0, NULL, {-1, INT64_MAX, 0, 0}},
        {NULL, 1, NULL, {0, 0, 0, 7}},
    };
    struct snapshot snap = {.shape = &heap_shape, .period = 524288, .sample = sample, .samples = 4};
    snap.time_nanos = 1700000000000000123, snap.duration_nanos = 77;
    struct maps *maps = read_maps();
    assert_int_equal(encode_to_memory(&snap, maps, 0), 0);
    maps_free(maps);
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
    assert_int_equal(got.scalar[DURATION], 0); /* has_duration is false */

    assert_int_equal(got.count[SAMPLE], 3); /* the zero one and its location are gone */
    assert_int_equal(got.count[LOCATION], 5);
    static const uint64_t ids[] = {1, 2, 3, 4, 2, 1, 5};
    assert_true(got.sample[0].n[1] == 4 && got.sample[1].n[1] == 3 && got.sample[2].n[1] == 0);
    assert_memory_equal(got.sample[0].packed[1], ids, 4 * sizeof *ids);
    assert_memory_equal(got.sample[1].packed[1], ids + 4, 3 * sizeof *ids);
    assert_true(got.sample[0].n[2] == 4 && got.sample[0].packed[2][1] == 144);
    assert_int_equal((int64_t)got.sample[1].packed[2][0], -1);
    assert_int_equal((int64_t)got.sample[1].packed[2][1], INT64_MAX);
    assert_true(got.sample[0].labels == 1 && got.sample[1].labels == 0);
    const uint64_t *label = got.sample[0].label;
    assert_string_equal(string(label[1]), "bytes");
    assert_true(label[2] == 0 && label[3] == 48 && label[4] == 0);

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
    assert_int_equal(encode_to_memory(&snap, NULL, 0), 0); /* nor any mapping */
    decode();
    assert_int_equal(got.count[MAPPING], 0);
}

/* The size of this process; 0 when it is not told. */
static rlim_t process_bytes(void)
{
    rlim_t pages = 0;
    FILE *f = fopen("/proc/self/statm", "re");
    bool told = f && fscanf(f, "%lu", &pages) == 1;
    return f && fclose(f) == 0 && told ? pages * (rlim_t)sysconf(_SC_PAGESIZE) : 0;
}

/* So many samples that the sink is written to more than once: each write fails in turn, then every
 * amount of memory up to what is enough. An error, no crash, and nothing is kept. */
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
    for (uint64_t i = 0; i < 200000; i++) { /* all of them twice */
        assert_int_equal(ids_of(&t, i % 100000 * 4096, i), i % 100000 + 1);
    }
    assert_int_equal(ids_item(&t, 100000), 99999);
    ids_close(&t);
}

/* ---- mappings ---- */

static bool command_says(const char *command, const char *what)
{
    char line[512];
    bool found = false;
    FILE *f = popen(command, "re");
    while (f && fgets(line, sizeof line, f)) {
        found |= strstr(line, what) != NULL;
    }
    return f && pclose(f) == 0 && found;
}

static void test_main_program(void **state)
{
    (void)state;
    struct maps *maps = read_maps();
    char self[4096] = {0}, command[5000];
    assert_true(readlink("/proc/self/exe", self, sizeof self - 1) > 0);
    const struct mapping *first = maps_mapping(maps, 1);
    assert_string_equal(maps_text(maps, first->file), self);
    assert_int_equal(maps_find(maps, (uintptr_t)test_main_program), 1);
    assert_true(maps_find(maps, 0) == 0 && maps_find(maps, UINTPTR_MAX) == 0);
    bool vdso = false;
    for (uint32_t i = 1; i <= maps_count(maps); i++) {
        const struct mapping *m = maps_mapping(maps, i);
        assert_int_equal(maps_find(maps, m->start), i);
        assert_int_equal(maps_find(maps, m->limit - 1), i);
        assert_true(i <= 2 || m->start >= maps_mapping(maps, i - 1)->limit);
        if (strcmp(maps_text(maps, m->file), "[vdso]") == 0) {
            vdso = *maps_text(maps, m->build_id) != '\0';
        }
    }
    assert_true(vdso);
    snprintf(command, sizeof command, "readelf -n '%s' 2>&1", self);
    assert_true(strlen(maps_text(maps, first->build_id)) >= 16);
    assert_true(command_says(command, maps_text(maps, first->build_id)));
    maps_free(maps);
    /* Another object named as the main program takes its place, and all are found as before. */
    maps = maps_read((uintptr_t)getauxval);
    assert_non_null(strstr(maps_text(maps, maps_mapping(maps, 1)->file), "libc"));
    for (uint32_t i = 1; i <= maps_count(maps); i++) {
        assert_int_equal(maps_find(maps, maps_mapping(maps, i)->start), i);
    }
    maps_free(maps);
}

/* A name of nearly the longest path, with a newline in it, of a file that is gone; and a file that
 * ends before its mapping, where every look at the memory would be SIGBUS. */
static void test_odd_names(void **state)
{
    const char *folder = *state;
    char path[4096] = "";
    int dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    for (size_t i = 0; i < 15; i++) {
        char part[251];
        memset(part, 'a' + (int)i, sizeof part - 1);
        part[250] = '\0';
        assert_int_equal(mkdirat(dir, part, 0700), 0);
        int inner = openat(dir, part, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        close(dir);
        dir = inner;
        strcat(strcat(path, "/"), part);
    }
    const char *name = "new\nline \\040";
    int fd = openat(dir, name, O_RDWR | O_CREAT | O_CLOEXEC, 0700);
    assert_true(fd >= 0);
    void *p = mmap(NULL, 8192, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0);
    if (p == MAP_FAILED) {
        skip(); /* a folder of programs it may not be */
    }
    assert_int_equal(unlinkat(dir, name, 0), 0);
    close(fd);
    close(dir);
    struct maps *maps = read_maps();
    uint32_t id = maps_find(maps, (uintptr_t)p);
    assert_true(id > 1);
    const struct mapping *m = maps_mapping(maps, id);
    const char *text = maps_text(maps, m->file);
    assert_non_null(strstr(text, path));
    assert_string_equal(strrchr(text, '/') + 1, name);
    assert_string_equal(maps_text(maps, m->build_id), "");
    maps_free(maps);
    munmap(p, 8192);
}

/* ---- files ---- */

static bool holds(const char *folder, const char *entries)
{
    char command[300];
    snprintf(command, sizeof command, "ls -A '%s' | wc -l", folder);
    return command_says(command, entries);
}

static void test_atomic_file(void **state)
{
    char folder[256];
    snprintf(folder, sizeof folder, "%s/files", (char *)*state);
    assert_int_equal(mkdir(folder, 0700), 0);
    int dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct atomic_file f;
    struct stat st;
    mode_t mask = umask(0777);
    assert_int_equal(atomic_file_open(&f, dir, "a.pb.gz"), 0);
    umask(mask);
    assert_int_equal(atomic_file_write(&f, "whole", 5), 0);
    assert_int_equal(f.temporary[0], '.');
    assert_int_equal(fstatat(dir, "a.pb.gz", &st, 0), -1); /* not there before it is whole */
    assert_int_equal(atomic_file_commit(&f, "a.pb.gz"), 0);
    assert_int_equal(fstatat(dir, "a.pb.gz", &st, AT_SYMLINK_NOFOLLOW), 0);
    assert_true((st.st_mode & 07777) == 0600 && st.st_size == 5 && st.st_nlink == 1);
    assert_true(holds(folder, "1\n"));
    /* The name is taken, also by a link that leads nowhere; the next one is free. */
    assert_int_equal(symlinkat("/nonexistent/target", dir, "b"), 0);
    assert_int_equal(atomic_file_open(&f, dir, "a.pb.gz"), 0);
    assert_int_equal(atomic_file_commit(&f, "a.pb.gz"), -EEXIST);
    assert_int_equal(atomic_file_rename(&f, "b"), -EEXIST);
    assert_int_equal(atomic_file_rename(&f, "c"), 0);
    assert_int_equal(atomic_file_rename(&f, "d"), -EINVAL);
    assert_int_equal(fstatat(dir, "a.pb.gz", &st, 0), 0);
    assert_int_equal(st.st_size, 5);
    assert_true(holds(folder, "3\n"));
    /* A write error sticks and removes. */
    assert_int_equal(atomic_file_open(&f, dir, "e"), 0);
    int good = f.fd;
    f.fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
    assert_int_equal(atomic_file_write(&f, "x", 1), -ENOSPC);
    assert_int_equal(atomic_file_write(&f, "x", 1), -ENOSPC);
    close(good);
    assert_int_equal(atomic_file_commit(&f, "e"), -ENOSPC);
    /* A name too long for the file, not for the temporary one. */
    char name[300];
    memset(name, 'n', sizeof name - 1);
    name[299] = '\0';
    assert_int_equal(atomic_file_open(&f, dir, name), 0);
    assert_int_equal(atomic_file_commit(&f, name), -ENAMETOOLONG);
    assert_int_equal(atomic_file_open(&f, dir, "f"), 0);
    atomic_file_abandon(&f);
    atomic_file_abandon(&f);
    assert_true(holds(folder, "3\n"));
    /* The folder goes away, before or between. */
    assert_int_equal(unlinkat(dir, "a.pb.gz", 0) + unlinkat(dir, "b", 0) + unlinkat(dir, "c", 0),
                     0);
    assert_int_equal(atomic_file_open(&f, dir, "g"), 0);
    assert_int_equal(unlinkat(dir, f.temporary, 0) + rmdir(folder), 0);
    assert_int_equal(atomic_file_commit(&f, "g"), -ENOENT);
    assert_int_equal(atomic_file_open(&f, dir, "h"), -ENOENT);
    atomic_file_abandon(&f);
    close(dir);
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

static int make_folder(void **state)
{
    static char folder[] = "/tmp/test_encoder.XXXXXX";
    *state = mkdtemp(folder);
    return *state ? 0 : -1;
}

static int remove_folder(void **state)
{
    char command[100];
    snprintf(command, sizeof command, "rm -rf '%s'", (char *)*state);
    return system(command);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_samples),      cmocka_unit_test(test_empty),
        cmocka_unit_test(test_sink_errors),  cmocka_unit_test(test_ids),
        cmocka_unit_test(test_main_program), cmocka_unit_test(test_odd_names),
        cmocka_unit_test(test_atomic_file),  cmocka_unit_test(test_go_reads_it),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
