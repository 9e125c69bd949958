/* Fails or kills a process at its N-th call that changes files.
 *
 * Load it with LD_PRELOAD. It stands between a program and the C library, counts the calls that change files
 * below one folder, and at the N-th of them does what its mode says. It sees every caller that goes through the C
 * library (Python, SQLite, Rust); it does not see raw syscall() or writes to mapped memory.
 *
 * Armed from Python:  fault_arm("/folder", n, MODE) ... fault_off(); fault_count(), fault_call(i), fault_path(i).
 * Armed by variables: FAULT_UNDER=/folder FAULT_AT=n FAULT_MODE=1..8, read when the program starts.
 * The folder is an absolute path without links. N counts from 1; with N = 0 it only counts.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

enum mode {
    KILL = 1,   /* die before the call */
    KILL_AFTER, /* die after it */
    TORN,       /* write half of it, then die; as KILL where nothing is written */
    SHORT,      /* write half of it and say so, as the system may at any time */
    EIO_ONCE,   /* fail once: a bad sector */
    NOSPC_ONCE, /* fail once: full for a moment */
    FULL,       /* from here on nothing can be added; removing works */
    BROKEN,     /* from here on everything fails */
};

enum verdict { PASS, HALF, FAIL, THEN_DIE, HALF_THEN_DIE };

/* What a call does, as far as the modes care. */
enum effect { ADDS_BYTES, ADDS_NAME, OTHER };

#define PATH 512
#define REMEMBERED 16384 /* calls whose names are kept; all are counted */

struct entry {
    char call[20], path[PATH], target[PATH];
    int refused; /* the system itself said no: a folder that exists already, a file that is gone */
};

static struct entry seen[REMEMBERED];
static char watched[PATH];
static long count, at;
static int mode, armed;
static __thread struct entry *latest; /* this thread's */

/* ---- What Python calls ---- */

void fault_arm(const char *folder, long n, int m)
{
    snprintf(watched, sizeof watched, "%s", folder);
    count = 0;
    at = n;
    mode = m;
    __sync_synchronize();
    armed = 1;
}

void fault_off(void) { armed = 0; }
long fault_count(void) { return count; }
const char *fault_call(long i) { return i >= 1 && i <= count && i <= REMEMBERED ? seen[i - 1].call : ""; }
const char *fault_path(long i) { return i >= 1 && i <= count && i <= REMEMBERED ? seen[i - 1].path : ""; }
int fault_refused(long i) { return i >= 1 && i <= count && i <= REMEMBERED && seen[i - 1].refused; }
const char *fault_target(long i) { return i >= 1 && i <= count && i <= REMEMBERED ? seen[i - 1].target : ""; }

__attribute__((constructor)) static void arm_from_environment(void)
{
    const char *folder = getenv("FAULT_UNDER"), *n = getenv("FAULT_AT"), *m = getenv("FAULT_MODE");
    if (folder && n && m)
        fault_arm(folder, atol(n), atoi(m));
}

/* ---- Deciding ---- */

static void __attribute__((noreturn)) die(void)
{
    kill(getpid(), SIGKILL);
    for (;;)
        pause();
}

/* The absolute path of an open file; empty when it has none. */
static void path_of(int fd, char *into)
{
    char link[40];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, into, PATH - 1);
    into[length > 0 ? length : 0] = 0;
}

/* The absolute path of what a call names; folders are opened before they matter here, so no links are followed. */
static void path_at(int folder, const char *name, char *into)
{
    char base[PATH] = "";
    if (name[0] != '/') {
        if (folder == AT_FDCWD) {
            if (!getcwd(base, sizeof base))
                base[0] = 0;
        } else {
            path_of(folder, base);
        }
        strncat(base, "/", sizeof base - strlen(base) - 1);
    }
    snprintf(into, PATH, "%.*s%.*s", PATH / 2, base, PATH / 2 - 1, name);
}

static int below(const char *path)
{
    size_t length = strlen(watched);
    return strncmp(path, watched, length) == 0 && (path[length] == '/' || path[length] == 0);
}

