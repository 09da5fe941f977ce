/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of calls with a deadline, on libvirt's test driver (in this process, no daemon), and of the URIs.
 */
#include "plugins/libvirt/connection.h"
#include "plugins/libvirt/uri.h"

#include "base/clock.h"
#include "base/thread.h"
#include "base/wait.h"

#include <errno.h>
#include <glib.h>
#include <string.h>

static atomic_bool never;

static struct vmt_call in_ms(int64_t ms)
{
	return (struct vmt_call){ .deadline_ns = clock_monotonic() + ms * NS_PER_MS,
				  .cancel = &never };
}

struct work {
	atomic_uint refs;
	struct wait gate; /* a job waits here until it is opened: a QEMU that does not answer */
	bool open;
	unsigned entered; /* how many wait there, or have */
	int runs, fail, domains;
	bool closed;
	uint64_t serial;
};

static struct work *work_new(void)
{
	struct work *w = g_new0(struct work, 1);

	wait_init(&w->gate);
	atomic_init(&w->refs, 2);
	return w;
}

static void work_unref(void *data)
{
	struct work *w = data;

	if (atomic_fetch_sub(&w->refs, 1) == 1) {
		wait_fini(&w->gate);
		g_free(w);
	}
}

static int count(struct session *s, void *arg, struct vmt_error *error)
{
	struct work *w = arg;

	w->runs++;
	w->serial = s->serial;
	w->domains = RPC(s, virConnectNumOfDomains(s->conn));
	return w->domains < 0 ? libvirt_error(s, "count", error) : w->domains;
}

static int hang(struct session *s, void *arg, struct vmt_error *error)
{
	struct work *w = arg;

	wait_lock(&w->gate);
	w->entered++;
	while (!w->open) {
		wait_until(&w->gate, WAIT_FOREVER);
	}
	wait_unlock(&w->gate);
	return 0;
}

static void open_gate(struct work *w)
{
	wait_lock(&w->gate);
	w->open = true;
	wait_wake(&w->gate);
	wait_unlock(&w->gate);
}

static unsigned entered(struct work *w)
{
	unsigned n;

	wait_lock(&w->gate);
	n = w->entered;
	wait_unlock(&w->gate);
	return n;
}

/* A call that hangs, whose time is over `ms` after it has begun to: one that had not begun would be taken back. */
static int hang_for(struct caller *c, struct work *w, int64_t ms, struct vmt_error *error)
{
	int64_t until = clock_monotonic() + 20 * NS_PER_S;
	unsigned before = entered(w);
	struct vmt_call call;
	uint64_t calls = 0;
	struct job *j;
	int err = caller_submit(c, hang, w, work_unref, &j, error);

	if (err < 0) {
		return err;
	}
	while (entered(w) == before && clock_monotonic() < until) {
		wait_sleep(NS_PER_MS);
	}
	call = in_ms(ms);
	err = job_wait(j, &call, &calls, error);
	job_unref(j);
	return err;
}

static void wait_left(struct hub *h, unsigned n)
{
	int64_t until = clock_monotonic() + 20 * NS_PER_S;

	while (hub_left(h) != n && clock_monotonic() < until) {
		wait_sleep(NS_PER_MS);
	}
	g_assert_cmpuint(hub_left(h), ==, n);
}

static void test_answer(void)
{
	struct hub *h = hub_ref("test:///default", false);
	struct caller *c = caller_new(h, "test", CALLER_HEAVY);
	struct work *w = work_new();
	struct vmt_call call = in_ms(20000);
	struct vmt_error error = { "" };
	uint64_t calls = 0, serial;

	g_assert_true(hub_ref("test:///default", false) == h);
	hub_unref(h);
	g_assert_cmpint(caller_run(c, count, w, NULL, &call, &calls, &error), ==, 1);
	g_assert_cmpuint(calls, ==, 2); /* connect, count */
	serial = w->serial;
	g_assert_cmpint(caller_run(c, count, w, NULL, &call, &calls, &error), ==, 1);
	g_assert_cmpuint(calls, ==, 3);
	g_assert_cmpuint(w->serial, ==, serial);
	caller_free(c);
	hub_unref(h);
	work_unref(w);
	work_unref(w);
}

static void test_hang(void)
{
	struct hub *h = hub_ref("test:///default", false);
	struct caller *c = caller_new(h, "test", CALLER_HEAVY);
	struct work *w = work_new(), *other = work_new();
	struct vmt_call call = in_ms(20000);
	struct vmt_error error = { "" };
	uint64_t calls = 0;

	g_assert_cmpint(hang_for(c, w, 30, &error), ==, -ETIMEDOUT);
	g_assert_cmpstr(error.text, ==,
			"libvirt test:///default: no answer in time; its call is left behind");
	g_assert_cmpuint(hub_left(h), ==, 1);
	/* The next call has another thread and connection. */
	g_assert_cmpint(caller_run(c, count, other, NULL, &call, &calls, &error), ==, 1);
	g_assert_cmpuint(entered(w), ==, 1);
	open_gate(w);
	wait_left(h, 0);
	work_unref(w);
	caller_free(c);
	hub_unref(h);
	work_unref(other);
	work_unref(other);
}

