/* A fleet of simulated rigs in one thread: the load of `python -m bench proxy`.
 *
 *     rigs HOST PORT [rolling]
 *
 * Told what to do by lines on standard input, it answers each with a line of JSON:
 *
 *     connect N RATE        N rigs connect, RATE a second; done when all have a job
 *     rate R SECONDS        R shares a second, spread evenly over the rigs
 *     closed K SECONDS      each rig keeps K shares unanswered
 *                           (both then wait until all are answered)
 *     watch SECONDS         until one new job has reached all rigs
 *
 * Rigs subscribe and authorise like firmware does, each step after the answer to the one
 * before; with `rolling` they ask for version rolling first and send version bits. Each has an
 * address of its own in 127.0.0.0/8. They hash nothing: the server gives them a target that
 * every hash meets, and cannot know that without hashing. No share is ever sent twice.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

enum { RING = 64, JOBS = 4096, READ = 1 << 18, WATCHED_FROM = 2 };
enum step { CONNECTING, CONFIGURING, SUBSCRIBING, AUTHORISING, MINING, LOST };
enum phase { IDLE, CONNECT, RATE, CLOSED, WATCH, DRAIN };

typedef struct {
    int fd;
    enum step step;
    int has_job, size2; /* bytes of extranonce2 */
    uint32_t sent_count, answered;
    uint64_t nonces;       /* shares made so far: no two are the same */
    uint64_t sent[RING];   /* when the unanswered ones left */
    char job[24], ntime[9];
    char *rest; /* the beginning of a line that has not ended */
    size_t rest_size;
} rig;

typedef struct {
    uint64_t sent, answered;
} sample;

typedef struct {
    char id[24];
    uint64_t first, last;
    uint32_t rigs;
} job;

