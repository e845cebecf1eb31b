/* SPDX-License-Identifier: MIT
 *
 * See worker.h.
 *
 * libdw and libelf read files of unknown origin: they may crash, loop, or take all memory, and a
 * file that is truncated while it is mapped gives SIGBUS. The child writes its answers into a pipe.
 * The parent checks all that it reads there, and expects an end mark, without which the child has
 * died on the way. Another gain is that all memory of a module is freed with the child.
 */
#include "encoder/symbolize/worker.h"

#include "encoder/symbolize/grow.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { WORKER_CPU_SECONDS = 600 }; /* 1 GB of DWARF (a browser) takes less than 60 */
enum { WORKER_TEXT_MAX = 65536 };  /* bytes of one name on the pipe; names.c cuts there too */

/* An answer on the pipe: a head, then for each frame a body and its three texts. */
struct worker_head {
    uint64_t query; /* or WORKER_END */
    uint32_t kind, nframes;
    int32_t result; /* with WORKER_END */
    uint32_t unused;
};

struct worker_body {
    uint64_t line, start_line;
    uint32_t name, system_name, file; /* lengths */
    uint32_t offset;
};

#define WORKER_END UINT64_MAX

/* Bytes collected before they are written. Only whole answers are, so a child that dies leaves no
 * half of one. */
enum { PIPE_BUFFER = 65536 };

struct pipe_sink {
    struct answer_sink sink;
    int fd;
    uint8_t *bytes;
    size_t len, cap;
};

/* The parent's copy of one answer. */
struct worker_answer {
    struct frame frames[FRAMES_MAX];
    size_t at[FRAMES_MAX][3]; /* where the frame's texts are in `texts` */
    char *texts;
    size_t len, cap;
};

static int pipe_flush(struct answer_sink *sink)
{
    struct pipe_sink *out = (struct pipe_sink *)sink;
    size_t at = 0;
    while (at < out->len) {
        ssize_t put = write(out->fd, out->bytes + at, out->len - at);
        if (put < 0 && errno != EINTR) {
            return -errno;
        }
        at += put > 0 ? (size_t)put : 0;
    }
    out->len = 0;
    return 0;
}

static void pipe_add(struct pipe_sink *out, const void *data, size_t len)
{
    memcpy(out->bytes + out->len, data, len);
    out->len += len;
}

static int worker_put(struct answer_sink *sink, size_t query, enum answer_kind kind,
                      const struct frame *frames, size_t n)
{
    struct pipe_sink *out = (struct pipe_sink *)sink;
    struct worker_head head = {.query = query, .kind = kind, .nframes = (uint32_t)n};
    size_t need = sizeof head;
    for (size_t i = 0; i < n; i++) {
        need += sizeof(struct worker_body) + strlen(frames[i].name) +
                strlen(frames[i].system_name) + strlen(frames[i].file);
    }
    if (grow_array(&out->bytes, &out->cap, out->len + need, sizeof *out->bytes)) {
        return -ENOMEM;
    }
    pipe_add(out, &head, sizeof head);
    for (size_t i = 0; i < n; i++) {
        const struct frame *f = &frames[i];
        struct worker_body body = {.line = f->line,
                                   .start_line = f->start_line,
                                   .name = (uint32_t)strnlen(f->name, WORKER_TEXT_MAX),
                                   .system_name =
                                       (uint32_t)strnlen(f->system_name, WORKER_TEXT_MAX),
                                   .file = (uint32_t)strnlen(f->file, WORKER_TEXT_MAX),
                                   .offset = f->offset};
        pipe_add(out, &body, sizeof body);
        pipe_add(out, f->name, body.name);
        pipe_add(out, f->system_name, body.system_name);
        pipe_add(out, f->file, body.file);
    }
    return out->len < PIPE_BUFFER ? 0 : pipe_flush(sink);
}

