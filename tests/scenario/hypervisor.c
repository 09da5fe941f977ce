/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the simulated hypervisor.  Its lower half is the world; the upper half are the functions of libvirt's client
 * library and of process.h that the plugin calls.  Any thread of the simulation.
 */
#include "tests/scenario/hypervisor.h"

#include "base/clock.h"
#include "base/thread.h"
#include "base/uuid.h"
#include "base/wait.h"
#include "plugins/libvirt/process.h"

#include <glib.h>
#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>
#include <string.h>

#define JOB_WAIT_NS (30 * NS_PER_S)
#define KEEPALIVE_NS (40 * NS_PER_S)
#define ANSWER_NS (1 * NS_PER_MS) /* of one monitor */
#define FIRST_NS (200 * NS_PER_MS) /* the first time, of those that run from the start */
#define START_NS (1 * NS_PER_S) /* and of others */

enum {
	MONITOR = VIR_DOMAIN_STATS_CPU_TOTAL | VIR_DOMAIN_STATS_VCPU | VIR_DOMAIN_STATS_BALLOON |
		  VIR_DOMAIN_STATS_BLOCK
};

struct domain {
	struct hyp_domain public;
	bool job; /* a call of ours has it */
	bool in_monitor; /* and waits for the monitor */
	int64_t sent_ns; /* wall clock: since when */
	int64_t first_ns; /* what its first call takes */
	unsigned waiting; /* calls of ours that wait for job or monitor */
};

struct connection {
	uint64_t generation;
	int refs;
	bool dead;
};

struct handle {
	size_t at;
	int number;
};

struct callback {
	struct callback *next;
	int id;
	struct connection *conn;
	virConnectDomainEventCallback fn;
	void *opaque;
	virFreeCallback release;
};

static struct {
	bool opened;
	struct wait lock; /* guards all; woken by every change */
	struct domain domain[HYP_DOMAINS];
	enum hyp_daemon daemon;
	int64_t daemon_ns, trouble_ns;
	uint64_t generation; /* of the daemon: another one after each restart */
	unsigned busy, hanging, most;
	uint64_t calls;
	int next_number, next_callback;
	bool events, fail;
	struct callback *callbacks;
} hyp;

static _Thread_local virError last_error;
static _Thread_local char last_text[128];

/* ------------------------------------------------------------------ the world */

static void changed(void)
{
	wait_wake(&hyp.lock);
}

static void begin(struct domain *d)
{
	d->public.exists = d->public.runs = true;
	d->public.number = ++hyp.next_number;
	d->public.monitor = HYP_ANSWERS;
	d->public.taken = false;
	d->public.asked = false;
	d->public.start_ns = d->public.trouble_ns = clock_monotonic();
}

void hyp_open(unsigned most, bool events)
{
	if (!hyp.opened) {
		wait_init(&hyp.lock);
		hyp.opened = true;
	}
	hyp.daemon = HYP_UP;
	hyp.most = most;
	hyp.events = events;
	hyp.generation++;
	hyp.calls = 0;
	hyp.busy = hyp.hanging = 0;
	hyp.daemon_ns = hyp.trouble_ns = clock_monotonic();
	for (size_t i = 0; i < HYP_DOMAINS; i++) {
		struct domain *d = &hyp.domain[i];

		*d = (struct domain){ .in_monitor = false };
		d->public.uuid[0] = 0x5e;
		d->public.uuid[4] = (uint8_t)(hyp.generation >> 8);
		d->public.uuid[5] = (uint8_t)hyp.generation;
		d->public.uuid[6] = 0x40;
		d->public.uuid[8] = 0x80;
		d->public.uuid[15] = (uint8_t)i;
		uuid_format(d->public.uuid, d->public.id);
		begin(d);
		d->first_ns = FIRST_NS;
	}
}

void hyp_close(void)
{
	g_assert_cmpuint(hyp.hanging, ==, 0);
	g_assert_cmpuint(hyp.busy, ==, 0);
}

