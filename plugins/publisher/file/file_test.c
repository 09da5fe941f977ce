/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The file publisher through its contract: lines, rotation, files that are moved, emptied, torn or cannot be
 * written.
 */
#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../fixture.h"
#include "base/clock.h"
#include "wire/message_conf.h"

extern const struct vmt_plugin vmt_plugin_publisher_file;

#define OPS (vmt_plugin_publisher_file.ops.publisher)

/* As the option table says. */
struct conf {
	int64_t max_bytes, backup_count;
	const char *json, *format;
	struct message_conf message;
};

struct place {
	char *folder, *path, *text;
	struct conf conf;
	struct vmt_error error;
	struct fixture f;
	void *self;
};

static void place_open(struct place *p)
{
	struct vmt_url url = { .text = p->text, .scheme = "file", .host = "", .path = p->path };

	g_assert_cmpuint(vmt_plugin_publisher_file.conf_size, ==, sizeof p->conf);
	g_assert_cmpint(OPS->open(&p->conf, &url, false, &p->self, &p->error), ==, 0);
}

static void place_init(struct place *p, uint32_t resources, uint32_t meters, struct conf conf)
{
	memset(p, 0, sizeof *p);
	p->folder = fixture_folder();
	p->path = g_build_filename(p->folder, "samples", NULL);
	p->text = g_strconcat("file://", p->path, NULL);
	p->conf = conf;
	fixture_init(&p->f, resources, meters);
	fixture_cycle(&p->f, 0, FIXTURE_TIME);
	place_open(p);
}

static void place_fini(struct place *p)
{
	OPS->close(p->self);
	fixture_fini(&p->f);
	fixture_remove(p->folder);
	g_free(p->path);
	g_free(p->text);
}

static int publish(struct place *p)
{
	struct vmt_call call = fixture_call(20);

	p->error.text[0] = '\0';
	return OPS->publish(p->self, &p->f.frame, 1, &call, &p->error);
}

static void must_publish(struct place *p, uint32_t cycle)
{
	fixture_cycle(&p->f, cycle, FIXTURE_TIME + cycle * 10 * NS_PER_S);
	if (publish(p)) {
		g_error("%s", p->error.text);
	}
}

/* What is in PATH, or PATH.n; NULL when it is not there. */
static char *content(const struct place *p, int n)
{
	char *path = n ? g_strdup_printf("%s.%d", p->path, n) : g_strdup(p->path);
	char *text = NULL;

	g_file_get_contents(path, &text, NULL, NULL);
	g_free(path);
	return text;
}

/* Lines of it; each must be a whole record. */
static unsigned lines(const struct place *p, int n)
{
	char *text = content(p, n);
	unsigned count = 0;

	for (char *line = text, *end; line && *line; line = end + 1) {
		end = strchr(line, '\n');
		g_assert_nonnull(end);
		g_assert_cmpint(line[0], ==, '{');
		g_assert_cmpint(end[-1], ==, '}');
		count++;
	}
	g_free(text);
	return count;
}

static int64_t size(const struct place *p, int n)
{
	char *text = content(p, n);
	int64_t length = text ? (int64_t)strlen(text) : -1;

	g_free(text);
	return length;
}

/* ------------------------------------------------------------------ forms */

static void test_json(void)
{
	struct place p;
	char *text;

	place_init(&p, 1, 2, (struct conf){ .json = "" });
	p.f.batch[1].publishers = 2;
	must_publish(&p, 0);
	text = content(&p, 0);
	g_assert_cmpstr(
		text, ==,
		"{\"name\": \"meter.0\", \"type\": \"cumulative\", \"unit\": \"ns\", \"volume\": 0,"
		" \"user_id\": \"user-0\", \"user_name\": null, \"project_id\": \"project-0\","
		" \"project_name\": null, \"resource_id\": \"00000000-0000-4000-8000-000000000000\","
		" \"timestamp\": \"2026-07-21T13:56:12.123456\", \"resource_metadata\":"
		" {\"display_name\": \"vm-0\", \"status\": \"active\", \"flavor\": {\"name\":"
		" \"m1.small\", \"ram\": 512}}, \"source\": \"openstack\","
		" \"id\": \"00000000-2030-1100-8000-010203040506\","
		" \"monotonic_time\": 98765.0}\n");
	g_free(text);
	place_fini(&p);
}