static void __attribute__((noreturn))
worker_child(const struct module *module, enum resolve_mode mode, int fd)
{
    struct rlimit cpu = {WORKER_CPU_SECONDS, WORKER_CPU_SECONDS}, core = {0, 0};
    struct pipe_sink sink = {.sink = {worker_put, pipe_flush}, .fd = fd};
    struct worker_head end = {.query = WORKER_END};
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    signal(SIGINT, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
    signal(SIGHUP, SIG_DFL);
    setrlimit(RLIMIT_CPU, &cpu);
    setrlimit(RLIMIT_CORE, &core);
    /* Libraries print to stderr before they abort (assertions, "out of memory"): not to the user's.
     */
    int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
    if (null >= 0) {
        dup2(null, STDERR_FILENO);
    }
    end.result = resolve_module(module, mode, &sink.sink);
    if (grow_array(&sink.bytes, &sink.cap, sink.len + sizeof end, sizeof *sink.bytes)) {
        _exit(1);
    }
    pipe_add(&sink, &end, sizeof end);
    _exit(pipe_flush(&sink.sink) ? 1 : 0);
}

static bool worker_read_text(FILE *in, struct worker_answer *answer, uint32_t len, size_t *at)
{
    if (len > WORKER_TEXT_MAX ||
        grow_array(&answer->texts, &answer->cap, answer->len + len + 1, sizeof *answer->texts)) {
        return false;
    }
    if (fread(answer->texts + answer->len, 1, len, in) != len) {
        return false;
    }
    *at = answer->len;
    answer->len += len;
    answer->texts[answer->len++] = '\0';
    return true;
}

static bool worker_read_frames(FILE *in, struct worker_answer *answer, uint32_t n)
{
    answer->len = 0;
    for (uint32_t i = 0; i < n; i++) {
        struct worker_body body;
        if (fread(&body, sizeof body, 1, in) != 1 ||
            !worker_read_text(in, answer, body.name, &answer->at[i][0]) ||
            !worker_read_text(in, answer, body.system_name, &answer->at[i][1]) ||
            !worker_read_text(in, answer, body.file, &answer->at[i][2])) {
            return false;
        }
        answer->frames[i].line = body.line;
        answer->frames[i].start_line = body.start_line;
        answer->frames[i].offset = body.offset;
    }
    for (uint32_t i = 0; i < n;
         i++) { /* `texts` does not grow any more, so pointers into it stay valid */
        answer->frames[i].name = answer->texts + answer->at[i][0];
        answer->frames[i].system_name = answer->texts + answer->at[i][1];
        answer->frames[i].file = answer->texts + answer->at[i][2];
    }
    return true;
}

/* Reads the answers and puts them into the sink. The child's result, or -EFAULT if it has died or
 * written something that is no answer. */
static int worker_listen(const struct module *module, FILE *in, struct answer_sink *sink)
{
    struct worker_answer *answer = calloc(1, sizeof *answer);
    struct worker_head head;
    int result = -EFAULT;
    if (!answer) {
        return -ENOMEM;
    }
    while (fread(&head, sizeof head, 1, in) == 1) {
        if (head.query == WORKER_END) {
            result = head.result > 0 ? -EFAULT : head.result;
            break;
        }
        if (head.query >= module->nqueries || head.nframes == 0 || head.nframes > FRAMES_MAX ||
            head.kind > ANSWER_DWARF || !worker_read_frames(in, answer, head.nframes)) {
            break;
        }
        int error = sink->put(sink, (size_t)head.query, (enum answer_kind)head.kind, answer->frames,
                              head.nframes);
        if (error) {
            result = error;
            break;
        }
    }
    free(answer->texts);
    free(answer);
    return result;
}

int worker_resolve(const struct module *module, enum resolve_mode mode, struct answer_sink *sink)
{
    int ends[2], result;
    if (pipe2(ends, O_CLOEXEC) != 0) {
        return resolve_module(module, mode, sink);
    }
    pid_t child = fork();
    if (child == 0) {
        close(ends[0]);
        worker_child(module, mode, ends[1]);
    }
    close(ends[1]);
    if (child < 0) {
        close(ends[0]);
        return resolve_module(module, mode, sink);
    }
    FILE *in = fdopen(ends[0], "r");
    if (in) {
        result = worker_listen(module, in, sink);
        fclose(in);
    } else {
        close(ends[0]);
        result = -ENOMEM;
    }
    if (result == -EFAULT || result == -ENOMEM) {
        kill(child, SIGKILL); /* it may loop; it is not reaped yet, so the pid is still its own */
    }
    while (waitpid(child, NULL, 0) < 0 && errno == EINTR) {
        ;
    }
    return result;
}