const struct hyp_domain *hyp_get(size_t i)
{
	return &hyp.domain[i].public;
}

size_t hyp_find(const uint8_t uuid[16])
{
	for (size_t i = 0; i < HYP_DOMAINS; i++) {
		if (memcmp(hyp.domain[i].public.uuid, uuid, 16) == 0) {
			return i;
		}
	}
	return SIZE_MAX;
}

enum hyp_daemon hyp_daemon_is(void)
{
	return hyp.daemon;
}

int64_t hyp_daemon_trouble(void)
{
	return hyp.daemon == HYP_UP ? hyp.trouble_ns : clock_monotonic();
}

unsigned hyp_hanging(void)
{
	return hyp.hanging;
}

uint64_t hyp_calls(void)
{
	return hyp.calls;
}

void hyp_set_monitor(size_t i, enum hyp_monitor monitor)
{
	wait_lock(&hyp.lock);
	hyp.domain[i].public.trouble_ns = clock_monotonic();
	if (hyp.domain[i].public.runs) {
		hyp.domain[i].public.monitor = monitor;
	}
	changed();
	wait_unlock(&hyp.lock);
}

void hyp_set_taken(size_t i, bool taken)
{
	wait_lock(&hyp.lock);
	hyp.domain[i].public.trouble_ns = clock_monotonic();
	hyp.domain[i].public.taken = taken && hyp.domain[i].public.runs;
	changed();
	wait_unlock(&hyp.lock);
}

static virDomainPtr handle_new(size_t at)
{
	struct handle *h = g_new0(struct handle, 1);

	h->at = at;
	h->number = hyp.domain[at].public.runs ? hyp.domain[at].public.number : -1;
	return (virDomainPtr)(void *)h;
}

/* libvirt's events come on the main thread; the scenario's is the one that calls this. */
static void tell(size_t i, int event)
{
	virDomainPtr dom = handle_new(i);

	for (struct callback *c = hyp.callbacks; c; c = c->next) {
		if (!c->conn->dead && c->conn->generation == hyp.generation &&
		    hyp.daemon == HYP_UP) {
			c->fn((virConnectPtr)(void *)c->conn, dom, event, 0, c->opaque);
		}
	}
	virDomainFree(dom);
}

static void end(size_t i)
{
	struct domain *d = &hyp.domain[i];

	wait_lock(&hyp.lock);
	d->public.trouble_ns = clock_monotonic();
	d->public.runs = d->public.taken = false;
	d->public.monitor = HYP_ANSWERS;
	changed();
	wait_unlock(&hyp.lock);
}

void hyp_stop(size_t i)
{
	end(i);
	tell(i, VIR_DOMAIN_EVENT_STOPPED);
}

void hyp_start(size_t i)
{
	wait_lock(&hyp.lock);
	begin(&hyp.domain[i]);
	hyp.domain[i].first_ns = START_NS;
	changed();
	wait_unlock(&hyp.lock);
	tell(i, VIR_DOMAIN_EVENT_STARTED);
}

void hyp_remove(size_t i)
{
	end(i);
	hyp.domain[i].public.exists = false;
	tell(i, VIR_DOMAIN_EVENT_UNDEFINED);
}

void hyp_set_daemon(enum hyp_daemon state)
{
	bool thawed;

	wait_lock(&hyp.lock);
	if (state == HYP_DOWN && hyp.daemon != HYP_DOWN) {
		hyp.generation++; /* connections, workers and jobs are gone with it */
	}
	hyp.trouble_ns = hyp.daemon_ns = clock_monotonic();
	thawed = state == HYP_UP && hyp.daemon == HYP_FROZEN;
	hyp.daemon = state;
	changed();
	wait_unlock(&hyp.lock);
	for (size_t i = 0; thawed && i < HYP_DOMAINS; i++) {
		tell(i, VIR_DOMAIN_EVENT_STARTED); /* what it has seen only now */
	}
}