/* Without a word the form follows the profile; with one it does not. */
static void test_forms(void)
{
	const struct {
		struct conf conf;
		enum vmt_profile profile;
		const char *begin;
	} cases[] = {
		{ { .format = "auto" }, VMT_PROFILE_26, "{\"name\": \"meter.0\"" },
		{ { .format = "auto" }, VMT_PROFILE_19, "{'name': 'meter.0'" },
		{ { .format = "auto" }, VMT_PROFILE_JUNO, "{" },
		{ { .format = "python" }, VMT_PROFILE_26, "{'name': 'meter.0'" },
		{ { .format = "json" }, VMT_PROFILE_19, "{\"name\": \"meter.0\"" },
		{ { .json = "", .format = "python" }, VMT_PROFILE_19, "{\"name\": \"meter.0\"" },
	};

	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		struct place p;
		char *text;

		place_init(&p, 1, 1, cases[i].conf);
		p.f.frame.profile = cases[i].profile;
		must_publish(&p, 0);
		text = content(&p, 0);
		g_assert_true(g_str_has_prefix(text, cases[i].begin));
		g_assert_true((strchr(text, '"') == NULL) == (cases[i].begin[1] != '"'));
		g_free(text);
		place_fini(&p);
	}
}

/* As Python 2 shows a list that was JSON: every key and text with a u. */
static void test_message(void)
{
	struct place p;
	char *text;

	place_init(&p, 1, 1, (struct conf){ .format = "message", .message = { .secret = "" } });
	p.f.frame.profile = VMT_PROFILE_JUNO;
	must_publish(&p, 0);
	text = content(&p, 0);
	g_assert_true(g_str_has_prefix(text, "[{u'"));
	g_assert_true(g_str_has_suffix(text, "}]\n"));
	g_assert_nonnull(strstr(text, "u'counter_name': u'meter.0'"));
	g_assert_nonnull(strstr(text, "u'counter_volume': 0"));
	g_assert_nonnull(strstr(text, "u'message_signature': u'"));
	g_assert_nonnull(strstr(text, "u'flavor': {u'name': u'm1.small', u'ram': 512}"));
	g_assert_null(strchr(text, '"'));
	g_free(text);
	place_fini(&p);
}

/* Appended to what is there; more than fits into one piece; a profile that changes. */
static void test_append(void)
{
	struct place p;
	char *text;

	place_init(&p, 300, 12, (struct conf){ .json = "" });
	g_file_set_contents(p.path, "somebody's line\nand one without an end", -1, NULL);
	must_publish(&p, 0);
	text = content(&p, 0);
	g_assert_true(g_str_has_prefix(text, "somebody's line\nand one without an end\n{\"name\""));
	g_free(text);
	g_assert_cmpint(truncate(p.path, 0), ==, 0); /* logrotate's copytruncate */
	must_publish(&p, 1);
	g_assert_cmpuint(lines(&p, 0), ==, 3600);
	p.f.frame.profile = VMT_PROFILE_19;
	must_publish(&p, 2);
	text = content(&p, 0);
	g_assert_nonnull(strstr(text, "\"user_name\""));
	g_assert_null(strstr(text + strlen(text) / 4 * 3, "\"user_name\""));
	g_free(text);
	place_fini(&p);
}

/* ------------------------------------------------------------------ rotation */

static void test_rotation(void)
{
	struct place p;
	int64_t record;

	place_init(&p, 1, 1, (struct conf){ .json = "" });
	must_publish(&p, 1);
	record = size(&p, 0);
	OPS->close(p.self);
	unlink(p.path);
	/* Three records would reach the limit: two to a file. */
	p.conf.max_bytes = record * 3;
	p.conf.backup_count = 2;
	place_open(&p);
	for (uint32_t i = 1; i <= 5; i++) {
		must_publish(&p, i);
	}
	g_assert_cmpuint(lines(&p, 0), ==, 1);
	g_assert_cmpuint(lines(&p, 1), ==, 2);
	g_assert_cmpuint(lines(&p, 2), ==, 2);
	must_publish(&p, 6);
	must_publish(&p, 7);
	g_assert_cmpuint(lines(&p, 0), ==, 1);
	g_assert_cmpuint(lines(&p, 2), ==, 2);
	g_assert_cmpint(size(&p, 3), ==, -1);
	place_fini(&p);
}

