/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the numbers of a simulated instance.  Runs on the inspector's worker; blocks on nothing, and takes no
 * memory while reading.
 */
#include "plugins/inspector/simulated/body.h"
#include "base/clock.h"
#include "base/hash.h"
#include "plugins/simulated/activity.h"

#include <glib.h>
#include <string.h>

#define MIB UINT64_C(1048576)
#define GIB UINT64_C(1073741824)
#define RATE_WINDOW_NS (20 * NS_PER_S)

enum { STATE_RUNNING = 1, STATE_SHUTOFF = 5 }; /* virDomainState */

/* Which of an instance's pulses and random numbers. */
enum { KEY_CPU = 1, KEY_MEMORY, KEY_CACHE, KEY_DISK = 1000, KEY_NIC = 2000 };

/* A number from the key, evenly in [from, to). */
static double between(uint64_t key, uint64_t which, double from, double to)
{
	return from +
	       (to - from) * (double)(activity_mix(key, which) >> 11) / (double)(UINT64_C(1) << 53);
}

static struct pulse pulse_make(const struct actor *a, uint64_t which, double calm, double bursty)
{
	struct pulse p = { .key = activity_mix(a->key, which), .since_ns = a->boot_ns };

	p.spread = between(p.key, 1, calm, bursty);
	p.zero = activity_at(p.key, p.spread, a->boot_ns);
	return p;
}

static int64_t pulse_at(const struct pulse *p, int64_t now)
{
	return now <= p->since_ns ? 0 : activity_at(p->key, p->spread, now) - p->zero;
}

/* Activity per ns over the last while. */
static double pulse_rate(const struct pulse *p, int64_t now)
{
	int64_t before = MAX(now - RATE_WINDOW_NS, p->since_ns);

	return now <= before
		       ? 0
		       : (double)(pulse_at(p, now) - pulse_at(p, before)) / (double)(now - before);
}

static void device_make(struct vmt_device *d, const struct actor *a, uint64_t which)
{
	d->version = activity_mix(a->key, which ^ UINT64_C(0x100000000)) | 1;
	d->epoch = activity_mix(a->epoch, which) | 1;
}

static void drive_make(struct drive *d, const struct actor *a, uint32_t n, struct arena *arena)
{
	uint64_t key = activity_mix(a->key, KEY_DISK + n);

	device_make(&d->device, a, KEY_DISK + n);
	d->device.name = arena_printf(arena, "vd%c", (char)('a' + n));
	d->read = pulse_make(a, KEY_DISK + n, 0.1, 0.3);
	d->write = pulse_make(a, KEY_DISK + n + 100, 0.1, 0.3);
	d->read_rate = between(key, 1, 0.1e-6, 200e-6); /* 0.1 to 200 kB/s */
	d->write_rate = between(key, 2, 1e-6, 400e-6);
	d->read_size = 4096U * (uint32_t)between(key, 3, 1, 17);
	d->write_size = 4096U * (uint32_t)between(key, 4, 1, 9);
	d->capacity = n ? 10 * GIB * n : (uint64_t)a->flavor->disk_gib * GIB;
}

static void port_make(struct port *p, const struct actor *a, uint32_t n, struct arena *arena)
{
	uint64_t key = activity_mix(a->key, KEY_NIC + n);
	unsigned id = (unsigned)(key >> 32), more = (unsigned)(key >> 24 & 0xff);
	struct vmt_pair *parameters = ARENA_ARRAY(arena, struct vmt_pair, 2);

	device_make(&p->device, a, KEY_NIC + n);
	p->device.name = arena_printf(arena, "tap%08x-%02x", id, more);
	p->device.mac = arena_printf(arena, "fa:16:3e:%02x:%02x:%02x", (unsigned)(key & 0xff),
				     (unsigned)(key >> 8 & 0xff), (unsigned)(key >> 16 & 0xff));
	p->device.bridge = "br-int";
	p->device.parameters = parameters;
	if (n % 2) { /* every other one behind a filter, as nova-network had them */
		p->device.filter = arena_printf(arena, "nova-instance-%08x-fa163e%06x", a->slot + 1,
						(unsigned)(key & 0xffffff));
		parameters[0] = (struct vmt_pair){
			"ip",
			arena_printf(arena, "10.%u.%u.%u", n, a->slot >> 8 & 0xff, a->slot & 0xff),
			false
		};
	} else {
		p->device.interface_id =
			arena_printf(arena, "%08x-%02x00-4000-8000-%012" G_GINT64_MODIFIER "x", id,
				     more, (uint64_t)(key & 0xffffffffffff));
	}
	p->rx = pulse_make(a, KEY_NIC + n, 0.1, 0.3);
	p->tx = pulse_make(a, KEY_NIC + n + 100, 0.1, 0.3);
	p->rx_rate = between(key, 1, 0.5e-6, 300e-6);
	p->tx_rate = between(key, 2, 0.5e-6, 500e-6);
	p->rx_size = (uint32_t)between(key, 3, 90, 1400);
	p->tx_size = (uint32_t)between(key, 4, 90, 1400);
}