void hyp_fail_next(void)
{
	hyp.fail = true;
}

/* ------------------------------------------------------------------ a call's way through libvirtd */

static void set_error(int domain, int code, const char *text)
{
	g_strlcpy(last_text, text, sizeof(last_text));
	last_error = (virError){ .domain = domain, .code = code, .message = last_text };
}

static bool is_dead(const struct connection *c)
{
	return c->dead || c->generation != hyp.generation;
}

/* To the simulated clock our callers' threads are outside while they are in libvirt, and time stands.  Here it has to
 * pass, and one thread at a time shall run: so a call that can wait comes back in for as long as it lasts. */
static void come_in(void)
{
	thread_block_end();
	wait_lock(&hyp.lock);
}

static void go_out(void)
{
	wait_unlock(&hyp.lock);
	thread_block_begin();
}

static void nap_until(int64_t deadline_ns)
{
	wait_until(&hyp.lock, deadline_ns);
}

static void nap(int64_t ns)
{
	int64_t until = clock_monotonic() + ns;

	while (clock_monotonic() < until) {
		nap_until(until);
	}
}

/* Until the daemon takes requests; -1 with the error when the connection is lost. */
static int enter(struct connection *c)
{
	hyp.calls++;
	while (!is_dead(c) && hyp.daemon == HYP_FROZEN) {
		nap_until(hyp.daemon_ns + KEEPALIVE_NS);
		if (hyp.daemon == HYP_FROZEN && clock_monotonic() >= hyp.daemon_ns + KEEPALIVE_NS) {
			c->dead = true;
		}
	}
	if (is_dead(c)) {
		set_error(VIR_FROM_RPC, VIR_ERR_INTERNAL_ERROR, "client socket is closed");
		return -1;
	}
	return 0;
}

static int take_worker(struct connection *c)
{
	while (!is_dead(c) && hyp.busy >= HYP_WORKERS) {
		nap_until(WAIT_FOREVER);
	}
	if (is_dead(c)) {
		set_error(VIR_FROM_RPC, VIR_ERR_INTERNAL_ERROR, "client socket is closed");
		return -1;
	}
	hyp.busy++;
	return 0;
}

/* Whoever waits for a domain: one at most. */
static void wait_begin(struct domain *d)
{
	d->waiting++;
	if (d->waiting > 1) {
		g_error("%s is asked twice at once", d->public.id);
	}
}

/* Takes the job; false: somebody has it. */
static bool take_job(const struct connection *c, struct domain *d, bool nowait)
{
	int64_t until = clock_monotonic() + JOB_WAIT_NS;

	while (d->job || d->public.taken) {
		if (nowait || clock_monotonic() >= until || is_dead(c) || !d->public.runs) {
			return false;
		}
		wait_begin(d);
		nap_until(until);
		d->waiting--;
	}
	d->job = true;
	return true;
}

/* One exchange with the monitor.  False: QEMU has ended, or the daemon. */
static bool use_monitor(const struct connection *c, struct domain *d)
{
	int number = d->public.number;
	bool hangs = false;

	d->in_monitor = true;
	d->sent_ns = clock_real();
	wait_begin(d);
	while (d->public.monitor != HYP_ANSWERS && d->public.number == number && d->public.runs &&
	       c->generation == hyp.generation) {
		if (!hangs) {
			hangs = true;
			hyp.hanging++;
			if (hyp.hanging > hyp.most) {
				g_error("%u calls hang", hyp.hanging);
			}
		}
		nap_until(WAIT_FOREVER);
	}
	hyp.hanging -= hangs;
	if (d->public.runs && !d->public.asked) {
		nap(d->first_ns);
		d->public.asked = true;
		d->public.trouble_ns = clock_monotonic();
	}
	nap(ANSWER_NS);
	d->waiting--;
	d->in_monitor = false;
	return d->public.runs && d->public.number == number && c->generation == hyp.generation;
}