static void test_cancel(void)
{
	struct hub *h = hub_ref("test:///default", false);
	struct caller *c = caller_new(h, "test", CALLER_HEAVY);
	struct work *w = work_new();
	atomic_bool cancel = true;
	struct vmt_call call = { .deadline_ns = INT64_MAX, .cancel = &cancel };
	struct vmt_error error = { "" };
	uint64_t calls = 0;

	g_assert_cmpint(caller_run(c, hang, w, work_unref, &call, &calls, &error), ==, -ECANCELED);
	open_gate(w);
	wait_left(h, 0);
	work_unref(w);
	caller_free(c);
	hub_unref(h);
}

static void test_cap(void)
{
	struct hub *h = hub_ref("test:///default", false);
	struct caller *c[HUB_CAP + 2];
	struct work *w = work_new();
	struct vmt_error error = { "" };

	for (int i = 0; i < HUB_CAP + 2; i++) {
		int want = i < HUB_CAP + 1 ? -ETIMEDOUT : -EBUSY;

		c[i] = caller_new(h, "test", CALLER_HEAVY);
		atomic_fetch_add(&w->refs, 1);
		g_assert_cmpint(hang_for(c[i], w, 30, &error), ==, want);
	}
	g_assert_cmpstr(
		error.text, ==,
		"libvirt test:///default: 7 calls hang; not asking more before one returns");
	g_assert_cmpuint(hub_left(h), ==, HUB_CAP + 1);
	open_gate(w);
	wait_left(h, 0);
	for (int i = 0; i < HUB_CAP + 2; i++) {
		caller_free(c[i]);
	}
	hub_unref(h);
	work_unref(w);
	work_unref(w);
}

/* A light call that hangs says that nobody is there: no other one before it is back; heavy ones do not count. */
static void test_light(void)
{
	struct hub *h = hub_ref("test:///default", false);
	struct caller *c = caller_new(h, "test", CALLER_LIGHT);
	struct work *w = work_new(), *other = work_new();
	struct vmt_call call;
	struct vmt_error error = { "" };
	uint64_t calls = 0;
	int err;

	g_assert_cmpint(hang_for(c, w, 1010, &error), ==, -ETIMEDOUT);
	g_assert_cmpuint(hub_left(h), ==, 0);
	call = in_ms(20000);
	g_assert_cmpint(caller_run(c, count, other, NULL, &call, &calls, &error), ==, -EBUSY);
	g_assert_true(g_str_has_prefix(error.text, "libvirt test:///default: has not answered"));
	open_gate(w);
	while ((err = caller_run(c, count, other, NULL, &call, &calls, &error)) == -EBUSY) {
		wait_sleep(NS_PER_MS);
	}
	g_assert_cmpint(err, ==, 1);
	work_unref(w);
	caller_free(c);
	hub_unref(h);
	work_unref(other);
	work_unref(other);
}

/* Two jobs at once behind one bell; one is written off, and its flight still tells when it is back. */
static void test_bell(void)
{
	struct hub *h = hub_ref("test:///default", false);
	struct caller *a = caller_new(h, "a", CALLER_HEAVY), *b = caller_new(h, "b", CALLER_HEAVY);
	struct work *w = work_new(), *other = work_new();
	struct vmt_call call = in_ms(20000);
	struct vmt_error error = { "" };
	struct bell *bell = bell_new();
	struct job *slow, *quick;
	struct flight *flight;
	uint64_t calls = 0;
	int result = -1;

	g_assert_cmpint(caller_submit(a, hang, w, work_unref, &slow, &error), ==, 0);
	g_assert_cmpint(caller_submit(b, count, other, NULL, &quick, &error), ==, 0);
	job_bell(slow, bell);
	job_bell(quick, bell);
	while (!job_done(quick)) {
		bell_wait(bell, call.deadline_ns);
	}
	g_assert_cmpint(job_wait(quick, &call, &calls, &error), ==, 1);
	g_assert_false(job_done(slow));
	flight = job_flight(slow);
	job_leave(slow);
	job_leave(slow);
	job_unref(slow);
	g_assert_cmpuint(hub_left(h), ==, 1);
	g_assert_false(flight_done(flight, &result));
	open_gate(w);
	wait_left(h, 0);
	g_assert_true(flight_done(flight, &result));
	g_assert_cmpint(result, ==, 0);
	flight_unref(flight);
	job_bell(quick, bell); /* rings at once */
	bell_wait(bell, WAIT_FOREVER);
	job_unref(quick);
	bell_unref(bell);
	work_unref(w);
	caller_free(a);
	caller_free(b);
	hub_unref(h);
	work_unref(other);
	work_unref(other);
}