static enum verdict judge(const char *call, enum effect effect, const char *path, const char *target)
{
    latest = NULL;
    if (!armed || !(below(path) || below(target)))
        return PASS;
    long mine = __sync_add_and_fetch(&count, 1);
    if (mine <= REMEMBERED) {
        struct entry *entry = &seen[mine - 1];
        snprintf(entry->call, sizeof entry->call, "%s", call);
        snprintf(entry->path, PATH, "%s", path);
        snprintf(entry->target, PATH, "%s", target);
        entry->refused = 0;
        latest = entry;
    }
    int lasting = mode == FULL || mode == BROKEN;
    if (at <= 0 || (lasting ? mine < at : mine != at))
        return PASS;
    switch (mode) {
    case KILL:
        die();
    case KILL_AFTER:
        return THEN_DIE;
    case TORN:
        if (effect != ADDS_BYTES)
            die();
        return HALF_THEN_DIE;
    case SHORT:
        return effect == ADDS_BYTES ? HALF : PASS;
    case FULL:
        if (effect == OTHER)
            return PASS;
        errno = ENOSPC;
        return FAIL;
    case NOSPC_ONCE:
        errno = ENOSPC;
        return FAIL;
    default:
        errno = EIO;
        return FAIL;
    }
}

static enum verdict judge_fd(const char *call, enum effect effect, int fd)
{
    int before = errno;
    char path[PATH] = "";
    if (armed)
        path_of(fd, path);
    errno = before;
    return judge(call, effect, path, "");
}

static enum verdict judge_at(const char *call, enum effect effect, int folder, const char *name)
{
    int before = errno;
    char path[PATH] = "";
    if (armed)
        path_at(folder, name, path);
    errno = before;
    return judge(call, effect, path, "");
}

static enum verdict judge_two(const char *call, int from, const char *name, int to, const char *other)
{
    int before = errno;
    char path[PATH] = "", target[PATH] = "";
    if (armed) {
        path_at(from, name, path);
        path_at(to, other, target);
    }
    errno = before;
    return judge(call, ADDS_NAME, path, target);
}

/* ---- Standing between ---- */

static void remember(int worked)
{
    if (latest)
        latest->refused = !worked;
}

/* The library's own function, looked up once. */
#define REAL(result, name, ...)                                                                                        \
    static result (*real)(__VA_ARGS__);                                                                                \
    if (!real)                                                                                                         \
    real = (result(*)(__VA_ARGS__))dlsym(RTLD_NEXT, name)

/* Obey the verdict for a call that either happens or does not. */
#define ACT(verdict_of_it, result, call)                                                                               \
    do {                                                                                                               \
        enum verdict verdict = verdict_of_it;                                                                          \
        if (verdict == FAIL)                                                                                           \
            return -1;                                                                                                 \
        result answer = call;                                                                                          \
        remember(answer >= 0);                                                                                         \
        if (verdict == THEN_DIE)                                                                                       \
            die();                                                                                                     \
        return answer;                                                                                                 \
    } while (0)

/* Obey the verdict for a call that moves up to `length` bytes; `call` uses `length`. */
#define MOVE(verdict_of_it, length, call)                                                                              \
    do {                                                                                                               \
        enum verdict verdict = verdict_of_it;                                                                          \
        if (verdict == FAIL)                                                                                           \
            return -1;                                                                                                 \
        if ((verdict == HALF || verdict == HALF_THEN_DIE) && length > 1)                                               \
            length /= 2;                                                                                               \
        ssize_t answer = call;                                                                                         \
        if (verdict == THEN_DIE || verdict == HALF_THEN_DIE)                                                           \
            die();                                                                                                     \
        return answer;                                                                                                 \
    } while (0)

ssize_t write(int fd, const void *from, size_t length)
{
    REAL(ssize_t, "write", int, const void *, size_t);
    MOVE(judge_fd("write", ADDS_BYTES, fd), length, real(fd, from, length));
}

ssize_t pwrite64(int fd, const void *from, size_t length, off64_t offset)
{
    REAL(ssize_t, "pwrite64", int, const void *, size_t, off64_t);
    MOVE(judge_fd("pwrite", ADDS_BYTES, fd), length, real(fd, from, length, offset));
}

ssize_t pwrite(int fd, const void *from, size_t length, off_t offset) { return pwrite64(fd, from, length, offset); }

/* Vectors are halved by their bytes, so that a short answer may end inside any part. */
static int half_vector(const struct iovec *parts, int many, struct iovec *into)
{
    size_t left = 0;
    for (int i = 0; i < many; i++)
        left += parts[i].iov_len;
    left = left > 1 ? left / 2 : left;
    int kept = 0;
    for (; kept < many && left > 0; kept++) {
        into[kept] = parts[kept];
        if (into[kept].iov_len > left)
            into[kept].iov_len = left;
        left -= into[kept].iov_len;
    }
    return kept;
}