/* ------------------------------------------------------------------ statistics */

static void add(GArray *params, const char *name, int type, uint64_t value)
{
	virTypedParameter p = { .type = type };

	g_strlcpy(p.field, name, sizeof(p.field));
	if (type == VIR_TYPED_PARAM_INT) {
		p.value.i = (int)value;
	} else if (type == VIR_TYPED_PARAM_UINT) {
		p.value.ui = (unsigned)value;
	} else {
		p.value.ul = value;
	}
	g_array_append_val(params, p);
}

static void add_text(GArray *params, const char *name, const char *value)
{
	virTypedParameter p = { .type = VIR_TYPED_PARAM_STRING };

	g_strlcpy(p.field, name, sizeof(p.field));
	p.value.s = g_strdup(value);
	g_array_append_val(params, p);
}

/* Every counter is the time since the start, so that it can be told from when a value is. */
static void fill(GArray *params, const struct domain *d, unsigned groups, bool whole)
{
	uint64_t age = (uint64_t)(clock_monotonic() - d->public.start_ns);

	add(params, "state.state", VIR_TYPED_PARAM_INT,
	    d->public.runs ? VIR_DOMAIN_RUNNING : VIR_DOMAIN_SHUTOFF);
	add(params, "state.reason", VIR_TYPED_PARAM_INT, 1);
	if (groups & VIR_DOMAIN_STATS_CPU_TOTAL) {
		add(params, "cpu.time", VIR_TYPED_PARAM_ULLONG, age);
	}
	if (groups & VIR_DOMAIN_STATS_BALLOON) {
		add(params, "balloon.current", VIR_TYPED_PARAM_ULLONG, 65536);
		if (whole) {
			add(params, "balloon.rss", VIR_TYPED_PARAM_ULLONG, 32768);
		}
	}
	if (groups & VIR_DOMAIN_STATS_VCPU) {
		add(params, "vcpu.current", VIR_TYPED_PARAM_UINT, 1);
		add(params, "vcpu.0.time", VIR_TYPED_PARAM_ULLONG, age);
	}
	if (groups & VIR_DOMAIN_STATS_INTERFACE) {
		add(params, "net.count", VIR_TYPED_PARAM_UINT, 1);
		add_text(params, "net.0.name", "tap0");
		add(params, "net.0.rx.bytes", VIR_TYPED_PARAM_ULLONG, age);
	}
	if (groups & VIR_DOMAIN_STATS_BLOCK) {
		add(params, "block.count", VIR_TYPED_PARAM_UINT, 1);
		add_text(params, "block.0.name", "vda");
		if (whole) {
			add(params, "block.0.rd.reqs", VIR_TYPED_PARAM_ULLONG, age);
			add(params, "block.0.rd.bytes", VIR_TYPED_PARAM_ULLONG, age);
		}
	}
}

static virDomainStatsRecordPtr record_of(size_t at, unsigned groups, bool whole)
{
	virDomainStatsRecordPtr r = g_new0(virDomainStatsRecord, 1);
	GArray *params = g_array_new(FALSE, TRUE, sizeof(virTypedParameter));

	fill(params, &hyp.domain[at], groups, whole);
	r->dom = handle_new(at);
	r->nparams = (int)params->len;
	r->params = (virTypedParameterPtr)(void *)g_array_free(params, FALSE);
	return r;
}

/* Reads one; false when the connection was lost over it. */
static bool read_one(struct connection *c, size_t at, unsigned groups, bool nowait, GPtrArray *out)
{
	struct domain *d = &hyp.domain[at];
	bool whole = d->public.runs, job = false;

	if (whole && groups & MONITOR) {
		job = take_job(c, d, nowait);
		whole = job && use_monitor(c, d);
		d->job = job ? false : d->job;
		if (job) {
			changed();
		}
	}
	if (c->generation != hyp.generation) {
		return false;
	}
	if (d->public.exists) {
		g_ptr_array_add(out, record_of(at, groups, whole));
	}
	return true;
}

