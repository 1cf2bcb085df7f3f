/* Both ends of a transfer benchmark in one small program, so that only the client between them is measured.
 *
 *   ends source PORT FILE [CERT KEY]   serves FILE at any path: HTTP/1.1, keep-alive, Range, ETag; below /whole/ without Range
 *        RATE=bytes/s per connection   RTT=milliseconds, answers paced as TCP slow start up to WINDOW=bytes
 *   ends sink PORT [CERT KEY]          answers as S3 does and throws bodies away unread (recv MSG_TRUNC); it knows
 *        the names that were written, for If-None-Match, and repeats the checksums it is given
 *        DELAY=milliseconds added to every answer
 *
 *   gcc -O2 -pthread -o ends ends.c -lssl -lcrypto        One thread per connection, 127.0.0.1 only.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static SSL_CTX *tls;
static int file = -1;
static long file_size, rate, window_max = 1 << 20;
static char *file_map;
static double rtt, delay;
static atomic_long serial;

typedef struct {
  int fd;
  SSL *ssl;
  char buf[1 << 16];
  int len;
  long window; /* bytes a round trip may carry now */
  double idle_since;
} Conn;

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec + t.tv_nsec / 1e9;
}

static void rest(double seconds) {
  if (seconds > 0) usleep(seconds * 1e6);
}

static long receive(Conn *c, void *to, long n) {
  return c->ssl ? SSL_read(c->ssl, to, n) : recv(c->fd, to, n, 0);
}

static int send_all(Conn *c, const char *from, long n) {
  while (n > 0) {
    long k = c->ssl ? SSL_write(c->ssl, from, n > 1 << 20 ? 1 << 20 : n) : send(c->fd, from, n, MSG_NOSIGNAL);
    if (k <= 0) return -1;
    from += k, n -= k;
  }
  return 0;
}

static int send_piece(Conn *c, long at, long n) {
  if (c->ssl) return send_all(c, file_map + at, n);
  off_t place = at;
  while (n > 0) {
    long k = sendfile(c->fd, file, &place, n);
    if (k <= 0) return -1;
    n -= k;
  }
  return 0;
}

/* Headers of the next request into head; 0 at the end of the connection. Body bytes stay in c->buf. */
static int next_request(Conn *c, char *head, int room) {
  char *end;
  while (!(end = memmem(c->buf, c->len, "\r\n\r\n", 4))) {
    long k = c->len < (int)sizeof c->buf ? receive(c, c->buf + c->len, sizeof c->buf - c->len) : 0;
    if (k <= 0) return 0;
    c->len += k;
  }
  int n = end + 4 - c->buf;
  if (n >= room) return 0;
  memcpy(head, c->buf, n);
  head[n] = 0;
  memmove(c->buf, c->buf + n, c->len -= n);
  return n;
}

static char *header(char *head, const char *name) {
  char pattern[64];
  snprintf(pattern, sizeof pattern, "\r\n%s:", name);
  char *p = strcasestr(head, pattern);
  if (!p) return NULL;
  for (p += strlen(pattern); *p == ' '; p++)
    ;
  return p;
}

static int send_body(Conn *c, long at, long n) {
  if (rtt > 0) {
    double slot = now();
    if (!c->window || slot - c->idle_since > 0.3) c->window = 14600; /* as after a retransmission timeout */
    while (n > 0) {
      long k = n < c->window ? n : c->window;
      if (send_piece(c, at, k)) return -1;
      at += k, n -= k;
      if (k == c->window) c->window = c->window * 2 > window_max ? window_max : c->window * 2;
      if (n > 0) rest((slot += rtt) - now());
    }
    c->idle_since = now();
    return 0;
  }
  double start = now();
  for (long sent = 0; sent < n;) {
    long k = n - sent > 65536 && rate ? 65536 : rate ? n - sent : n;
    if (send_piece(c, at + sent, k)) return -1;
    sent += k;
    if (rate) rest(start + sent / (double)rate - now());
  }
  return 0;
}

