/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A table of instances per cycle.  Runs on the thread of the polling task whose cycle it shows; blocks
 * on the terminal.
 */
#include "cmd/watch.h"

#include <glib.h>
#include <math.h>
#include <string.h>
#include <time.h>

#define NAME_MIN 12
#define REST_WIDTH 66 /* of all columns but the name */

/* What rates are made of; NAN where it was not read. */
struct watch_values {
	int64_t mono_ns;
	double cpu_ns, read, written, received, sent;
};

struct watch {
	FILE *out;
	unsigned name_width;
	GHashTable *last, *now; /* instance id → struct watch_values * */
};

static const char *const outcome_words[VMT_OUTCOMES] = {
	[VMT_UNREAD] = "unread",
	[VMT_OK] = "ok",
	[VMT_STOPPED] = "stopped",
	[VMT_GONE] = "gone",
	[VMT_STUCK] = "stuck",
	[VMT_PARTIAL] = "partial",
	[VMT_UNREACHABLE] = "unreachable",
};

struct watch *watch_new(FILE *out, unsigned columns)
{
	struct watch *w = g_new0(struct watch, 1);

	w->out = out;
	w->name_width = columns > REST_WIDTH + NAME_MIN ? columns - REST_WIDTH : NAME_MIN;
	w->name_width = MIN(w->name_width, 40);
	w->last = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
	w->now = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
	return w;
}

void watch_free(struct watch *watch)
{
	if (!watch) {
		return;
	}
	g_hash_table_destroy(watch->last);
	g_hash_table_destroy(watch->now);
	g_free(watch);
}

static double field(const struct vmt_reading *r, enum vmt_field f)
{
	return r->present >> f & 1 ? (double)r->value[f].u : NAN;
}

static double sum(const struct vmt_device_reading *d, uint32_t n, unsigned f)
{
	double total = n ? 0 : NAN;

	for (uint32_t i = 0; i < n; i++) {
		total += d[i].present >> f & 1 ? (double)d[i].value[f].u : NAN;
	}
	return total;
}

static struct watch_values values(const struct vmt_inspection *in, size_t i)
{
	const struct vmt_reading *r = &in->reading[i];
	bool cpu = r->present >> VMT_F_CPU_TIME & 1;
	enum vmt_field f = cpu ? VMT_F_CPU_TIME : VMT_F_VCPU_TIME;

	return (struct watch_values){
		.mono_ns = in->stamps ? in->stamp[r->stamp[f]].mono_ns : 0,
		.cpu_ns = field(r, f),
		.read = sum(in->disk + r->first_disk, r->disks, VMT_D_READ_BYTES),
		.written = sum(in->disk + r->first_disk, r->disks, VMT_D_WRITE_BYTES),
		.received = sum(in->nic + r->first_nic, r->nics, VMT_N_RX_BYTES),
		.sent = sum(in->nic + r->first_nic, r->nics, VMT_N_TX_BYTES),
	};
}

/* "-" when it is not known, else a short number with a binary prefix. */
static const char *amount(char text[16], double v)
{
	static const char prefix[] = " KMGTPE";
	unsigned p = 0;

	if (isnan(v)) {
		return "-";
	}
	while (fabs(v) >= 1000 && p + 1 < sizeof(prefix) - 1) {
		v /= 1024;
		p++;
	}
	g_snprintf(text, 16, "%.*f%.1s", p && v < 10 ? 1 : 0, v, p ? &prefix[p] : "");
	return text;
}

static double rate(double now, double before, double seconds)
{
	return seconds > 0 && now >= before ? (now - before) / seconds : NAN;
}

static void print_row(struct watch *w, const struct vmt_instance *in,
		      const struct vmt_inspection *all, size_t i)
{
	const struct vmt_reading *r = &all->reading[i];
	struct watch_values *now = g_new(struct watch_values, 1), *before, none = { .cpu_ns = NAN };
	const char *name = in->display_name ? in->display_name : in->name ? in->name : in->id;
	double s, used = field(r, VMT_F_MEM_USABLE), cpu;
	char t[6][16], vcpus[16] = "-";

	*now = values(all, i);
	before = g_hash_table_lookup(w->last, in->id);
	if (!before) {
		none.read = none.written = none.received = none.sent = NAN;
		before = &none;
	}
	s = (double)(now->mono_ns - before->mono_ns) / 1e9;
	used = field(r, VMT_F_MEM_AVAILABLE) - (isnan(used) ? field(r, VMT_F_MEM_UNUSED) : used);
	cpu = rate(now->cpu_ns, before->cpu_ns, s) / 1e7;
	g_snprintf(t[0], sizeof(t[0]), "%.1f", cpu);
	if (r->present >> VMT_F_VCPUS & 1) {
		g_snprintf(vcpus, sizeof(vcpus), "%" G_GUINT64_FORMAT, r->value[VMT_F_VCPUS].u);
	}
	fprintf(w->out, "%-*.*s %-11s %4s %6s %7s %8s %8s %8s %8s\n", (int)w->name_width,
		(int)w->name_width, name,
		r->outcome == VMT_OK && in->state ? in->state : outcome_words[r->outcome], vcpus,
		isnan(cpu) ? "-" : t[0], amount(t[1], used * 1024),
		amount(t[2], rate(now->read, before->read, s)),
		amount(t[3], rate(now->written, before->written, s)),
		amount(t[4], rate(now->received, before->received, s)),
		amount(t[5], rate(now->sent, before->sent, s)));
	g_hash_table_replace(w->now, g_strdup(in->id), now);
}

void watch_print(struct watch *w, const struct vmt_snapshot *instances,
		 const struct vmt_inspection *readings, uint64_t samples)
{
	time_t now = (time_t)(vmt_clock_real() / 1000000000);
	GHashTable *swap;
	struct tm tm;
	char when[32];

	localtime_r(&now, &tm);
	strftime(when, sizeof(when), "%H:%M:%S", &tm);
	fprintf(w->out, "\n%s  %zu instances, %" G_GUINT64_FORMAT " samples\n", when,
		instances->count, samples);
	fprintf(w->out, "%-*s %-11s %4s %6s %7s %8s %8s %8s %8s\n", (int)w->name_width, "INSTANCE",
		"STATE", "VCPU", "CPU%", "MEMORY", "READ/s", "WRITE/s", "RECV/s", "SENT/s");
	for (size_t i = 0; i < instances->count && i < readings->count; i++) {
		print_row(w, &instances->instances[i], readings, i);
	}
	fflush(w->out);
	swap = w->last;
	w->last = w->now;
	w->now = swap;
	g_hash_table_remove_all(w->now);
}
