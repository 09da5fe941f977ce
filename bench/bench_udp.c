/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The publisher udp:// (encoding, sending, keeping account) beside a bare sendmmsg loop that sends the same bytes to
 * the same socket on loopback, which a thread reads; a cycle of 1000 instances.  The signed messages are beside the
 * same loop and a bare HMAC-SHA256 over each message, without which nothing is signed.  Prints the CPU time of the
 * sending thread per sample, and the share of the bare rate; exit status 1 when the target is missed.  Usage: udp-bench [ROUNDS]
 */
#include "bare_hmac.h"
#include "base/clock.h"
#include "cycle_fixture.h"
#include "model/delivery.h"
#include "publisher/fixture.h"
#include "wire/message.h"

#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BATCHES = METERS + DEVICE_METERS, SAMPLES = BATCHES * INSTANCES, BURST = 64 };

static const double target = 0.7;

extern const struct vmt_plugin vmt_plugin_publisher_udp;

static struct vmt_batch batches[BATCHES];
static const struct vmt_resource *columns[BATCHES][INSTANCES];
static struct vmt_frame frame = { .profile = VMT_PROFILE_26, .count = BATCHES, .batch = batches };

static atomic_bool over;

/* Takes what comes, until it is over. */
static void *drain(void *data)
{
	static char bytes[BURST][2048];
	struct mmsghdr header[BURST] = { 0 };
	struct iovec piece[BURST];
	int fd = *(int *)data;

	for (int i = 0; i < BURST; i++) {
		piece[i] = (struct iovec){ bytes[i], sizeof(bytes[i]) };
		header[i].msg_hdr.msg_iov = &piece[i];
		header[i].msg_hdr.msg_iovlen = 1;
	}
	while (!atomic_load(&over)) {
		recvmmsg(fd, header, BURST, MSG_WAITFORONE,
			 NULL); /* or in vain, for a tenth of a second */
	}
	return NULL;
}

static void fill_frame(void)
{
	for (int m = 0; m < BATCHES; m++) {
		batches[m] = bench_batch(m);
		memcpy(columns[m], batches[m].resource, sizeof(columns[m]));
		batches[m].resource = columns[m];
	}
}

static int receiver(struct sockaddr_in *ret_address)
{
	socklen_t len = sizeof(*ret_address);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct timeval timeout = { .tv_usec = 100000 };

	*ret_address = (struct sockaddr_in){ .sin_family = AF_INET,
					     .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout)) < 0 ||
	    bind(fd, (void *)ret_address, len) < 0 ||
	    getsockname(fd, (void *)ret_address, &len) < 0) {
		abort();
	}
	return fd;
}

/* The messages, and where each ends. */
static void encode(struct buf *out, size_t *end)
{
	struct message_options o = { .form = MESSAGE_MSGPACK,
				     .profile = VMT_PROFILE_26,
				     .dialect = FLATTEN_PY3,
				     .secret = "change this for valid signing" };
	struct message_encoder *e = message_encoder_new(&o);

	for (int m = 0; m < BATCHES; m++) {
		message_encoder_batch(e, &batches[m]);
		for (uint32_t row = 0; row < batches[m].count; row++) {
			if (message_encoder_row(e, row, out)) {
				abort();
			}
			*end++ = out->len;
		}
	}
	message_encoder_free(e);
}

/* `mac`: NULL for messages that nobody signs. */
static void send_bare(int fd, const struct buf *bytes, const size_t *end, EVP_MAC_CTX *mac)
{
	struct mmsghdr header[BURST] = { 0 };
	struct iovec piece[BURST];

	for (size_t i = 0; i < SAMPLES;) {
		size_t n = MIN((size_t)BURST, SAMPLES - i), sent = 0;

		for (size_t k = 0; k < n; k++) {
			size_t from = i + k > 0 ? end[i + k - 1] : 0;

			piece[k] = (struct iovec){ bytes->data + from, end[i + k] - from };
			if (mac) {
				bare_hmac(mac, piece[k].iov_base, piece[k].iov_len);
			}
			header[k].msg_hdr.msg_iov = &piece[k];
			header[k].msg_hdr.msg_iovlen = 1;
		}
		while (sent < n) {
			int done = sendmmsg(fd, header + sent, (unsigned)(n - sent), 0);

			if (done < 0) {
				abort();
			}
			sent += (size_t)done;
		}
		i += n;
	}
}