static int serve_source(Conn *c, char *head) {
  char answer[512], *range = header(head, "Range");
  long first = 0, last = file_size - 1;
  rest(rtt);
  if (strstr(head, " /whole/")) range = NULL;
  if (range && !strncmp(range, "bytes=-", 7)) first = file_size - atol(range + 7);
  else if (range && sscanf(range, "bytes=%ld-%ld", &first, &last) < 1) range = NULL;
  if (last >= file_size) last = file_size - 1;
  if (first < 0) first = 0;
  int n = snprintf(answer, sizeof answer, "HTTP/1.1 %s\r\nContent-Type: application/zip\r\nETag: \"%lx\"\r\nContent-Length: %ld\r\n",
                   range ? "206 Partial Content" : "200 OK", file_size, last - first + 1);
  if (range) n += snprintf(answer + n, sizeof answer - n, "Content-Range: bytes %ld-%ld/%ld\r\n", first, last, file_size);
  n += snprintf(answer + n, sizeof answer - n, "\r\n");
  if (send_all(c, answer, n)) return -1;
  return strncmp(head, "HEAD", 4) ? send_body(c, first, last - first + 1) : 0;
}

static int discard(Conn *c, long n) {
  static __thread char junk[1 << 18];
  long had = c->len < n ? c->len : n;
  memmove(c->buf, c->buf + had, c->len -= had);
  for (n -= had; n > 0;) {
    long k = c->ssl ? SSL_read(c->ssl, junk, n < (long)sizeof junk ? n : (long)sizeof junk)
                    : recv(c->fd, NULL, n < 1 << 20 ? n : 1 << 20, MSG_TRUNC);
    if (k <= 0) return -1;
    n -= k;
  }
  return 0;
}

static int discard_chunks(Conn *c) {
  for (;;) {
    char *end;
    while (!(end = memmem(c->buf, c->len, "\r\n", 2))) {
      long k = receive(c, c->buf + c->len, sizeof c->buf - 1 - c->len);
      if (k <= 0) return -1;
      c->len += k;
    }
    long n = strtol(c->buf, NULL, 16), line = end + 2 - c->buf;
    memmove(c->buf, c->buf + line, c->len -= line);
    if (n) {
      if (discard(c, n + 2)) return -1;
      continue;
    }
    while (c->len < 2 || memcmp(c->buf, "\r\n", 2)) { /* trailers, then an empty line */
      while (!(end = memmem(c->buf, c->len, "\r\n", 2))) {
        long k = receive(c, c->buf + c->len, sizeof c->buf - 1 - c->len);
        if (k <= 0) return -1;
        c->len += k;
      }
      line = end + 2 - c->buf;
      memmove(c->buf, c->buf + line, c->len -= line);
    }
    memmove(c->buf, c->buf + 2, c->len -= 2);
    return 0;
  }
}

static pthread_mutex_t names_lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned long names[1 << 20]; /* digests of the paths that were written, open addressing */

/* Whether *path*, as far as its query, was written before; from now on it is. */
static int written_before(const char *path) {
  unsigned long digest = 14695981039346656037ul;
  for (; *path && *path != ' ' && *path != '?'; path++) digest = (digest ^ (unsigned char)*path) * 1099511628211ul;
  if (!digest) digest = 1;
  pthread_mutex_lock(&names_lock);
  unsigned long at = digest % (sizeof names / sizeof *names);
  while (names[at] && names[at] != digest) at = (at + 1) % (sizeof names / sizeof *names);
  int was = names[at] != 0;
  names[at] = digest;
  pthread_mutex_unlock(&names_lock);
  return was;
}