static void test_free_while_hanging(void)
{
	struct hub *h = hub_ref("test:///default", false), *again;
	struct caller *c = caller_new(h, "test", CALLER_HEAVY);
	struct work *w = work_new();
	struct vmt_error error = { "" };

	g_assert_cmpint(hang_for(c, w, 20, &error), ==, -ETIMEDOUT);
	caller_free(c);
	hub_unref(h);
	again = hub_ref("test:///default", false); /* the left one still holds it */
	g_assert_true(again == h);
	open_gate(w);
	wait_left(again, 0);
	hub_unref(again);
	work_unref(w);
}

static void test_refused(void)
{
	struct hub *h = hub_ref("qemu+unix:///system?socket=/nonexistent/sock", false);
	struct caller *c = caller_new(h, "test", CALLER_HEAVY);
	struct work *w = work_new();
	struct vmt_call call = in_ms(20000);
	struct vmt_error error = { "" };
	uint64_t calls = 0;

	g_assert_cmpint(caller_run(c, count, w, NULL, &call, &calls, &error), ==, -ENOTCONN);
	g_assert_true(g_str_has_prefix(error.text,
				       "libvirt qemu+unix:///system?socket=/nonexistent/sock: "
				       "connect: Failed to connect socket to '/nonexistent/sock'"));
	g_assert_nonnull(strstr(error.text, "is libvirtd (or virtqemud) running here?"));
	g_assert_null(strstr(error.text, "next try")); /* a command that ends makes none */
	g_assert_null(strchr(error.text, '\n'));
	g_assert_cmpuint(calls, ==, 1);
	/* Not asked again at once. */
	g_assert_cmpint(caller_run(c, count, w, NULL, &call, &calls, &error), ==, -ENOTCONN);
	g_assert_nonnull(strstr(error.text, "is libvirtd (or virtqemud) running here?"));
	g_assert_cmpuint(calls, ==, 1);
	g_assert_cmpint(w->runs, ==, 0);
	/* But after a while. */
	wait_sleep(1300 * NS_PER_MS);
	g_assert_cmpint(caller_run(c, count, w, NULL, &call, &calls, &error), ==, -ENOTCONN);
	g_assert_cmpuint(calls, ==, 2);
	caller_free(c);
	hub_unref(h);
	work_unref(w);
	work_unref(w);
}

static void test_bad_uri(void)
{
	struct hub *h = hub_ref("no uri:///system", false);
	struct caller *c = caller_new(h, "test", CALLER_HEAVY);
	struct vmt_call call = in_ms(20000);
	struct vmt_error error = { "" };
	uint64_t calls = 0;

	g_assert_cmpint(caller_run(c, count, NULL, NULL, &call, &calls, &error), <, 0);
	g_assert_nonnull(
		strstr(error.text, "Unable to parse URI no uri:///system; libvirt_uri is no URI"));
	caller_free(c);
	hub_unref(h);
}

static int lose(struct session *s, void *arg, struct vmt_error *error)
{
	struct work *w = arg;

	w->serial = s->serial;
	if (w->runs++ < w->fail) {
		/* What a daemon that went away leaves behind; the test driver cannot go away. */
		g_assert_null(virConnectOpen("qemu+unix:///system?socket=/nonexistent/sock"));
		return libvirt_error(s, "list", error);
	}
	return 7;
}

static void on_close(struct session *s, void *data)
{
	((struct work *)data)->closed = true;
}

static int remember(struct session *s, void *arg, struct vmt_error *error)
{
	s->on_close = on_close;
	s->data = arg;
	return 0;
}

static void test_reconnect(void)
{
	struct hub *h = hub_ref("test:///default", false);
	struct caller *c = caller_new(h, "test", CALLER_HEAVY);
	struct work *w = work_new();
	struct vmt_call call = in_ms(20000);
	struct vmt_error error = { "" };
	uint64_t calls = 0, serial;

	g_assert_cmpint(caller_run(c, remember, w, NULL, &call, &calls, &error), ==, 0);
	g_assert_cmpint(caller_run(c, count, w, NULL, &call, &calls, &error), ==, 1);
	serial = w->serial;
	w->runs = 0;
	w->fail = 1;
	g_assert_false(w->closed);
	g_assert_cmpint(caller_run(c, lose, w, NULL, &call, &calls, &error), ==, 7);
	g_assert_true(w->closed);
	g_assert_cmpint(w->runs, ==, 2);
	g_assert_cmpuint(w->serial, !=, serial);
	/* It fails both times: that is told. */
	w->runs = 0;
	w->fail = 2;
	g_assert_cmpint(caller_run(c, lose, w, NULL, &call, &calls, &error), <, 0);
	g_assert_cmpint(w->runs, ==, 2);
	g_assert_true(g_str_has_prefix(error.text, "libvirt test:///default: list: "));
	caller_free(c);
	hub_unref(h);
	work_unref(w);
	work_unref(w);
}

