/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keystone's documents: what is sent, to the letter, and answers of Keystone 22 (tests/golden/nova) and of v2.0.
 */
#include "plugins/openstack/identity.h"

#include <errno.h>
#include <glib.h>

#define NS INT64_C(1000000000)

static struct vmt_error error;

static void check_request(const struct openstack_conf *conf, enum identity_version version,
			  const char *expected)
{
	enum identity_version of_conf;
	struct buf body = BUF_INIT;

	g_assert_cmpint(identity_check(conf, &of_conf, &error), ==, 0);
	g_assert_cmpint(of_conf, ==, version);
	identity_put_request(conf, version, &body);
	g_assert_cmpstr(body.data, ==, expected);
	buf_fini(&body);
}

static void test_requests(void)
{
	const struct openstack_conf names = { .auth_url = "http://k:5000/v3/",
					      .username = "ceilometer",
					      .user_domain_name = "Default",
					      .password = "lab\"pass",
					      .project_name = "service",
					      .project_domain_name = "Default" };
	const struct openstack_conf ids = { .auth_type = "v3password",
					    .auth_url = "http://k:5000/v3",
					    .user_id = "u1",
					    .password = "p",
					    .project_id = "p1" };
	const struct openstack_conf plain = { .auth_url = "http://k:5000/v3",
					      .username = "u",
					      .password = "p",
					      .domain_name = "d",
					      .default_domain_id = "dd" };
	const struct openstack_conf system = { .auth_url = "http://k:5000/v3",
					       .username = "u",
					       .password = "p",
					       .system_scope = "all" };
	const struct openstack_conf credential = { .auth_type = "v3applicationcredential",
						   .auth_url = "http://k:5000/v3",
						   .credential_id = "c1",
						   .credential_secret = "s",
						   .project_name = "never sent" };
	const struct openstack_conf token = { .auth_type = "v3token",
					      .auth_url = "http://k:5000/v3",
					      .token = "t",
					      .trust_id = "tr" };
	const struct openstack_conf juno = { .old_auth_url = "http://k:5000/v2.0",
					     .old_username = "ceilometer",
					     .old_password = "admin",
					     .old_tenant_name = "services" };

	check_request(
		&names, IDENTITY_V3,
		"{\"auth\": {\"identity\": {\"methods\": [\"password\"], \"password\": {\"user\": "
		"{\"name\": \"ceilometer\", \"domain\": {\"name\": \"Default\"}, \"password\": "
		"\"lab\\\"pass\"}}}, \"scope\": {\"project\": {\"name\": \"service\", \"domain\": "
		"{\"name\": \"Default\"}}}}}");
	check_request(
		&ids, IDENTITY_V3,
		"{\"auth\": {\"identity\": {\"methods\": [\"password\"], \"password\": {\"user\": "
		"{\"id\": \"u1\", \"password\": \"p\"}}}, \"scope\": {\"project\": {\"id\": "
		"\"p1\"}}}}");
	check_request(
		&plain, IDENTITY_V3,
		"{\"auth\": {\"identity\": {\"methods\": [\"password\"], \"password\": {\"user\": "
		"{\"name\": \"u\", \"domain\": {\"id\": \"dd\"}, \"password\": \"p\"}}}, \"scope\": "
		"{\"domain\": {\"name\": \"d\"}}}}");
	check_request(
		&system, IDENTITY_V3,
		"{\"auth\": {\"identity\": {\"methods\": [\"password\"], \"password\": {\"user\": "
		"{\"name\": \"u\", \"domain\": {\"id\": \"default\"}, \"password\": \"p\"}}}, "
		"\"scope\": {\"system\": {\"all\": true}}}}");
	check_request(&credential, IDENTITY_V3,
		      "{\"auth\": {\"identity\": {\"methods\": [\"application_credential\"], "
		      "\"application_credential\": {\"id\": \"c1\", \"secret\": \"s\"}}}}");
	check_request(
		&token, IDENTITY_V3,
		"{\"auth\": {\"identity\": {\"methods\": [\"token\"], \"token\": {\"id\": \"t\"}}, "
		"\"scope\": {\"OS-TRUST:trust\": {\"id\": \"tr\"}}}}");
	check_request(
		&juno, IDENTITY_V2,
		"{\"auth\": {\"tenantName\": \"services\", \"passwordCredentials\": {\"username\": "
		"\"ceilometer\", \"password\": \"admin\"}}}");
}

