/* A cheap HTTP/1.1 client: it sends prebuilt requests over kept-alive connections and throws the answers away, so that
 * on a small machine the server, not the client, is what gets measured.
 *
 *   load [-s SECONDS] [-r] ADDRESS PORT CONNECTIONS REQUESTS FILLER
 *
 * REQUESTS is a file of records: u32 head length, u32 tail length, u64 fill length (little endian), head, tail. A
 * request on the wire is its head, the first `fill` bytes of the file FILLER, its tail. Each connection takes the next
 * record whenever it is free. The run ends when the records are used up (with -r they are used over and over) or after
 * SECONDS, whichever comes first; requests under way are waited for.
 *
 * Prints one JSON object: seconds, requests, statuses, closed (connections lost during a request), stalled (requests
 * given up), bytes received in bodies, bytes sent, latencies in microseconds, and the client's own CPU seconds.
 * The beginning of the first answer that is no 2xx goes to standard error. */

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum {
    HEAD_LIMIT = 32 * 1024,       /* of a response */
    MEMORY_LIMIT = 128 * 1024,    /* up to here a request goes out in one writev, beyond by sendfile */
    STALL_SECONDS = 60,
    SUBBUCKETS = 64,              /* of a power of two: latencies are exact to 1.6 % */
    BUCKETS = 64 * SUBBUCKETS,
};

struct record {
    uint64_t fill;
    uint32_t head_length, tail_length;
    const char *head, *tail;
};

enum body { BODY_HEAD, BODY_LENGTH, BODY_CHUNKED };
enum chunk { CHUNK_SIZE, CHUNK_EXTENSION, CHUNK_DATA, CHUNK_DATA_END, CHUNK_TRAILER };

struct connection {
    int fd;
    bool busy, close_after;
    const struct record *record;
    uint64_t sent, started;
    /* the response */
    enum body body;
    enum chunk chunk;
    int status;
    uint64_t remaining; /* of the body, or of the chunk */
    size_t line;        /* length of the current trailer line */
    size_t filled;
    char buffer[HEAD_LIMIT];
};

static struct sockaddr_in address;
static struct record *records;
static uint64_t record_count, next_record, deadline;
static bool repeat;
static int poller, filler_fd;
static const char *filler;

static uint64_t statuses[1000], histogram[BUCKETS];
static uint64_t completed, closed, bytes_received, bytes_sent, slowest, last_completion;
static unsigned in_flight;
static bool told;

static void die(const char *what) {
    perror(what);
    exit(2);
}

static uint64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* Microseconds -> bucket: linear up to SUBBUCKETS, then SUBBUCKETS steps for every power of two. */
static unsigned bucket_of(uint64_t us) {
    if (us < SUBBUCKETS) return (unsigned)us;
    unsigned shift = 63u - (unsigned)__builtin_clzll(us) - 6u;
    return (shift + 1u) * SUBBUCKETS + (unsigned)((us >> shift) - SUBBUCKETS);
}

static uint64_t bucket_value(unsigned bucket) {
    if (bucket < SUBBUCKETS) return bucket;
    unsigned shift = bucket / SUBBUCKETS - 1u;
    return ((uint64_t)(bucket % SUBBUCKETS) + SUBBUCKETS) << shift;
}

static uint64_t percentile(double share) {
    uint64_t wanted = (uint64_t)((double)completed * share), seen = 0;
    for (unsigned i = 0; i < BUCKETS; i++) {
        seen += histogram[i];
        if (seen > wanted) return bucket_value(i);
    }
    return slowest;
}

static void connect_to_server(struct connection *c) {
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (c->fd < 0) die("socket");
    int one = 1;
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (connect(c->fd, (struct sockaddr *)&address, sizeof address) != 0) die("connect");
    if (fcntl(c->fd, F_SETFL, O_NONBLOCK) != 0) die("fcntl");
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = c};
    if (epoll_ctl(poller, EPOLL_CTL_ADD, c->fd, &event) != 0) die("epoll_ctl");
}

static void reconnect(struct connection *c) {
    close(c->fd);
    connect_to_server(c);
}

