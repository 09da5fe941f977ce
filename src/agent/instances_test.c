/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One list of three discoveries: who is here by the first, what the second knows of them, and what the third looks up.
 * Instances that come and go by the thousand leave nothing behind.
 */
#include "agent/instances.h"

#include <errno.h>
#include <glib.h>
#include <string.h>

#include "base/clock.h"
#include "model/alloc_count.h"
#include "model/snapshot.h"

/* Instances "ID ID=NAME …" as each of them is told next; NULL: `ret` is answered instead. */
struct fake {
	const char *text;
	int ret;
	/* of the one that describes */
	int busy; /* so often */
	const char *error;
	int calls;
};

static const atomic_bool never;
static const struct vmt_call call = { .deadline_ns = INT64_MAX, .cancel = &never };

static void add(struct vmt_snapshot_builder *builder, const struct vmt_instance *in,
		const char *name)
{
	struct vmt_instance copy = *in;

	copy.display_name = name;
	vmt_snapshot_add(builder, &copy);
}

static int discover(void *self, const char *param, struct vmt_snapshot_builder *builder,
		    const struct vmt_call *c, struct vmt_error *error)
{
	struct fake *f = self;
	char **ids;

	if (!f->text) {
		return f->ret < 0 ? vmt_error_set(error, f->ret, "fake: %d", f->ret) : f->ret;
	}
	ids = g_strsplit(f->text, " ", -1);
	for (char **id = ids; *id && **id; id++) {
		char *name = strchr(*id, '=');
		struct vmt_instance in = { .id = *id, .name = name ? name + 1 : NULL };

		if (name) {
			*name = '\0';
		}
		in.state = g_str_has_suffix(*id, "!") ? "error" : "";
		add(builder, &in, strcmp(param, "all") == 0 ? "more" : "here");
	}
	g_strfreev(ids);
	return 1;
}

static int describe(void *self, const struct vmt_snapshot *found,
		    struct vmt_snapshot_builder *builder, bool *ret_busy, struct vmt_error *error)
{
	struct fake *f = self;

	f->calls++;
	*ret_busy = f->busy > 0;
	if (f->error) {
		vmt_error_set(error, -EIO, "%s", f->error);
	}
	if (f->busy-- > 0 && f->calls > 1) {
		return 0;
	}
	for (size_t i = 0; i < found->count; i++) {
		char *name =
			g_strconcat(found->instances[i].display_name, f->busy < 0 ? "+" : "", NULL);

		add(builder, &found->instances[i], name);
		g_free(name);
	}
	return 1;
}

static const struct vmt_discovery_ops ops = { .discover = discover, .describe = describe };

/* "ID:NAME ID:NAME" of the list now. */
static const char *now(struct instances *in)
{
	static char text[256];
	struct vmt_error error = { .text = "" };
	struct snapshot *s = instances_get(in, &call, &error);

	if (!s) {
		return error.text[0] ? "none" : "";
	}
	text[0] = '\0';
	for (size_t i = 0; i < s->list.count; i++) {
		char *one = g_strdup_printf("%s%s:%s", i ? " " : "", s->list.instances[i].id,
					    s->list.instances[i].display_name);

		g_strlcat(text, one, sizeof(text));
		g_free(one);
	}
	snapshot_unref(s);
	return text;
}

static void test_joined(void)
{
	struct fake here = { .text = "a b c!" }, more = { .ret = -EIO };
	struct instances *in = instances_new("here", "", &ops, &here);
	char error[sizeof(((struct vmt_error *)0)->text)];
	int64_t age_ns;

	instances_join(in, "more", &ops, &more, false);
	g_assert_cmpstr(now(in), ==,
			"a:here b:here c!:here"); /* what is not known is as it was found */
	g_assert_true(instances_joined_age(in, &age_ns, error));
	g_assert_cmpint(age_ns, ==, -1);
	g_assert_cmpstr(error, ==, "fake: -5");
	g_assert_false(instances_described_age(in, &age_ns, error));
	more.text = "b c! d";
	g_assert_cmpstr(now(in), ==, "a:here b:more"); /* one in error is left out, d is not here */
	here.text = "b d";
	more.text = NULL;
	g_assert_cmpstr(now(in), ==, "b:more d:more"); /* the last good list serves on */
	here.text = NULL;
	here.ret = -EIO;
	g_assert_cmpstr(now(in), ==, "b:more d:more");
	instances_free(in);
}