static void test_wrong(void)
{
	static const struct {
		struct openstack_conf conf;
		const char *said;
	} cases[] = {
		{ { .username = "u" }, "auth_url: is missing" },
		{ { .auth_url = "http://k", .auth_type = "v3oidcpassword" },
		  "auth_type: 'v3oidcpassword' is not known here" },
		{ { .auth_url = "http://k", .username = "u" }, "password: is missing" },
		{ { .auth_url = "http://k", .password = "p" }, "username: is missing" },
		{ { .auth_url = "http://k", .auth_type = "token" }, "token: is missing" },
		{ { .auth_url = "http://k", .auth_type = "v3applicationcredential" },
		  "application_credential_secret: is missing" },
		{ { .auth_url = "http://k/v2.0",
		    .auth_type = "v3password",
		    .username = "u",
		    .password = "p" },
		  "does not go with auth_url http://k/v2.0" },
	};
	enum identity_version version;

	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_assert_cmpint(identity_check(&cases[i].conf, &version, &error), <, 0);
		g_assert_nonnull(strstr(error.text, cases[i].said));
	}
}

static char *golden(const char *name)
{
	char *path = g_build_filename(GOLDEN, "nova", name, NULL), *text;

	g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
	g_free(path);
	return text;
}

static void test_versions(void)
{
	const struct openstack_conf plain = { 0 }, v3 = { .user_domain_id = "d" };
	const char *both =
		"{\"versions\": {\"values\": [{\"id\": \"v2.0\", \"status\": \"deprecated\"}, "
		"{\"status\": \"stable\", \"id\": \"v3.14\", \"links\": [{}]}]}}";
	const char *old = "{\"versions\": [{\"id\": \"v2.0\", \"status\": \"stable\"}]}";
	enum identity_version v = IDENTITY_NONE;
	char *real = golden("versions-v3.json");

	g_assert_cmpint(identity_read_versions(&plain, real, strlen(real), &v, &error), ==, 0);
	g_assert_cmpint(v, ==, IDENTITY_V3);
	g_assert_cmpint(identity_read_versions(&plain, old, strlen(old), &v, &error), ==, 0);
	g_assert_cmpint(v, ==, IDENTITY_V2);
	g_assert_cmpint(identity_read_versions(&plain, both, strlen(both), &v, &error), ==, 0);
	g_assert_cmpint(v, ==, IDENTITY_V3);
	g_assert_cmpint(identity_read_versions(&v3, old, strlen(old), &v, &error), ==,
			-EPROTONOSUPPORT);
	g_assert_cmpint(identity_read_versions(&plain, "<html>", 6, &v, &error), ==, -EBADMSG);
	g_assert_cmpint(identity_read_versions(&plain, "{}", 2, &v, &error), ==, -EPROTONOSUPPORT);
	g_free(real);
}

static void test_token(void)
{
	char *real = golden("token.json");
	struct identity_token t;

	g_assert_cmpint(identity_read_token(real, strlen(real), &t, &error), ==, 0);
	g_assert_cmpint(t.lifetime_ns, ==, 3600 * NS);
	g_assert_cmpuint(t.endpoints, ==, 12);
	g_assert_cmpstr(identity_find(&t, "compute", NULL, NULL), ==, "http://127.0.0.1:8774/v2.1");
	g_assert_cmpstr(identity_find(&t, "image", "internalURL", "RegionOne"), ==,
			"http://127.0.0.1:15000/image");
	g_assert_null(identity_find(&t, "image", "internal", "RegionTwo"));
	g_assert_null(identity_find(&t, "metric", NULL, NULL));
	g_assert_null(identity_find(&t, "compute", "pub", NULL));
	identity_token_fini(&t);
	g_free(real);
}