void body_make(struct body *ret, const struct actor *actor, const struct simulated_conf *conf,
	       struct arena *arena)
{
	struct body b = { .known = true, .actor = *actor };

	b.cpu = pulse_make(actor, KEY_CPU, 0.02, 0.25);
	/* Even at the peak of activity, the emulator's share included, below what the virtual CPUs can. */
	b.cpu_rate = (double)actor->flavor->vcpus * between(actor->key, 9, 0.1, 0.9) /
		     activity_peak(b.cpu.spread);
	b.drives = (uint32_t)conf->disks;
	b.ports = (uint32_t)conf->nics;
	b.drive = ARENA_ARRAY(arena, struct drive, b.drives);
	b.port = ARENA_ARRAY(arena, struct port, b.ports);
	for (uint32_t n = 0; n < b.drives; n++) {
		drive_make(&b.drive[n], actor, n, arena);
	}
	for (uint32_t n = 0; n < b.ports; n++) {
		port_make(&b.port[n], actor, n, arena);
	}
	*ret = b;
}

/* How many events of size `each` make up the amount. */
static uint64_t events(double amount, double each)
{
	return (uint64_t)(amount / each);
}

static void read_cpu(const struct body *b, const struct look *look, struct vmt_reading *r)
{
	double guest = (double)pulse_at(&b->cpu, look->now_ns) * b->cpu_rate;
	uint8_t s = look->stamp;

	vmt_set(r, VMT_F_VCPUS, (uint64_t)b->actor.flavor->vcpus, s);
	vmt_set(r, VMT_F_CPU_TIME, (uint64_t)(guest * 1.04), s);
	vmt_set(r, VMT_F_CPU_USER, (uint64_t)(guest * 0.22), s);
	vmt_set(r, VMT_F_CPU_SYSTEM, (uint64_t)(guest * 0.13), s);
	if (look->groups & VMT_GROUP_VCPU) {
		vmt_set(r, VMT_F_VCPU_TIME, (uint64_t)guest, s);
		vmt_set(r, VMT_F_VCPU_WAIT, (uint64_t)(guest * 0.006), s);
		vmt_set(r, VMT_F_VCPU_DELAY, (uint64_t)(guest * 0.017), s);
	}
	if (look->groups & VMT_GROUP_PERF && look->perf) {
		vmt_set(r, VMT_F_PERF_CPU_CYCLES, (uint64_t)(guest * 2.4), s);
		vmt_set(r, VMT_F_PERF_INSTRUCTIONS, (uint64_t)(guest * 3.1), s);
		vmt_set(r, VMT_F_PERF_CACHE_REFERENCES, (uint64_t)(guest * 0.041), s);
		vmt_set(r, VMT_F_PERF_CACHE_MISSES, (uint64_t)(guest * 0.0052), s);
		vmt_set(r, VMT_F_PERF_CMT,
			(uint64_t)(activity_level(b->actor.key + KEY_CACHE, look->now_ns) * 64) *
				65536,
			s);
		vmt_set(r, VMT_F_PERF_MBMT, (uint64_t)(guest * 0.33), s);
		vmt_set(r, VMT_F_PERF_MBML, (uint64_t)(guest * 0.29), s);
	}
	if (look->rates) {
		r->value[VMT_F_CPU_UTIL].d = pulse_rate(&b->cpu, look->now_ns) * b->cpu_rate * 104 /
					     (double)b->actor.flavor->vcpus;
		r->stamp[VMT_F_CPU_UTIL] = s;
		r->present |= UINT64_C(1) << VMT_F_CPU_UTIL;
	}
}