#define NO_CERTIFICATE                                                                             \
	"Cannot read CA certificate '/etc/pki/CA/cacert.pem': No such file or directory"

static void test_uri(void)
{
	static const struct {
		const char *uri, *type, *want;
	} rows[] = {
		{ NULL, NULL, "qemu:///system" },
		{ "", "kvm", "qemu:///system" },
		{ "", "qemu", "qemu:///system" },
		{ "", "LXC", "lxc:///" },
		{ "", "uml", "uml:///system" },
		{ "", "xen", "xen:///" },
		{ "", "parallels", "parallels:///system" },
		{ "", "other", "qemu:///system" },
		{ "xen+tls://a/", "kvm", "xen+tls://a/" },
	};

	for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
		g_assert_cmpstr(uri_choose(rows[i].uri, rows[i].type), ==, rows[i].want);
	}
	g_assert_true(uri_is_local("qemu:///system"));
	g_assert_true(uri_is_local("qemu+unix:///system?socket=/run/a"));
	g_assert_true(uri_is_local("xen://"));
	g_assert_false(uri_is_local("qemu+ssh://root@host/system"));
	g_assert_false(uri_is_local("qemu+tls://[::1]/system"));
	g_assert_nonnull(
		strstr(uri_advice("qemu:///system", "Failed to connect socket to '/run/libvirt/"
						    "libvirt-sock-ro': Permission denied"),
		       "group libvirt"));
	g_assert_cmpstr(uri_advice("qemu:///system", "whatever"), ==, "");
	/* libvirt 9.0 says this of any scheme that it does not know, where there is a host */
	g_assert_nonnull(
		strstr(uri_advice("http://x", NO_CERTIFICATE), "is not one that this libvirt"));
	g_assert_nonnull(strstr(uri_advice("qemu+tls://x/system", NO_CERTIFICATE), "pkipath"));
	g_assert_null(strstr(uri_advice("qemu+tls://x/system", NO_CERTIFICATE), "running"));
}

struct turns {
	struct hub *hub;
	atomic_int waiting, order;
	int second; /* place of the one that waited; 0: it has not had its turn */
};

static void *second_turn(void *arg)
{
	struct turns *t = arg;

	atomic_store(&t->waiting, 1);
	if (hub_turn_begin(t->hub, INT64_MAX)) {
		t->second = atomic_fetch_add(&t->order, 1) + 1;
		hub_turn_end(t->hub);
	}
	return NULL;
}

static void test_turn(void)
{
	struct turns t = { .hub = hub_ref("test:///default?turn", false) };
	pthread_t thread;

	g_assert_true(hub_turn_begin(t.hub, 0));
	g_assert_false(hub_turn_begin(t.hub, clock_monotonic() + NS_PER_MS)); /* waits no longer */
	g_assert_cmpint(thread_start(&thread, "second", second_turn, &t), ==, 0);
	while (!atomic_load(&t.waiting)) {
		wait_sleep(NS_PER_MS);
	}
	g_assert_cmpint(atomic_fetch_add(&t.order, 1), ==, 0);
	hub_turn_end(t.hub);
	thread_join(thread);
	g_assert_cmpint(t.second, ==, 2);
	g_assert_true(hub_turn_begin(t.hub, 0)); /* everybody has given it back */
	hub_turn_end(t.hub);
	hub_unref(t.hub);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	libvirt_prepare();
	g_test_add_func("/connection/uri", test_uri);
	g_test_add_func("/connection/answer", test_answer);
	g_test_add_func("/connection/hang", test_hang);
	g_test_add_func("/connection/cancel", test_cancel);
	g_test_add_func("/connection/cap", test_cap);
	g_test_add_func("/connection/turn", test_turn);
	g_test_add_func("/connection/light", test_light);
	g_test_add_func("/connection/bell", test_bell);
	g_test_add_func("/connection/free_while_hanging", test_free_while_hanging);
	g_test_add_func("/connection/refused", test_refused);
	g_test_add_func("/connection/bad_uri", test_bad_uri);
	g_test_add_func("/connection/reconnect", test_reconnect);
	return g_test_run();
}
