/* SPDX-License-Identifier: MIT
 *
 * See config.h. Runs in the constructor alone. The environment is the array that the constructor is
 * given, and is read without getenv(), which the program may have replaced.
 */
#include "preload/config.h"

#include "collectors/base/arena.h"
#include "collectors/base/libc/libc.h"
#include "collectors/base/log.h"
#include "collectors/base/sys.h"
#include "collectors/base/text.h"
#include "collectors/kinds.h"
#include "collectors/stacks/stack.h"
#include "collectors/threads/labels.h"
#include "preload/marker.h"

#include <fnmatch.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

struct config config;

enum { KEEP_MAX = 10000 };

/* ---- readers of values: *v from the text s; false = it is not valid ---- */

static bool read_number(const char *s, int64_t *v)
{
    return text_read_int(&s, v) && *s == '\0';
}

static bool read_signal(const char *s, int64_t *v)
{
    static const struct {
        const char *name;
        int number;
    } names[] = {{"HUP", SIGHUP},   {"INT", SIGINT},       {"QUIT", SIGQUIT},   {"USR1", SIGUSR1},
                 {"USR2", SIGUSR2}, {"PIPE", SIGPIPE},     {"ALRM", SIGALRM},   {"TERM", SIGTERM},
                 {"CONT", SIGCONT}, {"URG", SIGURG},       {"XCPU", SIGXCPU},   {"XFSZ", SIGXFSZ},
                 {"IO", SIGIO},     {"VTALRM", SIGVTALRM}, {"WINCH", SIGWINCH}, {"PWR", SIGPWR}};
    if (strcmp(s, "none") == 0) {
        *v = 0;
        return true;
    }
    s += strncmp(s, "SIG", 3) == 0 ? 3 : 0;
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (strcmp(s, names[i].name) == 0) {
            *v = names[i].number;
            return true;
        }
    }
    if (strncmp(s, "RTMIN", 5) == 0) {
        const char *plus = s + 5;
        int64_t n = 0;
        if (*plus == '+' && !(plus++, text_read_int(&plus, &n))) {
            return false;
        }
        *v = SIGRTMIN + n;
        return *plus == '\0' && *v <= SIGRTMAX;
    }
    /* KILL and STOP cannot be handled; the faults must stay the program's, and the first real-time
     * signals (from 32 to SIGRTMIN) libc's. */
    return read_number(s, v) && *v >= 1 && *v <= SIGRTMAX && *v != SIGKILL && *v != SIGSTOP &&
           *v != SIGSEGV && *v != SIGBUS && *v != SIGFPE && *v != SIGILL && *v != SIGTRAP &&
           *v != SIGABRT && (*v < 32 || *v >= SIGRTMIN);
}

/* ---- the table ---- */