static void read_memory(const struct body *b, const struct look *look, struct vmt_reading *r)
{
	uint64_t ram = (uint64_t)b->actor.flavor->ram_mib * 1024, available = ram - ram / 32;
	double level = activity_level(b->actor.key + KEY_MEMORY, look->now_ns);
	double work = (double)pulse_at(&b->cpu, look->now_ns) * b->cpu_rate;
	uint64_t used = (uint64_t)((double)available * (0.15 + 0.6 * level));
	uint64_t caches = (available - used) / 2;
	uint8_t s = look->stamp;

	vmt_set(r, VMT_F_MEM_ACTUAL, ram, s);
	vmt_set(r, VMT_F_MEM_MAXIMUM, ram, s);
	vmt_set(r, VMT_F_MEM_AVAILABLE, available, s);
	vmt_set(r, VMT_F_MEM_UNUSED, available - used - caches, s);
	vmt_set(r, VMT_F_MEM_USABLE, available - used, s);
	vmt_set(r, VMT_F_DISK_CACHES, caches, s);
	vmt_set(r, VMT_F_MEM_RSS, (used + caches) / 4096 * 4096 + 43008, s);
	vmt_set(r, VMT_F_SWAP_IN, events(work, 9e9) * 4, s);
	vmt_set(r, VMT_F_SWAP_OUT, events(work, 5e9) * 4, s);
	vmt_set(r, VMT_F_MAJOR_FAULTS, events(work, 2e9), s);
	vmt_set(r, VMT_F_MINOR_FAULTS, events(work, 4e4), s);
	if (look->rates) {
		vmt_set_double(r, VMT_F_MEM_USED, (double)used, s);
	}
}

static void drive_sizes(const struct drive *d, const struct look *look,
			struct vmt_device_reading *r)
{
	double written = (double)pulse_at(&d->write, look->now_ns) * d->write_rate;
	double grown = (double)d->capacity * 0.15 + written * 0.02;
	uint64_t allocation = (uint64_t)MIN(grown, (double)d->capacity) & ~UINT64_C(0xffff);

	if (look->groups & VMT_GROUP_DISK) {
		vmt_device_set(r, VMT_D_CAPACITY, d->capacity, look->stamp);
	}
	if (look->groups & VMT_GROUP_DISK_USAGE) {
		vmt_device_set(r, VMT_D_ALLOCATION, allocation, look->stamp);
		vmt_device_set(r, VMT_D_PHYSICAL, allocation + 3 * 65536, look->stamp);
	}
}

static void drive_rates(const struct drive *d, const struct look *look,
			struct vmt_device_reading *r)
{
	double in = pulse_rate(&d->read, look->now_ns) * d->read_rate * NS_PER_S;
	double out = pulse_rate(&d->write, look->now_ns) * d->write_rate * NS_PER_S;
	uint8_t s = look->stamp;

	vmt_device_set_double(r, VMT_D_READ_BYTES_RATE, in, s);
	vmt_device_set_double(r, VMT_D_WRITE_BYTES_RATE, out, s);
	vmt_device_set_double(r, VMT_D_READ_REQUESTS_RATE, in / d->read_size, s);
	vmt_device_set_double(r, VMT_D_WRITE_REQUESTS_RATE, out / d->write_size, s);
	vmt_device_set_double(r, VMT_D_IOPS, in / d->read_size + out / d->write_size, s);
	vmt_device_set_double(r, VMT_D_LATENCY, 0.4 + (in + out) / (256.0 * (double)MIB), s);
}

static void drive_read(const struct drive *d, const struct look *look, struct vmt_device_reading *r)
{
	uint64_t reads =
		events((double)pulse_at(&d->read, look->now_ns) * d->read_rate, d->read_size);
	uint64_t writes =
		events((double)pulse_at(&d->write, look->now_ns) * d->write_rate, d->write_size);
	uint8_t s = look->stamp;

	drive_sizes(d, look, r);
	if (!(look->groups & VMT_GROUP_DISK)) {
		return;
	}
	vmt_device_set(r, VMT_D_READ_REQUESTS, reads, s);
	vmt_device_set(r, VMT_D_READ_BYTES, reads * d->read_size, s);
	vmt_device_set(r, VMT_D_WRITE_REQUESTS, writes, s);
	vmt_device_set(r, VMT_D_WRITE_BYTES, writes * d->write_size, s);
	vmt_device_set(r, VMT_D_READ_TIME, reads * 183257, s);
	vmt_device_set(r, VMT_D_WRITE_TIME, writes * 421903, s);
	vmt_device_set(r, VMT_D_FLUSH_REQUESTS, writes / 23, s);
	vmt_device_set(r, VMT_D_FLUSH_TIME, writes / 23 * 1204417, s);
	if (look->rates) {
		drive_rates(d, look, r);
	}
}

