/* SPDX-License-Identifier: Apache-2.0 */
/*
 * polling:// beside a bare librabbitmq loop that sends the same bytes with the same window to the same queue,
 * by turns; the best of each.  Encoding and signing are in ours, not in the loop's.  The last line is for broker.py:
 * samples a second, the nanoseconds of our process's CPU for one, and of the loop's.  Every tenth message goes to
 * FILE, a line each: the same samples for a peer.
 * Usage: bench_amqp HOST PORT USER PASSWORD VHOST FILE    (bench/broker.py starts the broker)
 */
#include <amqp.h>
#include <amqp_tcp_socket.h>
#include <inttypes.h>
#include <stdio.h>

#include "base/clock.h"
#include "instance_metadata.h"
#include "plugin/object.h"
#include "plugins/publisher/amqp/envelope.h"
#include "publisher/fixture.h"
#include "wire/message.h"

extern const struct vmt_plugin vmt_plugin_publisher_polling;

enum {
	RESOURCES = 1000,
	METERS = 20,
	BATCH = 50,
	WINDOW = 256,
	ROUNDS = 20, /* of each, by turns; the best counts, for the broker takes its turns, too */
	KEPT = 10,
	SAMPLES = RESOURCES * METERS
};

static const double target = 0.8;

struct bare {
	amqp_connection_state_t c;
	uint64_t sent, confirmed;
};

static void must(bool good, const char *what)
{
	if (!good) {
		fprintf(stderr, "bench_amqp: %s\n", what);
		exit(1);
	}
}

/* Samples as Ceilometer's own agent sends them, as large and with as many members. */
static void make_real(struct fixture *f)
{
	for (uint32_t i = 0; i < f->resources; i++) {
		struct vmt_resource *r = &f->resource[i];
		char *metadata = g_strdup_printf(INSTANCE_METADATA "}", i, i, r->id);

		g_free((char *)r->user_id);
		g_free((char *)r->project_id);
		r->user_id = g_strdup_printf("%08x8ad1135092a8c29ca40824a7", i / 7 * 40503u);
		r->project_id = g_strdup_printf("%08x2dfc1b325bfa8438bb43983a", i / 7 * 30011u);
		fixture_metadata(r, metadata);
		g_free(metadata);
	}
}

/* The bodies of a frame, as polling:// makes them. */
static GPtrArray *bodies_of(const struct fixture *f)
{
	const struct message_options options = { .form = MESSAGE_JSON_QUOTED,
						 .profile = VMT_PROFILE_19,
						 .secret = "change this for valid signing" };
	const struct envelope_copy copy = { .event = "telemetry.polling", .time_ns = FIXTURE_TIME };
	struct message_encoder *encoder = message_encoder_new(&options);
	GPtrArray *out = g_ptr_array_new();
	struct envelope e;

	envelope_init(&e);
	e.publisher_id = "ceilometer.polling";
	for (size_t b = 0; b < f->frame.count; b++) {
		const struct vmt_batch *batch = &f->frame.batch[b];

		message_encoder_batch(encoder, batch);
		for (uint32_t r = 0; r < batch->count; r++) {
			if (r % BATCH == 0) {
				envelope_begin(&e);
			}
			must(message_encoder_row(encoder, r, envelope_add(&e)) == 0, "row");
			if (r % BATCH == BATCH - 1 || r + 1 == batch->count) {
				size_t n;
				const char *body = envelope_close(&e, &copy, &n);

				g_ptr_array_add(out, g_bytes_new(body, n));
			}
		}
	}
	envelope_fini(&e);
	message_encoder_free(encoder);
	return out;
}

static void keep(const GPtrArray *bodies, const char *path)
{
	FILE *file = fopen(path, "w");

	must(file != NULL, path);
	for (size_t i = 0; i < bodies->len; i += KEPT) {
		gsize n;
		const void *p = g_bytes_get_data(g_ptr_array_index(bodies, i), &n);

		fwrite(p, 1, n, file);
		fputc('\n', file);
	}
	must(fclose(file) == 0, path);
}

static void take(struct bare *b, unsigned left)
{
	while (b->sent - b->confirmed > left) {
		amqp_frame_t frame;

		must(amqp_simple_wait_frame(b->c, &frame) == AMQP_STATUS_OK, "confirm");
		if (frame.frame_type == AMQP_FRAME_METHOD &&
		    frame.payload.method.id == AMQP_BASIC_ACK_METHOD) {
			const amqp_basic_ack_t *ack = frame.payload.method.decoded;

			b->confirmed = MAX(b->confirmed, ack->delivery_tag);
		}
		amqp_maybe_release_buffers(b->c);
	}
}