static void test_token_v2(void)
{
	const char *text =
		"{\"access\": {\"token\": {\"issued_at\": \"2014-12-10T04:04:00.5\", \"expires\": "
		"\"2014-12-10T05:04:00Z\", \"id\": \"tok\", \"tenant\": {\"id\": \"x\"}}, \"serviceCatalog\": "
		"[{\"endpoints\": [{\"adminURL\": \"http://a\", \"region\": \"R1\", \"publicURL\": \"http://p1\"}, "
		"{\"region\": \"R2\", \"publicURL\": \"http://p2\"}], \"type\": \"compute\"}], \"user\": {\"id\": "
		"\"y\"}}}";
	struct identity_token t;

	g_assert_cmpint(identity_read_token(text, strlen(text), &t, &error), ==, 0);
	g_assert_cmpstr(t.id, ==, "tok");
	g_assert_cmpint(t.lifetime_ns, ==, 3600 * NS - NS / 2);
	g_assert_cmpstr(identity_find(&t, "compute", "publicURL", "R2"), ==, "http://p2");
	g_assert_cmpstr(identity_find(&t, "compute", "admin", NULL), ==, "http://a");
	g_assert_null(identity_find(&t, "compute", "internalURL", NULL));
	identity_token_fini(&t);
}

static void test_token_wrong(void)
{
	static const char *const texts[] = { "",    "[]", "{}", "{\"token\": 1}", "{\"token\": {}",
					     "null" };
	struct identity_token t;

	for (size_t i = 0; i < G_N_ELEMENTS(texts); i++) {
		g_assert_cmpint(identity_read_token(texts[i], strlen(texts[i]), &t, &error), ==,
				-EBADMSG);
		identity_token_fini(&t);
	}
	g_assert_cmpint(identity_read_token("{\"token\": {\"expires_at\": \"soon\"}}", 33, &t,
					    &error),
			==, 0);
	g_assert_cmpint(t.lifetime_ns, ==, -1);
	identity_token_fini(&t);
}

static void test_object(void)
{
	static const char *const wrong[] = {
		"", "[]", "{}", "{\"user\": 1}", "{\"user\": {}", "{\"project\": {}}"
	};
	const char *user =
		"{\"user\": {\"id\": \"a\", \"name\": \"J\\u00e9\", \"enabled\": false, "
		"\"domain_id\": \"default\", \"options\": {\"enabled\": true}, \"links\": {}}}";
	const char *bare = "{\"links\": {}, \"user\": {\"name\": null, \"enabled\": null}}";
	struct identity_object o;

	g_assert_cmpint(identity_read_object(user, strlen(user), "user", &o, &error), ==, 0);
	g_assert_cmpstr(o.name, ==, "J\xc3\xa9");
	g_assert_cmpstr(o.domain_id, ==, "default");
	g_assert_false(o.enabled);
	identity_object_fini(&o);
	g_assert_cmpint(identity_read_object(bare, strlen(bare), "user", &o, &error), ==, 0);
	g_assert_null(o.name);
	g_assert_null(o.domain_id);
	g_assert_true(o.enabled);
	identity_object_fini(&o);
	for (size_t i = 0; i < G_N_ELEMENTS(wrong); i++) {
		g_assert_cmpint(identity_read_object(wrong[i], strlen(wrong[i]), "user", &o,
						     &error),
				==, -EBADMSG);
		identity_object_fini(&o);
	}
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/identity/requests", test_requests);
	g_test_add_func("/identity/wrong", test_wrong);
	g_test_add_func("/identity/versions", test_versions);
	g_test_add_func("/identity/token", test_token);
	g_test_add_func("/identity/token-v2", test_token_v2);
	g_test_add_func("/identity/token-wrong", test_token_wrong);
	g_test_add_func("/identity/object", test_object);
	return g_test_run();
}