/* One byte less than the limit is allowed, the limit is not. */
static void test_rotation_edge(void)
{
	struct place p;
	int64_t record;

	place_init(&p, 1, 1, (struct conf){ .json = "" });
	must_publish(&p, 1);
	record = size(&p, 0);
	OPS->close(p.self);
	unlink(p.path);
	p.conf.max_bytes = record * 2 + 1;
	p.conf.backup_count = 3;
	place_open(&p);
	must_publish(&p, 1);
	must_publish(&p, 2);
	g_assert_cmpuint(lines(&p, 0), ==, 2);
	g_assert_cmpint(size(&p, 1), ==, -1);
	must_publish(&p, 3);
	g_assert_cmpuint(lines(&p, 0), ==, 1);
	g_assert_cmpuint(lines(&p, 1), ==, 2);
	place_fini(&p);
}

/* Within a frame; a record larger than the limit makes no empty files; no backups: no rotation. */
static void test_rotation_in_a_frame(void)
{
	struct place p;
	unsigned all = 0;
	int i;

	place_init(&p, 40, 5, (struct conf){ .json = "", .max_bytes = 4096, .backup_count = 100 });
	must_publish(&p, 0);
	for (i = 0; i < 100 && size(&p, i) >= 0; i++) {
		g_assert_cmpint(size(&p, i), <, 4096);
		g_assert_cmpint(size(&p, i), >, 0);
		all += lines(&p, i);
	}
	g_assert_cmpuint(all, ==, 200);
	g_assert_cmpint(i, >, 15);
	place_fini(&p);

	place_init(&p, 3, 1, (struct conf){ .json = "", .max_bytes = 10, .backup_count = 5 });
	must_publish(&p, 0);
	g_assert_cmpuint(lines(&p, 0), ==, 1);
	g_assert_cmpuint(lines(&p, 2), ==, 1);
	g_assert_cmpint(size(&p, 3), ==, -1);
	place_fini(&p);

	place_init(&p, 3, 1, (struct conf){ .json = "", .max_bytes = 10 });
	must_publish(&p, 0);
	g_assert_cmpuint(lines(&p, 0), ==, 3);
	place_fini(&p);
}

static void test_moved(void)
{
	struct place p;
	char *other;

	place_init(&p, 2, 2, (struct conf){ .json = "" });
	must_publish(&p, 0);
	other = g_strconcat(p.path, ".1", NULL);
	g_assert_cmpint(rename(p.path, other), ==, 0);
	must_publish(&p, 1);
	g_assert_cmpuint(lines(&p, 0), ==, 4);
	g_assert_cmpuint(lines(&p, 1), ==, 4);
	g_assert_cmpint(unlink(p.path), ==, 0);
	must_publish(&p, 2);
	g_assert_cmpuint(lines(&p, 0), ==, 4);
	g_free(other);
	place_fini(&p);
}

/* ------------------------------------------------------------------ trouble */

/* Half a record at the end, as a process leaves it that is killed. */
static void test_torn(void)
{
	struct place p;
	int64_t whole;

	place_init(&p, 2, 2, (struct conf){ .json = "" });
	must_publish(&p, 0);
	whole = size(&p, 0);
	OPS->close(p.self);
	g_assert_cmpint(truncate(p.path, whole - 17), ==, 0);
	place_open(&p);
	must_publish(&p, 1);
	g_assert_cmpuint(lines(&p, 0), ==, 3 + 4);
	OPS->close(p.self);
	g_assert_cmpint(truncate(p.path, 5), ==, 0); /* nothing but the beginning of one */
	place_open(&p);
	must_publish(&p, 2);
	g_assert_cmpuint(lines(&p, 0), ==, 4);
	place_fini(&p);
}

/* No room: nothing of the frame stays, also not of its first pieces; then it goes on, without
 * repetitions. */