/* Machines with ids of their own are known by the hypervisor's name, if it is one machine's. */
static void test_joined_by_name(void)
{
	static const struct {
		const char *here, *more, *by_name, *by_id;
	} cases[] = {
		{ "A=x B=y", "1=x", "1:more B:here", "A:here B:here" },
		{ "A=x B=y", "A=z 1=y", "A:more 1:more", "A:more B:here" }, /* the id comes first */
		{ "A=x B=x", "1=x", "A:here B:here", "A:here B:here" },
		{ "A=x", "1=x 2=x", "A:here", "A:here" },
		{ "A=x 1=y", "1=x", "A:here 1:more", "A:here 1:more" }, /* that is another one */
		{ "A=x", "1!=x", "", "A:here" },
		{ "A B=", "1 2=", "A:here B:here", "A:here B:here" },
		{ "A=x", "1=X", "A:here", "A:here" },
	};

	for (size_t i = 0; i < 2 * G_N_ELEMENTS(cases); i++) {
		struct fake here = { .text = cases[i / 2].here },
			    more = { .text = cases[i / 2].more };
		struct instances *in = instances_new("here", "", &ops, &here);

		instances_join(in, "more", &ops, &more, i % 2 == 0);
		g_assert_cmpstr(now(in), ==, i % 2 ? cases[i / 2].by_id : cases[i / 2].by_name);
		instances_free(in);
	}
}

static void test_described(void)
{
	struct fake here = { .ret = -EIO }, last = { .busy = 2 };
	struct instances *in = instances_new("here", "", &ops, &here);
	char error[sizeof(((struct vmt_error *)0)->text)];
	int64_t age_ns;

	instances_describe(in, "last", &ops, &last);
	g_assert_cmpstr(now(in), ==, "none");
	g_assert_cmpint(last.calls, ==, 0); /* there is nothing to describe yet */
	here.text = "a b";
	g_assert_cmpstr(now(in), ==, "a:here b:here"); /* and nobody waits for it */
	g_assert_cmpint(last.calls, ==, 1);
	g_assert_true(instances_described_age(in, &age_ns, error));
	g_assert_cmpint(age_ns, ==, -1);
	g_assert_cmpstr(now(in), ==, "a:here b:here");
	g_assert_cmpstr(now(in), ==, "a:here+ b:here+");
	g_assert_true(instances_described_age(in, &age_ns, error));
	g_assert_cmpint(age_ns, >=, 0);
	last.error = "no answer";
	here.text = "b c";
	g_assert_cmpstr(now(in), ==, "b:here+ c:here+");
	g_assert_true(instances_described_age(in, &age_ns, error));
	g_assert_cmpstr(error, ==, "no answer");
	instances_free(in);
}

/* A command that asks once waits for first answers, as long as they are on their way. */
static void test_patient(void)
{
	struct fake here = { .text = "a" }, last = { .busy = 3 };
	struct instances *in = instances_new("here", "", &ops, &here);

	instances_describe(in, "last", &ops, &last);
	instances_patient(in, INT64_C(3600) * NS_PER_S);
	g_assert_cmpstr(now(in), ==, "a:here+");
	g_assert_cmpint(last.calls, ==, 4);
	last.busy = 3; /* but once only */
	now(in);
	g_assert_cmpint(last.calls, ==, 5);
	instances_free(in);
}

static void test_bounded(void)
{
	enum { ROUNDS = 400, HERE = 50 };
	struct fake here = { .ret = 0 }, more = { .ret = 0 }, last = { .busy = 0 };
	struct instances *in = instances_new("here", "", &ops, &here);
	uint64_t held = 0;

	instances_join(in, "more", &ops, &more, true);
	instances_describe(in, "last", &ops, &last);
	for (int round = 0; round < ROUNDS; round++) {
		GString *text = g_string_new(NULL);
		struct vmt_error error;
		struct snapshot *s;

		for (int i = 0; i < HERE; i++) {
			g_string_append_printf(text, "%s%08d", i ? " " : "", round * HERE + i);
		}
		here.text = more.text = text->str;
		last.busy = 0;
		s = instances_get(in, &call, &error);
		g_assert_cmpuint(s->list.count, ==, HERE);
		snapshot_unref(s);
		here.text = more.text = NULL;
		g_string_free(text, TRUE);
		if (round == 10) {
			held = alloc_bytes();
		}
	}
	g_assert_cmpuint(alloc_bytes(), <=, held + ALLOC_SLACK);
	instances_free(in);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/instances/joined", test_joined);
	g_test_add_func("/instances/joined_by_name", test_joined_by_name);
	g_test_add_func("/instances/described", test_described);
	g_test_add_func("/instances/patient", test_patient);
	g_test_add_func("/instances/bounded", test_bounded);
	return g_test_run();
}