static const struct setting {
    const char *name;
    int64_t *value;
    int64_t otherwise;   /* the default */
    int64_t least, most; /* of what `read` has read */
    bool (*read)(const char *s, int64_t *v);
    const char *allowed; /* for the message about a value that is not valid */
} settings[] = {
    /* the dump signal */
    {"PPROF_SIGNAL", &config.signal, SIGUSR2, 0, 64, read_signal,
     "a signal's name or number, RTMIN+n, or none"},
    /* samples per second of each thread's CPU time, 0 = off */
    {"PPROF_CPU_RATE", &config.cpu_rate, 100, 0, 10000, read_number, "0 to 10000"},
    /* mean bytes between heap samples, 1 = every allocation, 0 = off */
    {"PPROF_MEM_RATE", &config.mem_rate, 524288, 0, INT64_C(1) << 40, read_number,
     "0 to 1099511627776"},
    /* nanoseconds blocked for each sample of a wait, 1 = every wait, 0 = off */
    {"PPROF_BLOCK_RATE", &config.block_rate, 10000, 0, INT64_C(1) << 40, read_number,
     "0 to 1099511627776"},
    /* one in n contended releases is sampled, 0 = off */
    {"PPROF_MUTEX_FRACTION", &config.mutex_fraction, 1, 0, INT64_C(1) << 30, read_number,
     "0 to 1073741824"},
    /* frames kept of a stack */
    {"PPROF_DEPTH", &config.depth, 128, 1, STACK_DEPTH_MAX, read_number, "1 to 512"},
    /* a dump at the end of the process */
    {"PPROF_AT_EXIT", &config.at_exit, 1, 0, 1, read_number, "0 or 1"},
    /* programs that this one starts are profiled too */
    {"PPROF_CHILDREN", &config.children, 1, 0, 1, read_number, "0 or 1"},
    /* names are put into the files after each dump */
    {"PPROF_SYMBOLIZE", &config.symbolize, 1, 0, 1, read_number, "0 or 1"},
    /* names may be fetched from the servers of DEBUGINFOD_URLS */
    {"PPROF_DEBUGINFOD", &config.debuginfod, 0, 0, 1, read_number, "0 or 1"},
    /* seconds that a normal end waits at most for the symboliser */
    {"PPROF_EXIT_WAIT", &config.exit_wait, 10, 0, 86400, read_number, "0 to 86400"},
    /* seconds between dumps made by themselves */
    {"PPROF_INTERVAL", &config.interval, 0, 0, 31536000, read_number, "0 to 31536000"},
    /* dumps of this process that are kept, the newest; 0 = all */
    {"PPROF_KEEP", &config.keep, 0, 0, KEEP_MAX, read_number, "0 to 10000"},
    /* each dump holds what happened since the one before */
    {"PPROF_DELTA", &config.delta, 0, 0, 1, read_number, "0 or 1"},
    /* samples of the heap carry the labels of their allocation */
    {"PPROF_HEAP_LABELS", &config.heap_labels, 0, 0, 1, read_number, "0 or 1"},
    /* samples carry their thread's name and id */
    {"PPROF_THREAD_LABELS", &config.thread_labels, 0, 0, 1, read_number, "0 or 1"},
    /* a dump each time the live heap passes its last peak by that many bytes */
    {"PPROF_HEAP_GROWTH", &config.heap_growth, 0, 0, INT64_MAX, read_number,
     "0 to 9223372036854775807"},
    /* each profile also as text */
    {"PPROF_DEBUG", &config.debug, 0, 0, 1, read_number, "0 or 1"},
    /* fixes the sampling decisions; 0 = not fixed */
    {"PPROF_SEED", &config.seed, 0, INT64_MIN, INT64_MAX, read_number, "a whole number"},
};

/* Variables that config_read() reads by itself. */
static const char *const further[] = {"PPROF_OUT",  "PPROF_PROFILES", "PPROF_LOG", "PPROF_LABELS",
                                      "PPROF_ONLY", "PPROF_NAME",     MARKER_NAME};

void config_each_name(void (*f)(const char *name, void *arg), void *arg)
{
    for (size_t i = 0; i < ARRAY_LEN(settings); i++) {
        f(settings[i].name, arg);
    }
    for (size_t i = 0; i < ARRAY_LEN(further); i++) {
        f(further[i], arg);
    }
}

static const char *env_find(char *const *env, const char *name)
{
    size_t len = strlen(name);
    for (; *env; env++) {
        if (strncmp(*env, name, len) == 0 && (*env)[len] == '=') {
            return *env + len + 1;
        }
    }
    return NULL;
}

/* Adds a copy of NAME=value to the list, if the variable is set. */
static void env_keep(char *const *env, const char *name, const char **list, size_t *n)
{
    const char *value = env_find(env, name);
    const char *line = value ? value - strlen(name) - 1 : "";
    size_t size = strlen(line) + 1;
    char *copy = value ? arena_alloc(size) : NULL;
    if (copy) {
        memcpy(copy, line, size);
        list[(*n)++] = copy;
    }
}

static void complain(const char *name, const char *value, const char *allowed)
{
    char line[512];
    struct text t = text_in(line, sizeof line);
    text_add(&t, name);
    text_add(&t, "=");
    text_add_n(&t, value, strnlen(value, 200));
    text_add(&t, " is not valid (allowed: ");
    text_add(&t, allowed);
    text_add(&t, "); the default is used");
    log_line(line);
}