static struct {
    struct sockaddr_in server;
    int poll, timer, rolling;
    rig *rigs;
    uint32_t count, made, ready, lost, mining;
    enum phase phase;
    uint64_t began, ends, pace, due; /* of the phase; pace and due in shares or rigs */
    uint32_t depth, turn;
    uint64_t offered, accepted, refused, held;
    sample *samples;
    size_t sample_count, sample_room;
    job jobs[JOBS];
    uint32_t job_count, jobs_before;
    char notify[65536]; /* the line read last, and what it means */
    size_t notify_size;
    char job_id[24], ntime[9], refusal[160];
} all;

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void die(const char *what)
{
    fprintf(stderr, "rigs: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void drop(rig *r)
{
    if (r->step == LOST) {
        return;
    }
    if (r->step == MINING && r->has_job) {
        all.ready--;
    }
    r->step = LOST;
    close(r->fd);
    free(r->rest);
    r->rest = NULL;
    r->rest_size = 0;
    all.lost++;
}

static void say(rig *r, const char *data, size_t size)
{
    if (write(r->fd, data, size) != (ssize_t)size) {
        drop(r);
    }
}

static void arm(uint64_t at)
{
    struct itimerspec t = {{0, 0}, {(time_t)(at / 1000000000u), (long)(at % 1000000000u)}};
    if (timerfd_settime(all.timer, TFD_TIMER_ABSTIME, &t, NULL)) {
        die("timerfd_settime");
    }
}

/* connections */

static void dial(uint32_t number)
{
    rig *r = &all.rigs[number];
    struct sockaddr_in own = {.sin_family = AF_INET};
    struct epoll_event event = {.events = EPOLLOUT, .data.u32 = number};
    int yes = 1;
    memset(r, 0, sizeof *r);
    r->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (r->fd < 0) {
        die("socket");
    }
    own.sin_addr.s_addr = htonl(0x7f010001u + (number / 250) * 256 + number % 250);
    setsockopt(r->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &yes, sizeof yes);
    setsockopt(r->fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    if (bind(r->fd, (struct sockaddr *)&own, sizeof own)) {
        die("bind");
    }
    if (connect(r->fd, (struct sockaddr *)&all.server, sizeof all.server) && errno != EINPROGRESS) {
        drop(r);
        return;
    }
    if (epoll_ctl(all.poll, EPOLL_CTL_ADD, r->fd, &event)) {
        die("epoll_ctl");
    }
}

static void subscribe(rig *r)
{
    static const char line[] =
        "{\"id\":1,\"method\":\"mining.subscribe\",\"params\":[\"bench/1.0\"]}\n";
    r->step = SUBSCRIBING;
    say(r, line, sizeof line - 1);
}

static void greet(rig *r, uint32_t number)
{
    static const char line[] =
        "{\"id\":0,\"method\":\"mining.configure\",\"params\":[[\"version-rolling\"],"
        "{\"version-rolling.mask\":\"1fffe000\",\"version-rolling.min-bit-count\":16}]}\n";
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = number};
    int error = 0;
    socklen_t size = sizeof error;
    getsockopt(r->fd, SOL_SOCKET, SO_ERROR, &error, &size);
    if (error || epoll_ctl(all.poll, EPOLL_CTL_MOD, r->fd, &event)) {
        drop(r);
        return;
    }
    if (!all.rolling) {
        subscribe(r);
        return;
    }
    r->step = CONFIGURING;
    say(r, line, sizeof line - 1);
}

/* shares */

static size_t write_share(rig *r, uint32_t number, char *out)
{
    uint64_t nonce = ++r->nonces;
    int size = sprintf(out, "{\"id\":%u,\"method\":\"mining.submit\",\"params\":[\"farm.rig%u\",\"%s\","
                            "\"%0*llx\",\"%s\",\"%08x\"",
                       10 + r->sent_count % 1000000, number, r->job, 2 * r->size2,
                       (unsigned long long)(nonce >> 8 & (r->size2 < 8 ? (1ull << 8 * r->size2) - 1
                                                                      : ~0ull)),
                       r->ntime, (unsigned)(nonce * 2654435761u));
    if (all.rolling) {
        size += sprintf(out + size, ",\"%08x\"", (unsigned)(nonce & 0xffff) << 13);
    }
    size += sprintf(out + size, "]}\n");
    r->sent[r->sent_count++ % RING] = now_ns();
    all.offered++;
    return (size_t)size;
}

/* Each share leaves in a packet of its own, as a rig's do: it finds them one by one. */
static void submit(rig *r, uint32_t number, uint32_t shares)
{
    char out[256];
    while (shares-- > 0 && r->step == MINING && r->sent_count - r->answered < RING) {
        say(r, out, write_share(r, number, out));
    }
}

static void note(uint64_t sent, uint64_t answered)
{
    if (all.sample_count == all.sample_room) {
        all.sample_room = all.sample_room ? 2 * all.sample_room : 1 << 16;
        all.samples = realloc(all.samples, all.sample_room * sizeof *all.samples);
        if (!all.samples) {
            die("realloc");
        }
    }
    all.samples[all.sample_count++] = (sample){sent, answered};
}

/* lines */

/* Copies the string that starts after a quote; returns what follows its closing quote. */
static const char *copy_text(char *to, size_t room, const char *from)
{
    size_t size = strcspn(from, "\"");
    snprintf(to, room, "%.*s", (int)size, from);
    return from + size;
}

/* Takes a job's id and time out of a notify: the first string, and the last one. */
static void read_notify(const char *line, size_t size)
{
    char text[65536];
    const char *at;
    if (size == all.notify_size && !memcmp(line, all.notify, size)) {
        return;
    }
    if (size >= sizeof text) {
        die("a job is too long");
    }
    memcpy(text, line, size);
    text[size] = 0;
    memcpy(all.notify, line, size);
    all.notify_size = size;
    at = strstr(text, "\"params\"");
    at = at ? strchr(at, '[') : NULL;
    at = at ? strchr(at, '"') : NULL;
    if (!at) {
        die("a job without parameters");
    }
    copy_text(all.job_id, sizeof all.job_id, at + 1);
    at = strrchr(at, ']') - 1;
    while (*at != '"') {
        at--;
    }
    copy_text(all.ntime, sizeof all.ntime, at - 8);
}

static void take_job(rig *r, const char *line, size_t size, uint64_t now)
{
    job *j;
    read_notify(line, size);
    memcpy(r->job, all.job_id, sizeof r->job);
    memcpy(r->ntime, all.ntime, sizeof r->ntime);
    if (!r->has_job) {
        r->has_job = 1;
        all.ready += r->step == MINING;
    }
    j = &all.jobs[(all.job_count - 1) % JOBS];
    if (all.job_count == 0 || strcmp(j->id, all.job_id)) {
        j = &all.jobs[all.job_count++ % JOBS];
        memset(j, 0, sizeof *j);
        memcpy(j->id, all.job_id, sizeof j->id);
        j->first = now;
    }
    j->last = now;
    j->rigs++;
}

static int contains(const char *line, size_t size, const char *what)
{
    return memmem(line, size, what, strlen(what)) != NULL;
}

static void take_share_answer(rig *r, const char *line, size_t size, uint64_t now)
{
    if (r->answered == r->sent_count) {
        return;
    }
    note(r->sent[r->answered++ % RING], now);
    if (contains(line, size, "\"result\":true") || contains(line, size, "\"result\": true")) {
        all.accepted++;
        return;
    }
    if (!all.refused++) {
        snprintf(all.refusal, sizeof all.refusal, "%.*s", (int)(size > 120 ? 120 : size), line);
        for (char *c = all.refusal; *c; c++) {
            *c = *c == '"' || *c == '\\' || *c < ' ' ? '\'' : *c;
        }
    }
}

static void take_line(rig *r, uint32_t number, const char *line, size_t size)
{
    char out[160];
    uint64_t now = now_ns();
    if (size > 60 && contains(line, size, "mining.notify\"") && contains(line, size, "\"method\"")) {
        take_job(r, line, size, now);
        return;
    }
    if (contains(line, size < 40 ? size : 40, "\"method\"") || contains(line, size, "mining.set_")) {
        if (!contains(line, size, "\"result\"")) {
            return;
        }
    }
    switch (r->step) {
    case CONFIGURING:
        subscribe(r);
        break;
    case SUBSCRIBING: {
        const char *end = memmem(line, size, "],\"error\"", 9);
        r->size2 = end ? end[-1] - '0' : 4;
        r->step = AUTHORISING;
        say(r, out, (size_t)sprintf(out, "{\"id\":2,\"method\":\"mining.authorize\",\"params\":"
                                         "[\"farm.rig%u\",\"x\"]}\n", number));
        break;
    }
    case AUTHORISING:
        r->step = MINING;
        all.ready += (uint32_t)r->has_job;
        break;
    case MINING:
        take_share_answer(r, line, size, now);
        break;
    default:
        break;
    }
}

static void take(rig *r, uint32_t number)
{
    static char data[READ];
    uint32_t before = r->answered;
    ssize_t got;
    char *at = data, *end;
    memcpy(data, r->rest, r->rest_size);
    got = read(r->fd, data + r->rest_size, sizeof data - r->rest_size);
    if (got <= 0) {
        if (got == 0 || errno != EAGAIN) {
            drop(r);
        }
        return;
    }
    got += (ssize_t)r->rest_size;
    while (r->step != LOST && (end = memchr(at, '\n', (size_t)(data + got - at)))) {
        take_line(r, number, at, (size_t)(end - at));
        at = end + 1;
    }
    if (r->step == LOST) {
        return;
    }
    r->rest_size = (size_t)(data + got - at);
    free(r->rest);
    r->rest = NULL;
    if (r->rest_size && !(r->rest = malloc(r->rest_size))) {
        die("malloc");
    }
    memcpy(r->rest, at, r->rest_size);
    if (all.phase == CLOSED && r->answered != before) {
        submit(r, number, r->answered - before);
    }
}

/* reports */

static int by_latency(const void *a, const void *b)
{
    const sample *x = a, *y = b;
    uint64_t p = x->answered - x->sent, q = y->answered - y->sent;
    return (p > q) - (p < q);
}

static double percentile(const sample *samples, size_t count, double share)
{
    const sample *s;
    if (!count) {
        return 0;
    }
    s = &samples[(size_t)((double)(count - 1) * share)];
    return (double)(s->answered - s->sent) / 1e6;
}

static void print_latency(const char *name, sample *samples, size_t count)
{
    qsort(samples, count, sizeof *samples, by_latency);
    printf("\"%s\":{\"count\":%zu,\"p50\":%.4f,\"p99\":%.4f,\"p999\":%.4f,\"max\":%.4f},", name,
           count, percentile(samples, count, 0.5), percentile(samples, count, 0.99),
           percentile(samples, count, 0.999), percentile(samples, count, 1));
}

/* Shares that were under way while a job was being shown to all rigs. */
static size_t those_during_jobs(sample *to)
{
    size_t count = 0;
    for (size_t i = 0; i < all.sample_count; i++) {
        for (uint32_t n = all.jobs_before; n < all.job_count; n++) {
            const job *j = &all.jobs[n % JOBS];
            const sample *s = &all.samples[i];
            if (j->rigs >= WATCHED_FROM && s->answered >= j->first && s->sent <= j->last) {
                to[count++] = *s;
                break;
            }
        }
    }
    return count;
}

static void report(void)
{
    double seconds = (double)(now_ns() - all.began) / 1e9;
    sample *during = malloc((all.sample_count + 1) * sizeof *during);
    if (!during) {
        die("malloc");
    }
    printf("{\"seconds\":%.4f,\"rigs\":%u,\"lost\":%u,\"ready\":%u,\"offered\":%llu,"
           "\"accepted\":%llu,\"refused\":%llu,\"held\":%llu,\"refusal\":\"%s\",",
           seconds, all.made, all.lost, all.ready, (unsigned long long)all.offered,
           (unsigned long long)all.accepted, (unsigned long long)all.refused,
           (unsigned long long)all.held, all.refusal);
    print_latency("during_jobs", during, those_during_jobs(during));
    print_latency("latency_ms", all.samples, all.sample_count);
    printf("\"jobs\":[");
    for (uint32_t n = all.jobs_before, first = 1; n < all.job_count; n++) {
        const job *j = &all.jobs[n % JOBS];
        if (j->rigs >= WATCHED_FROM) {
            printf("%s{\"first_ns\":%llu,\"last_ns\":%llu,\"rigs\":%u}", first ? "" : ",",
                   (unsigned long long)j->first, (unsigned long long)j->last, j->rigs);
            first = 0;
        }
    }
    printf("]}\n");
    fflush(stdout);
    free(during);
}

/* phases */

static void begin(enum phase phase)
{
    all.phase = phase;
    all.began = now_ns();
    all.offered = all.accepted = all.refused = all.held = 0;
    all.sample_count = 0;
    all.jobs_before = all.job_count;
    all.refusal[0] = 0;
    all.due = 0;
    arm(all.began + 1);
}

static void command(const char *line)
{
    unsigned count, pace;
    double seconds;
    if (sscanf(line, "connect %u %u", &count, &pace) == 2 && !all.rigs) {
        all.rigs = calloc(count, sizeof *all.rigs);
        all.count = count;
        all.pace = pace;
        all.ends = now_ns() + 30000000000u;
        begin(CONNECT);
    } else if (sscanf(line, "rate %u %lf", &count, &seconds) == 2) {
        all.pace = count;
        all.ends = now_ns() + (uint64_t)(seconds * 1e9);
        begin(RATE);
    } else if (sscanf(line, "closed %u %lf", &count, &seconds) == 2) {
        all.depth = count < RING ? count : RING;
        all.ends = now_ns() + (uint64_t)(seconds * 1e9);
        begin(CLOSED);
        for (uint32_t i = 0; i < all.made; i++) {
            if (all.rigs[i].step == MINING) {
                submit(&all.rigs[i], i, all.depth);
            }
        }
    } else if (sscanf(line, "watch %lf", &seconds) == 1) {
        all.ends = now_ns() + (uint64_t)(seconds * 1e9);
        begin(WATCH);
    } else {
        errno = EINVAL;
        die(line);
    }
}

static void finish(void)
{
    enum phase phase = all.phase;
    all.phase = IDLE;
    if (phase != IDLE) {
        report();
    }
}

static void send_due(uint64_t now)
{
    uint64_t due = (now - all.began) * all.pace / 1000000000u;
    while (all.phase == CONNECT && all.made < all.count && all.due <= due) {
        dial(all.made++);
        all.due++;
    }
    while (all.phase == RATE && all.due <= due && all.ready) {
        rig *r = &all.rigs[all.turn];
        if (r->step == MINING && r->has_job) {
            all.due++;
            if (r->sent_count - r->answered < RING) {
                submit(r, all.turn, 1);
            } else {
                all.held++;
            }
        }
        all.turn = (all.turn + 1) % all.made;
    }
    arm(all.began + (all.due * 1000000000u + all.pace - 1) / all.pace);
}

/* Whether a share still waits for its answer. */
static int unanswered(void)
{
    for (uint32_t i = 0; i < all.made; i++) {
        if (all.rigs[i].step == MINING && all.rigs[i].answered != all.rigs[i].sent_count) {
            return 1;
        }
    }
    return 0;
}

static int over(uint64_t now)
{
    if (now >= all.ends) {
        all.phase = all.phase == RATE || all.phase == CLOSED ? DRAIN : all.phase;
        return all.phase != DRAIN || now >= all.ends + 5000000000u || !unanswered();
    }
    if (all.phase == CONNECT) {
        return all.made == all.count && all.ready + all.lost >= all.made;
    }
    if (all.phase == WATCH && all.job_count > all.jobs_before) {
        return all.jobs[(all.job_count - 1) % JOBS].rigs >= all.ready;
    }
    return 0;
}

static int read_commands(void)
{
    static char text[512];
    static size_t size;
    char *end;
    ssize_t got = read(0, text + size, sizeof text - 1 - size);
    if (got <= 0) {
        return 0;
    }
    size += (size_t)got;
    text[size] = 0;
    while ((end = strchr(text, '\n'))) {
        *end = 0;
        command(text);
        size -= (size_t)(end + 1 - text);
        memmove(text, end + 1, size + 1);
    }
    return 1;
}

static void serve(void)
{
    struct epoll_event events[512];
    for (;;) {
        uint64_t now;
        int count = epoll_wait(all.poll, events, 512, all.phase == IDLE ? -1 : 20);
        for (int i = 0; i < count; i++) {
            uint32_t number = events[i].data.u32;
            if (number == UINT32_MAX) {
                if (!read_commands()) {
                    return;
                }
            } else if (number == UINT32_MAX - 1) {
                uint64_t times;
                if (read(all.timer, &times, sizeof times) < 0 && errno != EAGAIN) {
                    die("timer");
                }
            } else if (all.rigs[number].step == CONNECTING) {
                greet(&all.rigs[number], number);
            } else if (all.rigs[number].step != LOST) {
                take(&all.rigs[number], number);
            }
        }
        now = now_ns();
        if (all.phase == CONNECT || all.phase == RATE) {
            send_due(now);
        }
        if (all.phase != IDLE && over(now)) {
            finish();
        }
    }
}

int main(int argc, char **argv)
{
    struct epoll_event in = {.events = EPOLLIN, .data.u32 = UINT32_MAX};
    struct epoll_event tick = {.events = EPOLLIN, .data.u32 = UINT32_MAX - 1};
    if (argc < 3) {
        fprintf(stderr, "usage: rigs HOST PORT [rolling]\n");
        return 2;
    }
    all.rolling = argc > 3;
    all.server.sin_family = AF_INET;
    all.server.sin_port = htons((uint16_t)atoi(argv[2]));
    inet_pton(AF_INET, argv[1], &all.server.sin_addr);
    all.poll = epoll_create1(0);
    all.timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
    if (all.poll < 0 || all.timer < 0 || epoll_ctl(all.poll, EPOLL_CTL_ADD, 0, &in)
        || epoll_ctl(all.poll, EPOLL_CTL_ADD, all.timer, &tick)) {
        die("epoll");
    }
    serve();
    return 0;
}
