/* A Stratum server that checks nothing: one epoll loop, one answer for each line.
 *
 *     floor DIFFICULTY [BRANCHES]
 *
 * What it costs is the kernel's part and the least that any server does: the floor that
 * servers are compared with. It is also the pool in front of which a proxy is measured. It
 * prints its port, then takes commands on standard input, each answered with one line:
 *
 *     job BRANCHES      shows a new block to all; prints when it began and how many there are
 *     shares            prints how many shares came
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum { PEERS = 20000, READ = 1 << 18, LISTENER = PEERS, COMMANDS };

typedef struct {
    char *rest; /* the beginning of a line that has not ended */
    size_t rest_size;
    int fd, authorised;
} peer;

static struct {
    peer peers[PEERS];
    uint32_t count;
    int poll, listener;
    char notify[16384];
    size_t notify_size;
    const char *difficulty;
    uint32_t block;
    unsigned long long shares;
} all;

static void die(const char *what)
{
    fprintf(stderr, "floor: %s: %s\n", what, strerror(errno));
    exit(1);
}

/* Makes a job on a new block: a coinbase of 195 bytes with two outputs, and as many merkle
 * branches as wanted. */
static void make_job(unsigned branches)
{
    char *at = all.notify;
    uint64_t seed = 88172645463325252u + all.block;
    at += sprintf(at, "{\"id\":null,\"method\":\"mining.notify\",\"params\":[\"%x\",\"", ++all.block);
    for (int i = 0; i < 8; i++) {
        at += sprintf(at, "%08x", i < 7 ? 0x9e3779b9u * (all.block + (unsigned)i) : 0u);
    }
    /* height, 12 bytes of extranonce in between, 50 bytes of tag */
    at += sprintf(at, "\",\"0100000001%064dffffffff4203%06x\",\"", 0, all.block & 0xffffffu);
    for (int i = 0; i < 50; i++) {
        at += sprintf(at, "2f");
    }
    at += sprintf(at, "ffffffff0200f2052a01000000160014%040d", 7);
    at += sprintf(at, "0000000000000000266a24aa21a9ed%064d00000000\",[", 8);
    for (unsigned i = 0; i < branches; i++) {
        at += sprintf(at, "%s\"", i ? "," : "");
        for (int word = 0; word < 4; word++) {
            seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
            at += sprintf(at, "%016llx", (unsigned long long)seed);
        }
        at += sprintf(at, "\"");
    }
    at += sprintf(at, "],\"20000000\",\"1d00ffff\",\"%08x\",true]}\n", (unsigned)time(NULL));
    all.notify_size = (size_t)(at - all.notify);
}

static void drop(peer *p)
{
    if (p->fd < 0) {
        return;
    }
    close(p->fd);
    free(p->rest);
    memset(p, 0, sizeof *p);
    p->fd = -1;
}

static void say(peer *p, const char *data, size_t size)
{
    if (p->fd >= 0 && write(p->fd, data, size) != (ssize_t)size) {
        drop(p);
    }
}

static int has(const char *line, size_t size, const char *what)
{
    return memmem(line, size, what, strlen(what)) != NULL;
}

/* Writes the answer to a line; returns its size. */
static size_t answer(peer *p, const char *line, size_t size, char *out)
{
    const char *id = memmem(line, size, "\"id\":", 5);
    int digits = id ? (int)strspn(id += 5, " 0123456789") : 0;
    size_t made;
    if (has(line, size, "\"mining.submit\"")) {
        all.shares++;
        return (size_t)sprintf(out, "{\"id\":%.*s,\"result\":true,\"error\":null}\n", digits, id);
    }
    if (has(line, size, "\"mining.subscribe\"")) {
        return (size_t)sprintf(out, "{\"id\":%.*s,\"result\":[[[\"mining.notify\",\"%08x\"]],\"%08x\","
                                    "8],\"error\":null}\n", digits, id,
                               (unsigned)(p - all.peers), (unsigned)(p - all.peers));
    }
    if (has(line, size, "\"mining.configure\"")) {
        return (size_t)sprintf(out, "{\"id\":%.*s,\"result\":{\"version-rolling\":true,"
                                    "\"version-rolling.mask\":\"1fffe000\"},\"error\":null}\n",
                               digits, id);
    }
    made = (size_t)sprintf(out, "{\"id\":%.*s,\"result\":true,\"error\":null}\n", digits, id);
    if (has(line, size, "\"mining.authorize\"")) {
        p->authorised = 1;
        made += (size_t)sprintf(out + made, "{\"id\":null,\"method\":\"mining.set_difficulty\","
                                            "\"params\":[%s]}\n", all.difficulty);
        memcpy(out + made, all.notify, all.notify_size);
        made += all.notify_size;
    }
    return made;
}