/* False: there is nothing more to send in this run. */
static bool take_next(struct connection *c) {
    if (next_record == record_count && repeat) next_record = 0;
    if (next_record == record_count || (deadline && now_ns() >= deadline)) return false;
    c->record = &records[next_record++];
    c->sent = 0;
    c->body = BODY_HEAD;
    c->filled = 0;
    c->busy = true;
    c->started = now_ns();
    in_flight++;
    return true;
}

/* Sends what the socket takes. False: the connection broke. */
static bool send_request(struct connection *c) {
    const struct record *r = c->record;
    const uint64_t fill_end = r->head_length + r->fill, total = fill_end + r->tail_length;
    while (c->sent < total) {
        ssize_t n;
        if (total <= MEMORY_LIMIT) {
            struct iovec parts[3] = {
                {(void *)r->head, r->head_length}, {(void *)filler, r->fill}, {(void *)r->tail, r->tail_length}};
            uint64_t skip = c->sent;
            int first = 0;
            while (skip >= parts[first].iov_len) skip -= parts[first++].iov_len;
            parts[first].iov_base = (char *)parts[first].iov_base + skip;
            parts[first].iov_len -= skip;
            n = writev(c->fd, parts + first, 3 - first);
        } else if (c->sent < r->head_length) {
            n = send(c->fd, r->head + c->sent, r->head_length - c->sent, MSG_MORE);
        } else if (c->sent < fill_end) {
            off_t offset = (off_t)(c->sent - r->head_length);
            n = sendfile(c->fd, filler_fd, &offset, fill_end - c->sent);
        } else {
            n = send(c->fd, r->tail + (c->sent - fill_end), total - c->sent, 0);
        }
        if (n < 0) {
            if (errno == EAGAIN) return true;
            if (errno == EINTR) continue;
            return false;
        }
        c->sent += (uint64_t)n;
        bytes_sent += (uint64_t)n;
    }
    return true;
}

static bool request_sent(const struct connection *c) {
    return c->sent == (uint64_t)c->record->head_length + c->record->fill + c->record->tail_length;
}

/* Finds a header in the head, which ends with an empty line and a NUL; NULL if it is not there. */
static const char *header(const char *head, const char *name) {
    const size_t length = strlen(name);
    for (const char *line = strstr(head, "\r\n"); line && line[2] != '\r'; line = strstr(line + 2, "\r\n")) {
        if (strncasecmp(line + 2, name, length) == 0 && line[2 + length] == ':') {
            const char *value = line + 2 + length + 1;
            return value + strspn(value, " \t");
        }
    }
    return NULL;
}

static void tell_failure(const struct connection *c) {
    if (told || (c->status >= 200 && c->status < 300)) return;
    told = true;
    fprintf(stderr, "first failed answer:\n%.*s\n", (int)(c->filled < 2048 ? c->filled : 2048), c->buffer);
}

static void finish(struct connection *c) {
    const uint64_t now = now_ns(), us = (now - c->started) / 1000u;
    histogram[bucket_of(us)]++;
    statuses[c->status]++;
    completed++;
    in_flight--;
    last_completion = now;
    if (us > slowest) slowest = us;
    c->busy = false;
    if (c->close_after || !request_sent(c)) reconnect(c);
}

/* Walks through chunked framing; true when the last chunk and its trailer have passed. */
static bool pass_chunks(struct connection *c, const char *data, size_t length) {
    for (size_t i = 0; i < length;) {
        const char byte = data[i];
        switch (c->chunk) {
        case CHUNK_SIZE:
            if (byte >= '0' && byte <= '9') c->remaining = c->remaining * 16 + (uint64_t)(byte - '0');
            else if ((byte | 32) >= 'a' && (byte | 32) <= 'f') c->remaining = c->remaining * 16 + (uint64_t)((byte | 32) - 'a' + 10);
            else if (byte != '\n') c->chunk = CHUNK_EXTENSION;
            i++;
            break;
        case CHUNK_EXTENSION:
            if (byte == '\n') {
                c->chunk = c->remaining ? CHUNK_DATA : CHUNK_TRAILER;
                c->line = 0;
            }
            i++;
            break;
        case CHUNK_DATA: {
            const size_t step = c->remaining < length - i ? (size_t)c->remaining : length - i;
            bytes_received += step;
            c->remaining -= step;
            i += step;
            if (!c->remaining) c->chunk = CHUNK_DATA_END;
            break;
        }
        case CHUNK_DATA_END:
            if (byte == '\n') c->chunk = CHUNK_SIZE;
            i++;
            break;
        case CHUNK_TRAILER:
            if (byte == '\n') {
                if (!c->line) return true;
                c->line = 0;
            } else if (byte != '\r') {
                c->line++;
            }
            i++;
            break;
        }
    }
    return false;
}