static int serve_sink(Conn *c, char *head) {
  char answer[1024], body[512] = "", crc[16] = "", lead[128] = "";
  char *length = header(head, "Content-Length"), *chunked = header(head, "Transfer-Encoding");
  char *given = header(head, "x-amz-checksum-crc32"), *type = header(head, "x-amz-checksum-type");
  int only_new = header(head, "If-None-Match") != NULL;
  if (given) sscanf(given, "%8[^\r]", crc);
  if (header(head, "Expect")) send_all(c, "HTTP/1.1 100 Continue\r\n\r\n", 25);
  if (chunked ? discard_chunks(c) : length && discard(c, atol(length))) return -1;
  rest(delay);
  char *line = strstr(head, "\r\n"), *path = strchr(head, ' ');
  *line = 0;
  const char *status = "200 OK";
  int ends = !strncmp(head, "POST", 4) && strstr(head, "uploadId="), part = !ends && strstr(head, "uploadId=");
  if (((!strncmp(head, "PUT", 3) && !part) || ends) && written_before(path + 1) && only_new)
    status = "412 Precondition Failed", strcpy(body, "<Error><Code>PreconditionFailed</Code></Error>");
  else if (ends)
    snprintf(body, sizeof body, crc[0] ? "<CompleteMultipartUploadResult><ETag>\"1\"</ETag><ChecksumCRC32>%s</ChecksumCRC32><ChecksumType>FULL_OBJECT</ChecksumType></CompleteMultipartUploadResult>"
             : "<CompleteMultipartUploadResult><ETag>\"1\"</ETag></CompleteMultipartUploadResult>", crc);
  else if (!strncmp(head, "POST", 4))
    strcpy(body, strstr(head, "?delete") ? "<DeleteResult></DeleteResult>"
                 : "<InitiateMultipartUploadResult><UploadId>u1</UploadId></InitiateMultipartUploadResult>");
  else if (!strncmp(head, "PUT", 3) && crc[0])
    snprintf(lead, sizeof lead, "x-amz-checksum-crc32: %s\r\n", crc);
  else if (!strncmp(head, "GET", 3) && strstr(head, "uploads"))
    strcpy(body, "<ListMultipartUploadsResult></ListMultipartUploadsResult>");
  else if (!strncmp(head, "GET", 3) && !strstr(head, "list-type"))
    status = "404 Not Found", strcpy(body, "<Error><Code>NoSuchKey</Code></Error>");
  else if (!strncmp(head, "GET", 3))
    strcpy(body, "<ListBucketResult><KeyCount>0</KeyCount><IsTruncated>false</IsTruncated></ListBucketResult>");
  else if (!strncmp(head, "HEAD", 4))
    status = "404 Not Found";
  else if (!strncmp(head, "DELETE", 6))
    status = "204 No Content";
  if (type) strcpy(lead, "x-amz-checksum-type: FULL_OBJECT\r\n");
  int n = snprintf(answer, sizeof answer, "HTTP/1.1 %s\r\nx-amz-request-id: 1\r\n%sETag: \"%032lx\"\r\nContent-Type: application/xml\r\nContent-Length: %zu\r\n\r\n%s",
                   status, lead, ++serial, strlen(body), body);
  return send_all(c, answer, n);
}

static void *serve(void *arg) {
  Conn *c = calloc(1, sizeof *c);
  char head[32768];
  int one = 1;
  c->fd = (int)(long)arg;
  setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  rest(rtt);
  if (tls) {
    c->ssl = SSL_new(tls);
    SSL_set_fd(c->ssl, c->fd);
  }
  if (!tls || SSL_accept(c->ssl) > 0)
    while (next_request(c, head, sizeof head) && !(file >= 0 ? serve_source(c, head) : serve_sink(c, head)))
      ;
  if (c->ssl) SSL_free(c->ssl);
  close(c->fd);
  free(c);
  return NULL;
}

static double setting(const char *name) { return getenv(name) ? atof(getenv(name)) : 0; }

int main(int count, char **args) {
  signal(SIGPIPE, SIG_IGN);
  if (count < 3) return 2;
  int source = !strcmp(args[1], "source"), certificate = source ? 4 : 3, one = 1;
  rate = setting("RATE"), rtt = setting("RTT") / 1e3, delay = setting("DELAY") / 1e3;
  if (setting("WINDOW")) window_max = setting("WINDOW");
  if (source) {
    struct stat facts;
    file = open(args[3], O_RDONLY);
    if (file < 0 || fstat(file, &facts)) return perror(args[3]), 2;
    file_size = facts.st_size;
    file_map = mmap(NULL, file_size, PROT_READ, MAP_SHARED, file, 0);
  }
  if (count > certificate + 1) {
    tls = SSL_CTX_new(TLS_server_method());
    if (SSL_CTX_use_certificate_chain_file(tls, args[certificate]) != 1 ||
        SSL_CTX_use_PrivateKey_file(tls, args[certificate + 1], SSL_FILETYPE_PEM) != 1) return 2;
  }
  int s = socket(AF_INET, SOCK_STREAM, 0);
  setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(atoi(args[2])), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  if (bind(s, (void *)&at, sizeof at) || listen(s, 1024)) return perror("listen"), 3;
  pthread_attr_t small;
  pthread_attr_init(&small);
  pthread_attr_setdetachstate(&small, PTHREAD_CREATE_DETACHED);
  pthread_attr_setstacksize(&small, 1 << 20);
  for (;;) {
    int fd = accept(s, NULL, NULL);
    pthread_t thread;
    if (fd >= 0 && pthread_create(&thread, &small, serve, (void *)(long)fd)) close(fd);
  }
}