static void test_no_room(void)
{
	struct rlimit old, small;
	struct place p;
	int64_t before;

	signal(SIGXFSZ, SIG_IGN);
	place_init(&p, 200, 12, (struct conf){ .json = "" });
	must_publish(&p, 0);
	before = size(&p, 0);
	g_assert_cmpint(getrlimit(RLIMIT_FSIZE, &old), ==, 0);
	small = old;
	small.rlim_cur = (rlim_t)(before + before / 2); /* into the second piece */
	g_assert_cmpint(before, >, 2 * (256 << 10));
	g_assert_cmpint(setrlimit(RLIMIT_FSIZE, &small), ==, 0);
	fixture_cycle(&p.f, 1, FIXTURE_TIME + 10 * NS_PER_S);
	g_assert_cmpint(publish(&p), ==, -EFBIG);
	g_assert_nonnull(strstr(p.error.text, "make room"));
	g_assert_cmpint(size(&p, 0), ==, before);
	g_assert_cmpint(publish(&p), ==, -EFBIG);
	g_assert_cmpint(setrlimit(RLIMIT_FSIZE, &old), ==, 0);
	g_assert_cmpint(publish(&p), ==, 0);
	g_assert_cmpuint(lines(&p, 0), ==, 2 * 2400);
	place_fini(&p);
}

static void assert_fails(struct place *p, int expected, const char *reason)
{
	g_assert_cmpint(publish(p), ==, expected);
	g_test_message("%s", p->error.text);
	g_assert_nonnull(strstr(p->error.text, reason));
	g_assert_true(g_str_has_prefix(p->error.text, p->text));
	g_assert_null(strchr(p->error.text, '\n'));
}

static void test_reasons(void)
{
	struct place p;
	char *folder;

	place_init(&p, 1, 1, (struct conf){ .json = "" });
	g_assert_cmpint(g_mkdir(p.path, 0700), ==, 0);
	assert_fails(&p, -EISDIR, "is a folder");
	g_assert_cmpint(g_rmdir(p.path), ==, 0);
	OPS->close(p.self);
	folder = g_build_filename(p.folder, "later", NULL);
	g_free(p.path);
	p.path = g_build_filename(folder, "samples", NULL);
	place_open(&p);
	assert_fails(&p, -ENOENT, "later");
	/* It goes on when the folder is there. */
	g_assert_cmpint(g_mkdir(folder, 0700), ==, 0);
	g_assert_cmpint(publish(&p), ==, 0);
	g_free(folder);
	place_fini(&p);
}

/* As a user who may not do everything: root becomes another for the moment. */
static void test_rights(void)
{
	uid_t before = geteuid();
	struct place p;
	char *folder, *reason;

	place_init(&p, 1, 1, (struct conf){ .json = "" });
	OPS->close(p.self);
	folder = g_build_filename(p.folder, "theirs", NULL);
	g_free(p.path);
	p.path = g_build_filename(folder, "samples", NULL);
	place_open(&p);
	g_assert_cmpint(chmod(p.folder, 0755), ==, 0);
	g_assert_cmpint(g_mkdir(folder, 0755), ==, 0);
	if (before == 0) {
		g_assert_cmpint(seteuid(65534), ==, 0);
	} else {
		g_assert_cmpint(chmod(folder, 0555), ==, 0);
	}
	/* neither there, nor to be created */
	reason = g_strdup_printf("folder %s: user %u may not create files there", folder,
				 (unsigned)geteuid());
	assert_fails(&p, -EACCES, reason);
	g_free(reason);
	g_assert_cmpint(seteuid(before), ==, 0);
	chmod(folder, 0755);
	/* there, and not to be written */
	g_file_set_contents(p.path, "", 0, NULL);
	g_assert_cmpint(chmod(p.path, 0444), ==, 0);
	g_assert_cmpint(seteuid(before ? before : 65534), ==, 0);
	assert_fails(&p, -EACCES, "writable for this user");
	g_assert_cmpint(seteuid(before), ==, 0);
	/* behind a folder that is closed */
	g_assert_cmpint(chmod(p.folder, 0000), ==, 0);
	g_assert_cmpint(seteuid(before ? before : 65534), ==, 0);
	assert_fails(&p, -EACCES, "let this user pass");
	g_assert_cmpint(seteuid(before), ==, 0);
	g_assert_cmpint(chmod(p.folder, 0700), ==, 0);
	g_free(folder);
	place_fini(&p);
}

static void assert_url(struct vmt_url url, bool read_only, int expected, const char *reason)
{
	const struct conf conf = { 0 };
	struct vmt_error error;
	void *self = NULL;

	url.text = "file:test";
	url.scheme = "file";
	g_assert_cmpint(OPS->open(&conf, &url, read_only, &self, &error), ==, expected);
	g_assert_null(self);
	g_assert_nonnull(strstr(error.text, reason));
}