static void read_setting(const struct setting *s, const char *value)
{
    *s->value = s->otherwise;
    int64_t v;
    if (!value) {
        return;
    }
    if (s->read(value, &v) && v >= s->least && v <= s->most) {
        *s->value = v;
    } else {
        complain(s->name, value, s->allowed);
    }
}

/* Enables the profiles of a comma list; all of them if it is missing, empty, or names one that
 * there is not. */
static void read_profiles(const char *list)
{
    bool all = !list || strcmp(list, "all") == 0;
    const char *p = list;
    for (size_t i = 0; i < kinds_count; i++) {
        kinds[i].enabled = false;
    }
    while (!all) {
        size_t len = strcspn(p, ",");
        struct kind *k = kinds_find(p, len);
        if (!k) {
            complain("PPROF_PROFILES", list, "all, or a comma list of profile names");
            all = true;
            break;
        }
        k->enabled = true;
        if (p[len] == '\0') {
            break;
        }
        p += len + 1;
    }
    config.names_threads = !all && kinds_need(NEEDS_THREADS);
    for (size_t i = 0; i < kinds_count; i++) {
        kinds[i].enabled |= all;
    }
}

/* Makes a path absolute, for the program may chdir() later. False: it is too long. */
static bool read_path(const char *value, char *path)
{
    struct text t = text_in(path, CONFIG_PATH_MAX);
    if (value[0] != '/') {
        char cwd[CONFIG_PATH_MAX];
        long n = sys_call2(SYS_getcwd, cwd, sizeof cwd);
        if (n > 0 && cwd[0] == '/') {
            text_add(&t, cwd);
            text_add(&t, "/");
        }
    }
    text_add(&t, value);
    return !t.cut;
}

static void read_out(const char *value)
{
    static const char otherwise[] = "pprof";
    value = value && *value ? value : otherwise;
    if (!read_path(value, config.out)) {
        complain("PPROF_OUT", value, "a path of at most 4095 bytes");
        if (!read_path(otherwise, config.out)) {
            memcpy(config.out, otherwise, sizeof otherwise);
        }
    }
}

static void read_log(const char *value)
{
    config.log[0] = '\0';
    if (value && *value && (!read_path(value, config.log) || log_to(config.log) != 0)) {
        complain("PPROF_LOG", value, "a file that can be written");
        config.log[0] = '\0';
    }
}

static void read_labels(const char *value)
{
    config.labels = NULL;
    if (value && *value && !labels_read(value, &config.labels)) {
        complain("PPROF_LABELS", value, "k=v,... without empty keys or values");
    }
}

/* Into the form that file names have. */
static void read_name(const char *value)
{
    static char name[CONFIG_NAME_MAX + 1];
    struct text t = text_in(name, sizeof name);
    for (const char *p = value ? value : ""; *p && t.len + 3 < sizeof name; p++) {
        text_add_escaped(&t, *p);
    }
    config.name = t.len ? name : NULL;
}

/* Keeps what the symboliser needs of the environment. HOME and XDG_CACHE_HOME say where the client
 * of debuginfod keeps its files; the proxies are curl's. */
static void read_names_env(char *const *env)
{
    static const char *const always[] = {"PPROF_BINARY_PATH"};
    static const char *const of_client[] = {"PPROF_DEBUGINFOD",
                                            "DEBUGINFOD_URLS",
                                            "DEBUGINFOD_CACHE_PATH",
                                            "DEBUGINFOD_TIMEOUT",
                                            "DEBUGINFOD_RETRY_LIMIT",
                                            "DEBUGINFOD_MAXSIZE",
                                            "DEBUGINFOD_MAXTIME",
                                            "DEBUGINFOD_HEADERS_FILE",
                                            "XDG_CACHE_HOME",
                                            "HOME",
                                            "http_proxy",
                                            "https_proxy",
                                            "all_proxy",
                                            "no_proxy"};
    _Static_assert(ARRAY_LEN(always) + ARRAY_LEN(of_client) < NAMES_ENV, "a NULL follows");
    size_t n = 0;
    for (size_t i = 0; i < ARRAY_LEN(always); i++) {
        env_keep(env, always[i], config.names_env, &n);
    }
    for (size_t i = 0; i < ARRAY_LEN(of_client) && config.debuginfod; i++) {
        env_keep(env, of_client[i], config.names_env, &n);
    }
    config.names_env[n] = NULL;
}