static void take(peer *p)
{
    static char data[READ], out[READ * 2];
    size_t made = 0;
    char *at = data, *end;
    ssize_t got;
    memcpy(data, p->rest, p->rest_size);
    got = read(p->fd, data + p->rest_size, sizeof data - p->rest_size);
    if (got <= 0) {
        drop(p);
        return;
    }
    got += (ssize_t)p->rest_size;
    while ((end = memchr(at, '\n', (size_t)(data + got - at)))) {
        made += answer(p, at, (size_t)(end - at), out + made);
        at = end + 1;
    }
    p->rest_size = (size_t)(data + got - at);
    free(p->rest);
    p->rest = NULL;
    if (p->rest_size) {
        p->rest = malloc(p->rest_size);
        if (!p->rest) {
            die("malloc");
        }
        memcpy(p->rest, at, p->rest_size);
    }
    if (made) {
        say(p, out, made);
    }
}

static void welcome(void)
{
    int fd, yes = 1;
    while ((fd = accept4(all.listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
        struct epoll_event event = {.events = EPOLLIN, .data.u32 = all.count};
        if (all.count == PEERS) {
            close(fd);
            return;
        }
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
        all.peers[all.count].fd = fd;
        epoll_ctl(all.poll, EPOLL_CTL_ADD, fd, &event);
        all.count++;
    }
}

static int obey(void)
{
    char line[256];
    unsigned branches;
    if (!fgets(line, sizeof line, stdin)) {
        return 0;
    }
    if (sscanf(line, "job %u", &branches) == 1 && branches <= 32) {
        struct timespec t;
        uint32_t told = 0;
        clock_gettime(CLOCK_MONOTONIC, &t);
        make_job(branches);
        for (uint32_t i = 0; i < all.count; i++) {
            if (all.peers[i].fd >= 0 && all.peers[i].authorised) {
                say(&all.peers[i], all.notify, all.notify_size);
                told++;
            }
        }
        printf("{\"ns\":%lld,\"peers\":%u}\n",
               (long long)t.tv_sec * 1000000000 + (long long)t.tv_nsec, told);
    } else {
        printf("{\"shares\":%llu}\n", all.shares);
    }
    fflush(stdout);
    return 1;
}

static void serve(void)
{
    struct epoll_event events[512];
    for (;;) {
        int count = epoll_wait(all.poll, events, 512, -1);
        for (int i = 0; i < count; i++) {
            uint32_t number = events[i].data.u32;
            if (number == COMMANDS) {
                if (!obey()) {
                    return;
                }
            } else if (number == LISTENER) {
                welcome();
            } else if (all.peers[number].fd >= 0) {
                take(&all.peers[number]);
            }
        }
    }
}

int main(int argc, char **argv)
{
    struct sockaddr_in own = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof own;
    struct epoll_event incoming = {.events = EPOLLIN, .data.u32 = LISTENER};
    struct epoll_event commands = {.events = EPOLLIN, .data.u32 = COMMANDS};
    struct rlimit files;
    if (argc < 2) {
        fprintf(stderr, "usage: floor DIFFICULTY [BRANCHES]\n");
        return 2;
    }
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    setvbuf(stdin, NULL, _IONBF, 0);
    all.difficulty = argv[1];
    make_job(argc > 2 ? (unsigned)atoi(argv[2]) : 0);
    all.listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    all.poll = epoll_create1(0);
    if (all.listener < 0 || bind(all.listener, (struct sockaddr *)&own, sizeof own)
        || listen(all.listener, 4096) || getsockname(all.listener, (struct sockaddr *)&own, &size)
        || epoll_ctl(all.poll, EPOLL_CTL_ADD, all.listener, &incoming)
        || epoll_ctl(all.poll, EPOLL_CTL_ADD, STDIN_FILENO, &commands)) {
        die("listen");
    }
    printf("%d\n", ntohs(own.sin_port));
    fflush(stdout);
    serve();
    return 0;
}