#define MOVE_VECTOR(name, fd, parts, many, call)                                                                       \
    do {                                                                                                               \
        enum verdict verdict = judge_fd(name, ADDS_BYTES, fd);                                                         \
        struct iovec halved[many > 0 ? many : 1];                                                                      \
        if (verdict == FAIL)                                                                                           \
            return -1;                                                                                                 \
        if (verdict == HALF || verdict == HALF_THEN_DIE) {                                                             \
            many = half_vector(parts, many, halved);                                                                   \
            parts = halved;                                                                                            \
        }                                                                                                              \
        ssize_t answer = call;                                                                                         \
        if (verdict == THEN_DIE || verdict == HALF_THEN_DIE)                                                           \
            die();                                                                                                     \
        return answer;                                                                                                 \
    } while (0)

ssize_t writev(int fd, const struct iovec *parts, int many)
{
    REAL(ssize_t, "writev", int, const struct iovec *, int);
    MOVE_VECTOR("writev", fd, parts, many, real(fd, parts, many));
}

ssize_t pwritev64(int fd, const struct iovec *parts, int many, off64_t offset)
{
    REAL(ssize_t, "pwritev64", int, const struct iovec *, int, off64_t);
    MOVE_VECTOR("pwritev", fd, parts, many, real(fd, parts, many, offset));
}

ssize_t pwritev(int fd, const struct iovec *parts, int many, off_t offset)
{
    return pwritev64(fd, parts, many, offset);
}

ssize_t pwritev64v2(int fd, const struct iovec *parts, int many, off64_t offset, int flags)
{
    REAL(ssize_t, "pwritev64v2", int, const struct iovec *, int, off64_t, int);
    MOVE_VECTOR("pwritev", fd, parts, many, real(fd, parts, many, offset, flags));
}

ssize_t pwritev2(int fd, const struct iovec *parts, int many, off_t offset, int flags)
{
    return pwritev64v2(fd, parts, many, offset, flags);
}

ssize_t copy_file_range(int in, off64_t *in_at, int out, off64_t *out_at, size_t length, unsigned int flags)
{
    REAL(ssize_t, "copy_file_range", int, off64_t *, int, off64_t *, size_t, unsigned int);
    MOVE(judge_fd("copy_file_range", ADDS_BYTES, out), length, real(in, in_at, out, out_at, length, flags));
}

ssize_t sendfile64(int out, int in, off64_t *in_at, size_t length)
{
    REAL(ssize_t, "sendfile64", int, int, off64_t *, size_t);
    MOVE(judge_fd("sendfile", ADDS_BYTES, out), length, real(out, in, in_at, length));
}

ssize_t sendfile(int out, int in, off_t *in_at, size_t length) { return sendfile64(out, in, in_at, length); }

int fsync(int fd)
{
    REAL(int, "fsync", int);
    ACT(judge_fd("fsync", OTHER, fd), int, real(fd));
}

int fdatasync(int fd)
{
    REAL(int, "fdatasync", int);
    ACT(judge_fd("fdatasync", OTHER, fd), int, real(fd));
}

int syncfs(int fd)
{
    REAL(int, "syncfs", int);
    ACT(judge_fd("syncfs", OTHER, fd), int, real(fd));
}

int sync_file_range(int fd, off64_t offset, off64_t length, unsigned int flags)
{
    REAL(int, "sync_file_range", int, off64_t, off64_t, unsigned int);
    ACT(judge_fd("sync_file_range", OTHER, fd), int, real(fd, offset, length, flags));
}

int ftruncate64(int fd, off64_t length)
{
    REAL(int, "ftruncate64", int, off64_t);
    ACT(judge_fd("ftruncate", OTHER, fd), int, real(fd, length));
}

int ftruncate(int fd, off_t length) { return ftruncate64(fd, length); }

int truncate64(const char *name, off64_t length)
{
    REAL(int, "truncate64", const char *, off64_t);
    ACT(judge_at("truncate", OTHER, AT_FDCWD, name), int, real(name, length));
}

int truncate(const char *name, off_t length) { return truncate64(name, length); }

int fallocate64(int fd, int how, off64_t offset, off64_t length)
{
    REAL(int, "fallocate64", int, int, off64_t, off64_t);
    ACT(judge_fd("fallocate", ADDS_NAME, fd), int, real(fd, how, offset, length));
}

int fallocate(int fd, int how, off_t offset, off_t length) { return fallocate64(fd, how, offset, length); }