/* Looks for the end of the head in what has come. True: the response is complete already. */
static bool pass_head(struct connection *c) {
    const char *end = memmem(c->buffer, c->filled, "\r\n\r\n", 4);
    if (!end) {
        if (c->filled == HEAD_LIMIT - 1) {
            fprintf(stderr, "a response head exceeds %d bytes\n", HEAD_LIMIT);
            exit(2);
        }
        return false;
    }
    const size_t head_length = (size_t)(end - c->buffer) + 4;
    if (sscanf(c->buffer, "HTTP/1.%*c %3d", &c->status) != 1 || c->status < 200) {
        fprintf(stderr, "not a response that can be measured: %.*s\n", (int)head_length, c->buffer);
        exit(2);
    }
    const size_t rest = c->filled - head_length;
    char *data = c->buffer + head_length;
    tell_failure(c);
    const char first = *data;
    *data = '\0';
    const char *connection = header(c->buffer, "connection"), *length = header(c->buffer, "content-length");
    const char *coding = header(c->buffer, "transfer-encoding");
    c->close_after = connection && strncasecmp(connection, "close", 5) == 0;
    *data = first;
    if (coding) {
        c->body = BODY_CHUNKED;
        c->chunk = CHUNK_SIZE;
        c->remaining = 0;
        return pass_chunks(c, data, rest);
    }
    c->body = BODY_LENGTH;
    c->remaining = length && c->status != 204 && c->status != 304 ? strtoull(length, NULL, 10) : 0;
    bytes_received += rest;
    c->remaining -= rest < c->remaining ? rest : c->remaining;
    return c->remaining == 0;
}

/* Reads until the socket is empty or the response complete. False: the connection broke. */
static bool receive(struct connection *c) {
    for (;;) {
        ssize_t n;
        bool done = false;
        if (c->body == BODY_LENGTH) {
            /* On TCP, MSG_TRUNC drops the bytes in the kernel instead of copying them. */
            n = recv(c->fd, NULL, c->remaining, MSG_TRUNC);
        } else if (c->body == BODY_HEAD) {
            n = recv(c->fd, c->buffer + c->filled, HEAD_LIMIT - 1 - c->filled, 0);
        } else {
            n = recv(c->fd, c->buffer, HEAD_LIMIT - 1, 0);
        }
        if (n == 0) return false;
        if (n < 0) {
            if (errno == EAGAIN) return true;
            if (errno == EINTR) continue;
            return false;
        }
        switch (c->body) {
        case BODY_LENGTH:
            bytes_received += (uint64_t)n;
            c->remaining -= (uint64_t)n;
            done = c->remaining == 0;
            break;
        case BODY_HEAD:
            c->filled += (size_t)n;
            done = pass_head(c);
            break;
        case BODY_CHUNKED:
            done = pass_chunks(c, c->buffer, (size_t)n);
            break;
        }
        if (done) {
            finish(c);
            return true;
        }
    }
}

/* Everything that can be done on a connection now: answer in, next request out. */
static void advance(struct connection *c) {
    bool alive = true;
    if (c->busy && !request_sent(c)) alive = send_request(c);
    /* A server that refuses a request early closes while the body is still going out: its answer is read first. */
    if (c->busy) alive = receive(c) && alive;
    if (c->busy && !alive) {
        closed++;
        in_flight--;
        c->busy = false;
        reconnect(c);
    }
    while (!c->busy && take_next(c)) {
        if (send_request(c)) return;
        closed++;
        in_flight--;
        c->busy = false;
        reconnect(c);
    }
}