static void test_urls(void)
{
	const struct vmt_pair query[] = { { .key = "max_size", .value = "11" }, { 0 } };

	assert_url((struct vmt_url){ .host = "var", .path = "/log/x" }, false, -EINVAL,
		   "three slashes");
	assert_url((struct vmt_url){ .host = "", .path = "" }, false, -EINVAL, "no file named");
	assert_url((struct vmt_url){ .host = "", .path = "/x", .query = query }, false, -EINVAL,
		   "max_size");
	assert_url((struct vmt_url){ .host = "", .path = "/x" }, true, -ENOTSUP, "cannot be asked");
}

static void test_call(void)
{
	static const atomic_bool cancelled = true;
	struct vmt_call call = fixture_call(-1);
	struct place p;

	place_init(&p, 1, 1, (struct conf){ .json = "" });
	g_assert_cmpint(OPS->publish(p.self, &p.f.frame, 1, &call, &p.error), ==, -ETIMEDOUT);
	call = fixture_call(10);
	call.cancel = &cancelled;
	g_assert_cmpint(OPS->publish(p.self, &p.f.frame, 1, &call, &p.error), ==, -ECANCELED);
	g_assert_cmpint(size(&p, 0), ==, -1);
	OPS->close(NULL);
	place_fini(&p);
}

static void drain(int fd, GString *into)
{
	char bytes[4096];
	ssize_t got;

	while ((got = read(fd, bytes, sizeof bytes)) > 0) {
		g_string_append_len(into, bytes, got);
	}
}

/* A pipe without reader is tried again; one that fills up goes on where it stopped. */
static void test_pipe(void)
{
	struct vmt_call call;
	GString *got = g_string_new(NULL);
	struct place p;
	unsigned records = 0;
	int fd, code, tries = 0;

	place_init(&p, 100, 10, (struct conf){ .json = "" });
	g_assert_cmpint(mkfifo(p.path, 0600), ==, 0);
	assert_fails(&p, -ENXIO, "nobody reads");
	fd = open(p.path, O_RDONLY | O_NONBLOCK);
	g_assert_cmpint(fd, >=, 0);
	do {
		call = fixture_call(0);
		call.deadline_ns += 50 * NS_PER_MS;
		code = OPS->publish(p.self, &p.f.frame, 1, &call, &p.error);
		drain(fd, got);
		tries++;
	} while (code == -ETIMEDOUT && tries < 1000);
	g_assert_cmpint(code, ==, 0);
	g_assert_cmpint(tries, >, 2);
	for (char *at = got->str; (at = strstr(at, "{\"name\": \"meter")) != NULL; at++) {
		g_assert_true(at == got->str || at[-1] == '\n');
		records++;
	}
	g_assert_cmpuint(records, ==, 1000);
	g_assert_cmpint(got->str[got->len - 1], ==, '\n');
	close(fd);
	g_string_free(got, TRUE);
	place_fini(&p);
}

static void test_mode(void)
{
	mode_t old = umask(0);
	struct place p;
	struct stat st;

	place_init(&p, 1, 1, (struct conf){ .json = "" });
	must_publish(&p, 0);
	g_assert_cmpint(stat(p.path, &st), ==, 0);
	g_assert_cmpint(st.st_mode & 07777, ==, 0640);
	umask(old);
	place_fini(&p);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/file/json", test_json);
	g_test_add_func("/file/forms", test_forms);
	g_test_add_func("/file/message", test_message);
	g_test_add_func("/file/append", test_append);
	g_test_add_func("/file/rotation", test_rotation);
	g_test_add_func("/file/rotation-edge", test_rotation_edge);
	g_test_add_func("/file/rotation-in-a-frame", test_rotation_in_a_frame);
	g_test_add_func("/file/moved", test_moved);
	g_test_add_func("/file/torn", test_torn);
	g_test_add_func("/file/no-room", test_no_room);
	g_test_add_func("/file/reasons", test_reasons);
	g_test_add_func("/file/rights", test_rights);
	g_test_add_func("/file/urls", test_urls);
	g_test_add_func("/file/call", test_call);
	g_test_add_func("/file/pipe", test_pipe);
	g_test_add_func("/file/mode", test_mode);
	return g_test_run();
}