static int finish(struct connection *c, GPtrArray *out, virDomainStatsRecordPtr **ret)
{
	int n = (int)out->len;

	hyp.busy -= hyp.busy > 0;
	changed();
	g_ptr_array_add(out, NULL);
	*ret = (virDomainStatsRecordPtr *)(void *)g_ptr_array_free(out, FALSE);
	if (is_dead(c)) {
		virDomainStatsRecordListFree(*ret);
		*ret = NULL;
		set_error(VIR_FROM_RPC, VIR_ERR_INTERNAL_ERROR, "client socket is closed");
		return -1;
	}
	return n;
}

static int read_all(struct connection *c, const size_t *at, size_t count, unsigned groups,
		    unsigned flags, virDomainStatsRecordPtr **ret)
{
	GPtrArray *out;
	bool active = flags & VIR_CONNECT_GET_ALL_DOMAINS_STATS_ACTIVE;

	if (enter(c) < 0 || take_worker(c) < 0) {
		return -1;
	}
	if (hyp.fail) {
		hyp.fail = false;
		hyp.trouble_ns = clock_monotonic();
		hyp.busy--;
		set_error(VIR_FROM_QEMU, VIR_ERR_OPERATION_FAILED, "this one fails");
		return -1;
	}
	out = g_ptr_array_new();
	for (size_t i = 0; i < count; i++) {
		if (!hyp.domain[at[i]].public.exists ||
		    (active && !hyp.domain[at[i]].public.runs)) {
			continue;
		}
		if (!read_one(c, at[i], groups, flags & VIR_CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT,
			      out)) {
			break;
		}
	}
	return finish(c, out, ret);
}

static struct connection *connection_of(virConnectPtr conn)
{
	return (struct connection *)(void *)conn;
}

static struct handle *handle_of(virDomainPtr dom)
{
	return (struct handle *)(void *)dom;
}

int virConnectGetAllDomainStats(virConnectPtr conn, unsigned int stats,
				virDomainStatsRecordPtr **ret, unsigned int flags)
{
	size_t at[HYP_DOMAINS];
	int n;

	for (size_t i = 0; i < HYP_DOMAINS; i++) {
		at[i] = i;
	}
	come_in();
	n = read_all(connection_of(conn), at, HYP_DOMAINS, stats, flags, ret);
	go_out();
	return n;
}

/* libvirt's list calls have no connection but that of their first domain; the stand-in keeps it per thread. */
static _Thread_local struct connection *thread_connection;

int virDomainListGetStats(virDomainPtr *doms, unsigned int stats, virDomainStatsRecordPtr **ret,
			  unsigned int flags)
{
	size_t at[HYP_DOMAINS], n = 0;
	int count;

	for (; doms[n]; n++) {
		g_assert_cmpuint(n, <, HYP_DOMAINS);
		at[n] = handle_of(doms[n])->at;
	}
	come_in();
	count = read_all(thread_connection, at, n, stats, flags, ret);
	go_out();
	return count;
}

void virDomainStatsRecordListFree(virDomainStatsRecordPtr *stats)
{
	for (size_t i = 0; stats && stats[i]; i++) {
		for (int k = 0; k < stats[i]->nparams; k++) {
			if (stats[i]->params[k].type == VIR_TYPED_PARAM_STRING) {
				g_free(stats[i]->params[k].value.s);
			}
		}
		g_free(stats[i]->params);
		virDomainFree(stats[i]->dom);
		g_free(stats[i]);
	}
	g_free(stats);
}

/* ------------------------------------------------------------------ the rest of libvirt */