/* This one answers with the error itself. */
int posix_fallocate64(int fd, off64_t offset, off64_t length)
{
    REAL(int, "posix_fallocate64", int, off64_t, off64_t);
    enum verdict verdict = judge_fd("fallocate", ADDS_NAME, fd);
    if (verdict == FAIL)
        return errno;
    int answer = real(fd, offset, length);
    if (verdict == THEN_DIE)
        die();
    return answer;
}

int posix_fallocate(int fd, off_t offset, off_t length) { return posix_fallocate64(fd, offset, length); }

int rename(const char *from, const char *to)
{
    REAL(int, "rename", const char *, const char *);
    ACT(judge_two("rename", AT_FDCWD, from, AT_FDCWD, to), int, real(from, to));
}

int renameat(int a, const char *from, int b, const char *to)
{
    REAL(int, "renameat", int, const char *, int, const char *);
    ACT(judge_two("rename", a, from, b, to), int, real(a, from, b, to));
}

int renameat2(int a, const char *from, int b, const char *to, unsigned int flags)
{
    REAL(int, "renameat2", int, const char *, int, const char *, unsigned int);
    ACT(judge_two("rename", a, from, b, to), int, real(a, from, b, to, flags));
}

int link(const char *from, const char *to)
{
    REAL(int, "link", const char *, const char *);
    ACT(judge_two("link", AT_FDCWD, from, AT_FDCWD, to), int, real(from, to));
}

int linkat(int a, const char *from, int b, const char *to, int flags)
{
    REAL(int, "linkat", int, const char *, int, const char *, int);
    ACT(judge_two("link", a, from, b, to), int, real(a, from, b, to, flags));
}

int symlink(const char *to, const char *name)
{
    REAL(int, "symlink", const char *, const char *);
    ACT(judge_at("symlink", ADDS_NAME, AT_FDCWD, name), int, real(to, name));
}

int unlink(const char *name)
{
    REAL(int, "unlink", const char *);
    ACT(judge_at("unlink", OTHER, AT_FDCWD, name), int, real(name));
}

int unlinkat(int folder, const char *name, int flags)
{
    REAL(int, "unlinkat", int, const char *, int);
    ACT(judge_at("unlink", OTHER, folder, name), int, real(folder, name, flags));
}

int rmdir(const char *name)
{
    REAL(int, "rmdir", const char *);
    ACT(judge_at("rmdir", OTHER, AT_FDCWD, name), int, real(name));
}

int mkdir(const char *name, mode_t rights)
{
    REAL(int, "mkdir", const char *, mode_t);
    ACT(judge_at("mkdir", ADDS_NAME, AT_FDCWD, name), int, real(name, rights));
}

int mkdirat(int folder, const char *name, mode_t rights)
{
    REAL(int, "mkdirat", int, const char *, mode_t);
    ACT(judge_at("mkdir", ADDS_NAME, folder, name), int, real(folder, name, rights));
}

/* Opening counts where it can make or empty a file. */
#define CHANGES(flags) ((flags) & (O_CREAT | O_TRUNC) || ((flags) & O_TMPFILE) == O_TMPFILE)

#define RIGHTS(flags)                                                                                                  \
    mode_t rights = 0;                                                                                                 \
    if (CHANGES(flags)) {                                                                                              \
        va_list rest;                                                                                                  \
        va_start(rest, flags);                                                                                         \
        rights = va_arg(rest, mode_t);                                                                                 \
        va_end(rest);                                                                                                  \
    }

static int open_judged(int folder, const char *name, int flags, mode_t rights)
{
    REAL(int, "openat64", int, const char *, int, ...);
    if (!CHANGES(flags))
        return real(folder, name, flags);
    ACT(judge_at("open", ADDS_NAME, folder, name), int, real(folder, name, flags, rights));
}

int open(const char *name, int flags, ...)
{
    RIGHTS(flags);
    return open_judged(AT_FDCWD, name, flags, rights);
}

int open64(const char *name, int flags, ...)
{
    RIGHTS(flags);
    return open_judged(AT_FDCWD, name, flags, rights);
}

int openat(int folder, const char *name, int flags, ...)
{
    RIGHTS(flags);
    return open_judged(folder, name, flags, rights);
}

int openat64(int folder, const char *name, int flags, ...)
{
    RIGHTS(flags);
    return open_judged(folder, name, flags, rights);
}

int creat(const char *name, mode_t rights)
{
    return open_judged(AT_FDCWD, name, O_CREAT | O_WRONLY | O_TRUNC, rights);
}

int creat64(const char *name, mode_t rights) { return creat(name, rights); }