bool config_has_parent(char *const *env)
{
    return env_find(env, MARKER_NAME) != NULL;
}

void config_read(char *const *env, bool secure)
{
    static char *const nothing[] = {NULL};
    env = secure ? nothing : env;
    read_log(env_find(env, "PPROF_LOG"));
    for (size_t i = 0; i < ARRAY_LEN(settings); i++) {
        read_setting(&settings[i], env_find(env, settings[i].name));
    }
    read_profiles(env_find(env, "PPROF_PROFILES"));
    read_out(env_find(env, "PPROF_OUT"));
    read_labels(env_find(env, "PPROF_LABELS"));
    read_name(env_find(env, "PPROF_NAME"));
    read_names_env(env);
    const char *preload = env_find(env, "LD_PRELOAD");
    config.in_place = preload && strstr(preload, "/vgpreload_");
    config.only = env_find(env, "PPROF_ONLY");
    config.pid = sys_getpid();
    const char *marker = env_find(env, MARKER_NAME);
    config.is_child = marker != NULL;
    struct marker told = marker_read(marker);
    config.filters = told.filters;
    config.user = told.user;
    config.left_raw = told.raw == config.pid;
    config.is_first = !marker || told.first == config.pid;
}

/* Sets a variable of the environment. setenv() would allocate in the program's heap, and the
 * program may have replaced it (bash does). So a new array and a new string are made, which are
 * never freed.
 */
static void env_set(const char *name, const char *value)
{
    size_t name_len = strlen(name);
    size_t n = 0;
    while (environ[n]) {
        n++;
    }
    char **fresh = arena_alloc((n + 2) * sizeof *fresh);
    char *line = arena_alloc(name_len + strlen(value) + 2);
    if (!fresh || !line) {
        return;
    }
    memcpy(line, name, name_len);
    line[name_len] = '=';
    strcpy(line + name_len + 1, value);
    size_t kept = 0;
    for (size_t i = 0; i < n; i++) {
        if (strncmp(environ[i], line, name_len + 1) != 0) {
            fresh[kept++] = environ[i];
        }
    }
    fresh[kept++] = line;
    fresh[kept] = NULL;
    environ = fresh;
}

static bool not_handed_down; /* yet */

void config_hand_down(int64_t filters)
{
    if (!config.is_child) {
        marker_begin(config.pid, filters);
        STORE(&not_handed_down, true);
        config_hand_down_late();
    }
}

void config_hand_down_late(void)
{
    bool now = true;
    if (LIKELY(!LOAD(&not_handed_down)) || !libc_has_environment() ||
        !CAS(&not_handed_down, &now, false)) {
        return;
    }
    char marker[MARKER_BYTES];
    marker_write(marker, 0);
    env_set("PPROF_OUT", config.out);
    if (config.log[0]) {
        env_set("PPROF_LOG", config.log);
    }
    env_set(MARKER_NAME, marker + sizeof MARKER_NAME);
}

char *const *config_environment(char *const env[])
{
    char *const *before = environ;
    config_hand_down_late();
    return env == before ? environ : env;
}

/* ---- globs ---- */

bool config_glob_list(const char *list, const char *name)
{
    for (const char *p = list;; p++) {
        char glob[256];
        size_t len = strcspn(p, ",");
        struct text t = text_in(glob, sizeof glob);
        text_add_n(&t, p, len);
        if (fnmatch(glob, name, 0) == 0) {
            return true;
        }
        p += len;
        if (*p == '\0') {
            return false;
        }
    }
}