static virConnectPtr open_connection(void)
{
	struct connection *c = NULL;

	come_in();
	while (hyp.daemon == HYP_FROZEN) {
		nap_until(WAIT_FOREVER);
	}
	if (hyp.daemon == HYP_DOWN) {
		set_error(VIR_FROM_RPC, VIR_ERR_SYSTEM_ERROR, "Connection refused");
	} else {
		c = g_new0(struct connection, 1);
		c->generation = hyp.generation;
		c->refs = 1;
	}
	thread_connection = c;
	go_out();
	return (virConnectPtr)(void *)c;
}

virConnectPtr virConnectOpen(const char *name)
{
	return open_connection();
}

virConnectPtr virConnectOpenReadOnly(const char *name)
{
	return open_connection();
}

static void connection_unref(struct connection *c)
{
	if (--c->refs == 0) {
		g_free(c);
	}
}

int virConnectClose(virConnectPtr conn)
{
	wait_lock(&hyp.lock);
	connection_of(conn)->dead = true;
	connection_unref(connection_of(conn));
	wait_unlock(&hyp.lock);
	return 0;
}

int virConnectIsAlive(virConnectPtr conn)
{
	int alive;

	wait_lock(&hyp.lock);
	alive = !is_dead(connection_of(conn));
	wait_unlock(&hyp.lock);
	return alive;
}

int virConnectSetKeepAlive(virConnectPtr conn, int interval, unsigned int count)
{
	g_assert_cmpint(interval * ((int)count + 1), ==, KEEPALIVE_NS / NS_PER_S);
	return 0;
}

int virConnectListAllDomains(virConnectPtr conn, virDomainPtr **ret, unsigned int flags)
{
	struct connection *c = connection_of(conn);
	int n = -1;

	come_in();
	if (enter(c) == 0) {
		/* libvirt's callers free() it */
		*ret = calloc(HYP_DOMAINS + 1, sizeof(**ret));
		n = 0;
		for (size_t i = 0; i < HYP_DOMAINS; i++) {
			if (hyp.domain[i].public.exists &&
			    (hyp.domain[i].public.runs ||
			     !(flags & VIR_CONNECT_LIST_DOMAINS_ACTIVE))) {
				(*ret)[n++] = handle_new(i);
			}
		}
	}
	go_out();
	return n;
}

int virDomainGetControlInfo(virDomainPtr dom, virDomainControlInfoPtr info, unsigned int flags)
{
	const struct domain *d = &hyp.domain[handle_of(dom)->at];
	int result = -1;

	come_in();
	if (enter(thread_connection) == 0) {
		if (!d->public.runs) {
			set_error(VIR_FROM_QEMU, VIR_ERR_OPERATION_INVALID,
				  "domain is not running");
		} else {
			bool busy = d->in_monitor || d->public.taken;
			int64_t since = d->in_monitor ? d->sent_ns : clock_real();

			*info = (virDomainControlInfo){
				.state = busy ? VIR_DOMAIN_CONTROL_OCCUPIED : VIR_DOMAIN_CONTROL_OK,
				.stateTime =
					(unsigned long long)((clock_real() - since) / NS_PER_MS)
			};
			result = 0;
		}
	}
	go_out();
	return result;
}

char *virDomainGetXMLDesc(virDomainPtr dom, unsigned int flags)
{
	static const char format[] =
		"<domain type='kvm'><name>%s</name><uuid>%s</uuid><memory>65536</memory>"
		"<vcpu>1</vcpu><devices><disk type='network' device='disk'><source protocol='rbd' "
		"name='a'/><target dev='vda'/></disk><interface type='ethernet'>"
		"<mac address='52:54:00:00:00:01'/><target dev='tap0'/></interface>"
		"<memballoon model='virtio'/></devices></domain>";
	const struct domain *d = &hyp.domain[handle_of(dom)->at];
	char *xml = NULL;

	come_in();
	if (enter(thread_connection) == 0) {
		char *text = g_strdup_printf(format, d->public.id, d->public.id);

		xml = strdup(text);
		g_free(text);
	}
	go_out();
	return xml;
}