static double bare_round(struct bare *b, const GPtrArray *bodies)
{
	const amqp_basic_properties_t properties = { ._flags = AMQP_BASIC_DELIVERY_MODE_FLAG,
						     .delivery_mode = 2 };
	int64_t start = clock_monotonic();

	for (size_t i = 0; i < bodies->len; i++) {
		gsize n;
		const void *p = g_bytes_get_data(g_ptr_array_index(bodies, i), &n);

		take(b, WINDOW - 1);
		must(amqp_basic_publish(b->c, 1, amqp_cstring_bytes("ceilometer"),
					amqp_cstring_bytes("notifications.sample"), 1, 0,
					&properties,
					(amqp_bytes_t){ n, (void *)(uintptr_t)p }) == 0,
		     "publish");
		b->sent++;
	}
	take(b, 0);
	return (double)(clock_monotonic() - start) / 1e9;
}

static void bare_open(struct bare *b, char **argv)
{
	amqp_socket_t *socket;

	b->c = amqp_new_connection();
	socket = amqp_tcp_socket_new(b->c);
	must(amqp_socket_open(socket, argv[1], (int)strtol(argv[2], NULL, 10)) == 0, "connect");
	must(amqp_login(b->c, argv[5], 0, 131072, 0, AMQP_SASL_METHOD_PLAIN, argv[3], argv[4])
			     .reply_type == AMQP_RESPONSE_NORMAL,
	     "login");
	amqp_channel_open(b->c, 1);
	amqp_confirm_select(b->c, 1);
}

static double our_round(struct plugin_object *object, struct fixture *f)
{
	struct vmt_call call = fixture_call(120);
	struct vmt_error error = { "" };
	int64_t start = clock_monotonic();
	int ret = vmt_plugin_publisher_polling.ops.publisher->publish(object->self, &f->frame, 1,
								      &call, &error);

	must(ret == 0, error.text);
	f->frame.sequence++;
	return (double)(clock_monotonic() - start) / 1e9;
}

int main(int argc, char **argv)
{
	struct plugin_object *object = NULL;
	struct ini *ini = ini_new();
	struct vmt_error error = { "" };
	struct bare bare = { 0 };
	double ours = 1e9, limit = 1e9, cpu = 1e9, bare_cpu = 1e9;
	struct fixture f;
	GPtrArray *bodies;
	size_t bytes = 0;
	char *url;

	must(argc == 7, "usage: bench_amqp HOST PORT USER PASSWORD VHOST FILE");
	fixture_init(&f, RESOURCES, METERS);
	f.frame.profile = VMT_PROFILE_19; /* the peer at hand */
	make_real(&f);
	fixture_cycle(&f, 0, FIXTURE_TIME);
	bodies = bodies_of(&f);
	for (size_t i = 0; i < bodies->len; i++) {
		bytes += g_bytes_get_size(g_ptr_array_index(bodies, i));
	}
	keep(bodies, argv[6]);
	url = g_strdup_printf("polling://%s:%s@%s:%s/%s", argv[3], argv[4], argv[1], argv[2],
			      argv[5]);
	must(plugin_object_open(&vmt_plugin_publisher_polling, ini, url, NULL, false, &object, NULL,
				&error) == 0,
	     error.text);
	our_round(object, &f); /* declares */
	bare_open(&bare, argv);
	for (int i = 0; i < ROUNDS; i++) {
		int64_t begin_ns = clock_cpu_process();

		limit = MIN(limit, bare_round(&bare, bodies));
		bare_cpu = MIN(bare_cpu, (double)(clock_cpu_process() - begin_ns) / SAMPLES);
		begin_ns = clock_cpu_process();
		ours = MIN(ours, our_round(object, &f));
		cpu = MIN(cpu, (double)(clock_cpu_process() - begin_ns) / SAMPLES);
	}
	printf("AMQP     %u messages, %zu bytes, window %d: ours %.0f samples/s, bare loop %.0f samples/s: "
	       "%.2f of its rate  >= %.1f  %s\n",
	       bodies->len, bytes, WINDOW, SAMPLES / ours, SAMPLES / limit, limit / ours, target,
	       limit / ours >= target ? "met" : "MISSED");
	printf("%.0f %.0f %.0f\n", SAMPLES / ours, cpu, bare_cpu);
	plugin_object_close(object);
	g_free(url);
	ini_free(ini);
	fixture_fini(&f);
	return limit / ours >= target ? 0 : 1;
}