static void port_read(const struct port *p, const struct look *look, struct vmt_device_reading *r)
{
	uint64_t in = (uint64_t)((double)pulse_at(&p->rx, look->now_ns) * p->rx_rate);
	uint64_t out = (uint64_t)((double)pulse_at(&p->tx, look->now_ns) * p->tx_rate);
	uint8_t s = look->stamp;

	vmt_device_set(r, VMT_N_RX_BYTES, in, s);
	vmt_device_set(r, VMT_N_RX_PACKETS, in / p->rx_size, s);
	vmt_device_set(r, VMT_N_RX_ERRORS, 0, s);
	vmt_device_set(r, VMT_N_RX_DROPS, in / p->rx_size / 40009, s);
	vmt_device_set(r, VMT_N_TX_BYTES, out, s);
	vmt_device_set(r, VMT_N_TX_PACKETS, out / p->tx_size, s);
	vmt_device_set(r, VMT_N_TX_ERRORS, 0, s);
	vmt_device_set(r, VMT_N_TX_DROPS, out / p->tx_size / 90001, s);
	if (look->rates) {
		vmt_device_set_double(r, VMT_N_RX_BYTES_RATE,
				      pulse_rate(&p->rx, look->now_ns) * p->rx_rate * NS_PER_S, s);
		vmt_device_set_double(r, VMT_N_TX_BYTES_RATE,
				      pulse_rate(&p->tx, look->now_ns) * p->tx_rate * NS_PER_S, s);
	}
}

static uint32_t turn(uint32_t n, uint32_t count, bool reverse)
{
	return reverse ? count - 1 - n : n;
}

void body_read(const struct body *b, const struct look *look, struct vmt_inspection *out, size_t i)
{
	struct vmt_reading *r = &out->reading[i];

	if (look->groups & VMT_GROUP_STATE) {
		vmt_set(r, VMT_F_STATE, STATE_RUNNING, look->stamp);
	}
	if (look->groups & (VMT_GROUP_CPU | VMT_GROUP_VCPU | VMT_GROUP_PERF)) {
		read_cpu(b, look, r);
	}
	if (look->groups & VMT_GROUP_MEMORY) {
		read_memory(b, look, r);
	}
	if (look->groups & (VMT_GROUP_DISK | VMT_GROUP_DISK_USAGE)) {
		for (uint32_t n = 0; n < b->drives; n++) {
			const struct drive *d = &b->drive[turn(n, b->drives, look->reverse)];

			drive_read(d, look, vmt_inspection_disk(out, i, &d->device));
		}
	}
	if (look->groups & VMT_GROUP_NIC) {
		for (uint32_t n = 0; n < b->ports; n++) {
			const struct port *p = &b->port[turn(n, b->ports, look->reverse)];

			port_read(p, look, vmt_inspection_nic(out, i, &p->device));
		}
	}
}

void body_read_stopped(const struct body *b, const struct look *look, struct vmt_inspection *out,
		       size_t i)
{
	struct vmt_reading *r = &out->reading[i];
	uint64_t ram = (uint64_t)b->actor.flavor->ram_mib * 1024;

	vmt_set(r, VMT_F_STATE, STATE_SHUTOFF, look->stamp);
	vmt_set(r, VMT_F_VCPUS, (uint64_t)b->actor.flavor->vcpus, look->stamp);
	vmt_set(r, VMT_F_MEM_MAXIMUM, ram, look->stamp);
	for (uint32_t n = 0; n < b->drives; n++) {
		const struct drive *d = &b->drive[turn(n, b->drives, look->reverse)];

		drive_sizes(d, look, vmt_inspection_disk(out, i, &d->device));
	}
}