int virDomainGetUUID(virDomainPtr dom, unsigned char *uuid)
{
	memcpy(uuid, hyp.domain[handle_of(dom)->at].public.uuid, 16);
	return 0;
}

const char *virDomainGetName(virDomainPtr dom)
{
	return hyp.domain[handle_of(dom)->at].public.id;
}

unsigned int virDomainGetID(virDomainPtr dom)
{
	return (unsigned)handle_of(dom)->number;
}

int virDomainFree(virDomainPtr dom)
{
	g_free(dom);
	return 0;
}

int virConnectDomainEventRegisterAny(virConnectPtr conn, virDomainPtr dom, int event,
				     virConnectDomainEventGenericCallback fn, void *opaque,
				     virFreeCallback release)
{
	struct callback *c;

	if (!hyp.events || event != VIR_DOMAIN_EVENT_ID_LIFECYCLE) {
		set_error(VIR_FROM_QEMU, VIR_ERR_NO_SUPPORT, "not here");
		return -1;
	}
	c = g_new0(struct callback, 1);
	*c = (struct callback){ .next = hyp.callbacks,
				.id = ++hyp.next_callback,
				.conn = connection_of(conn),
				.fn = (virConnectDomainEventCallback)(void (*)(void))fn,
				.opaque = opaque,
				.release = release };
	wait_lock(&hyp.lock);
	c->conn->refs++;
	hyp.callbacks = c;
	wait_unlock(&hyp.lock);
	return c->id;
}

int virConnectDomainEventDeregisterAny(virConnectPtr conn, int id)
{
	struct callback *found = NULL;

	wait_lock(&hyp.lock);
	for (struct callback **at = &hyp.callbacks; *at; at = &(*at)->next) {
		if ((*at)->id == id) {
			found = *at;
			*at = found->next;
			connection_unref(found->conn);
			break;
		}
	}
	wait_unlock(&hyp.lock);
	if (found) {
		found->release(found->opaque);
		g_free(found);
	}
	return 0;
}

virErrorPtr virGetLastError(void)
{
	return last_error.code ? &last_error : NULL;
}

const char *virGetLastErrorMessage(void)
{
	return last_error.code ? last_text : "no error";
}

void virResetLastError(void)
{
	last_error = (virError){ .code = 0 };
}

int virEventRegisterDefaultImpl(void)
{
	return 0;
}

int virInitialize(void)
{
	return 0;
}

/* ------------------------------------------------------------------ the kernel (process.h) */

struct processes {
	int64_t since_ns[HYP_DOMAINS]; /* when it was first seen blocked; 0: it is not */
};

struct processes *processes_new(const char *proc)
{
	return g_new0(struct processes, 1);
}

void processes_free(struct processes *p)
{
	g_free(p);
}

void processes_scan(struct processes *p)
{
}

bool processes_find(struct processes *p, const uint8_t uuid[16], struct process *ret_process)
{
	return false;
}

enum process_state processes_look(struct processes *p, const uint8_t uuid[16])
{
	size_t i = hyp_find(uuid);
	int64_t now = clock_monotonic();

	if (i == SIZE_MAX || !hyp.domain[i].public.runs) {
		return PROCESS_UNKNOWN;
	}
	if (hyp.domain[i].public.monitor != HYP_BLOCKED) {
		p->since_ns[i] = 0;
		return hyp.domain[i].public.monitor == HYP_STOPPED ? PROCESS_STOPPED
								   : PROCESS_GOING;
	}
	p->since_ns[i] = p->since_ns[i] ? p->since_ns[i] : now;
	return now - p->since_ns[i] >= NS_PER_S ? PROCESS_BLOCKED : PROCESS_WAITING;
}

const char *process_state_name(enum process_state s)
{
	return "simulated";
}