static double best(double known, int64_t begin_ns)
{
	double ns = (double)(clock_cpu_thread() - begin_ns) / SAMPLES;

	return known == 0 || ns < known ? ns : known;
}

static void *open_publisher(void *conf, int port)
{
	struct vmt_url url = { .text = "udp://127.0.0.1",
			       .scheme = "udp",
			       .host = "127.0.0.1",
			       .port = port,
			       .path = "" };
	struct vmt_error error;
	void *self = NULL;

	if (vmt_plugin_publisher_udp.ops.publisher->open(conf, &url, false, &self, &error) < 0) {
		abort();
	}
	return self;
}

/* CPU time of a sample through the publisher. */
static double measure(const char *secret, int port, int rounds)
{
	const struct vmt_publisher_ops *ops = vmt_plugin_publisher_udp.ops.publisher;
	void *conf = fixture_conf(&vmt_plugin_publisher_udp), *self;
	struct vmt_call call = { .deadline_ns = INT64_MAX, .cancel = &fixture_go_on };
	struct vmt_delivery delivery;
	struct vmt_error error;
	double ours = 0;

	fixture_set(&vmt_plugin_publisher_udp, conf, "telemetry_secret", secret);
	self = open_publisher(conf, port);
	delivery_init(&delivery);
	call.delivery = &delivery;
	for (int i = -1; i < rounds; i++) { /* the first fills what is kept */
		int64_t begin = clock_cpu_thread();

		frame.sequence++;
		delivery_begin(&delivery, &frame, 1);
		if (ops->publish(self, &frame, 1, &call, &error) < 0 ||
		    delivery.confirmed != SAMPLES) {
			abort();
		}
		delivery_end(&delivery);
		ours = i < 0 ? 0 : best(ours, begin);
	}
	ops->close(self);
	delivery_fini(&delivery);
	g_free(conf);
	return ours;
}

static double measure_bare(const struct sockaddr_in *to, EVP_MAC_CTX *mac, int rounds)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	size_t *end = g_new(size_t, SAMPLES);
	struct buf bytes = BUF_INIT;
	double bare = 0;

	if (connect(fd, (const void *)to, sizeof(*to)) < 0) {
		abort();
	}
	encode(&bytes, end);
	for (int i = 0; i < rounds; i++) {
		int64_t begin = clock_cpu_thread();

		send_bare(fd, &bytes, end, mac);
		bare = best(bare, begin);
	}
	close(fd);
	buf_fini(&bytes);
	g_free(end);
	return bare;
}

static bool tell(const char *limit, double bare, const char *what, double ours)
{
	double ratio = bare / ours;

	printf("UDP      %-15s %6.0f ns, %-16s %6.0f ns: %.2f of its rate  >= %.1f  %s\n", limit,
	       bare, what, ours, ratio, target, ratio >= target ? "met" : "MISSED");
	return ratio >= target;
}

int main(int argc, char **argv)
{
	int rounds = argc > 1 ? (int)strtol(argv[1], NULL, 10) : 10;
	struct sockaddr_in address;
	int to = receiver(&address), port = ntohs(address.sin_port);
	pthread_t reader;
	EVP_MAC_CTX *mac = bare_hmac_new();
	bool met;

	pthread_create(&reader, NULL, drain, &to);
	fill();
	fill_frame();
	met = tell("bare sendmmsg", measure_bare(&address, NULL, rounds), "encoded and sent",
		   measure("", port, rounds));
	met &= tell("and HMAC-SHA256", measure_bare(&address, mac, rounds), "and signed",
		    measure("secret", port, rounds));
	atomic_store(&over, true);
	pthread_join(reader, NULL);
	EVP_MAC_CTX_free(mac);
	close(to);
	unfill();
	return met ? 0 : 1;
}