static void read_records(const char *path) {
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat status;
    if (fd < 0 || fstat(fd, &status) != 0) die(path);
    const char *at = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
    if (at == MAP_FAILED) die("mmap");
    const char *end = at + status.st_size;
    uint64_t capacity = 0;
    while (at < end) {
        if (record_count == capacity) {
            capacity = capacity ? capacity * 2 : 1024;
            records = realloc(records, capacity * sizeof *records);
            if (!records) die("realloc");
        }
        struct record *r = &records[record_count++];
        memcpy(&r->head_length, at, 4);
        memcpy(&r->tail_length, at + 4, 4);
        memcpy(&r->fill, at + 8, 8);
        r->head = at + 16;
        r->tail = r->head + r->head_length;
        at = r->tail + r->tail_length;
    }
    close(fd);
}

static void open_filler(const char *path) {
    filler_fd = open(path, O_RDONLY | O_CLOEXEC);
    if (filler_fd < 0) die(path);
    filler = mmap(NULL, MEMORY_LIMIT, PROT_READ, MAP_PRIVATE | MAP_POPULATE, filler_fd, 0);
    if (filler == MAP_FAILED) die("mmap");
}

static void print_result(uint64_t started) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    const double cpu = (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                       (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
    printf("{\"seconds\": %.6f, \"requests\": %lu, \"statuses\": {", completed ? (double)(last_completion - started) / 1e9 : 0.0,
           completed);
    const char *separator = "";
    for (int status = 0; status < 1000; status++) {
        if (!statuses[status]) continue;
        printf("%s\"%d\": %lu", separator, status, statuses[status]);
        separator = ", ";
    }
    printf("}, \"closed\": %lu, \"stalled\": %u, \"bytes_received\": %lu, \"bytes_sent\": %lu, "
           "\"p50_us\": %lu, \"p99_us\": %lu, \"max_us\": %lu, \"client_cpu_seconds\": %.6f}\n",
           closed, in_flight, bytes_received, bytes_sent, percentile(0.50), percentile(0.99), slowest, cpu);
}

int main(int argc, char **argv) {
    double seconds = 0;
    for (int option; (option = getopt(argc, argv, "s:r")) != -1;) {
        if (option == 's') seconds = atof(optarg);
        else if (option == 'r') repeat = true;
        else return 2;
    }
    if (argc - optind != 5) {
        fprintf(stderr, "usage: load [-s SECONDS] [-r] ADDRESS PORT CONNECTIONS REQUESTS FILLER\n");
        return 2;
    }
    argv += optind;
    address.sin_family = AF_INET;
    address.sin_port = htons((uint16_t)atoi(argv[1]));
    if (inet_pton(AF_INET, argv[0], &address.sin_addr) != 1) die(argv[0]);
    const int connections = atoi(argv[2]);
    read_records(argv[3]);
    open_filler(argv[4]);
    if (connections < 1 || !record_count || (repeat && !seconds)) {
        fprintf(stderr, "at least one connection and one request; -r needs -s\n");
        return 2;
    }

    signal(SIGPIPE, SIG_IGN); /* writev and sendfile know no MSG_NOSIGNAL */
    poller = epoll_create1(EPOLL_CLOEXEC);
    struct connection *all = calloc((size_t)connections, sizeof *all);
    if (poller < 0 || !all) die("start");
    for (int i = 0; i < connections; i++) connect_to_server(&all[i]);

    const uint64_t started = now_ns();
    if (seconds > 0) deadline = started + (uint64_t)(seconds * 1e9);
    last_completion = started;
    for (int i = 0; i < connections; i++) advance(&all[i]);

    uint64_t progress = bytes_received + bytes_sent, progressed = now_ns();
    struct epoll_event events[256];
    while (in_flight) {
        const int n = epoll_wait(poller, events, 256, 1000);
        if (n < 0 && errno != EINTR) die("epoll_wait");
        for (int i = 0; i < n; i++) advance(events[i].data.ptr);
        if (bytes_received + bytes_sent + closed != progress) {
            progress = bytes_received + bytes_sent + closed;
            progressed = now_ns();
        } else if (n <= 0 && now_ns() - progressed > STALL_SECONDS * 1000000000ull) {
            break;
        }
    }
    print_result(started);
    return 0;
}
