/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The options of whatever asks OpenStack's services: [service_credentials] and [service_types], as Ceilometer has
 * them of keystoneauth, and as it had them in Juno.  Constant: any thread, nothing blocks.
 */
#ifndef OPENSTACK_OPTIONS_H
#define OPENSTACK_OPTIONS_H

#include <virtmeter/plugin.h>

/* What was not given is NULL. */
struct openstack_conf {
	const char *auth_section; /* the host reads it */
	const char *auth_type, *auth_url;
	const char *username, *user_id, *user_domain_id, *user_domain_name, *password;
	const char *project_id, *project_name, *project_domain_id, *project_domain_name;
	const char *domain_id, *domain_name, *default_domain_id, *default_domain_name;
	const char *system_scope, *trust_id;
	const char *credential_id, *credential_name, *credential_secret;
	const char *token;
	const char *old_username, *old_password, *old_tenant_id, *old_tenant_name, *old_cacert,
		*old_auth_url, *old_region, *old_interface;
	const char *region, *interface;
	const char *cafile, *certfile, *keyfile;
	bool insecure;
	int64_t timeout_ns;
	const char *compute, *image; /* service types */
};

#define OPENSTACK_ROW(conf_, group_, name_, type_, member_, def_, help_, ...)                      \
	{                                                                                          \
		.group = group_, .name = name_, .type = VMT_OPT_##type_,                           \
		.offset = offsetof(struct conf_, openstack.member_), .def = def_, .help = help_,   \
		__VA_ARGS__                                                                        \
	}

/* Of the section itself. */
#define OPENSTACK_OWN(conf_, name_, type_, member_, def_, help_, ...)                              \
	OPENSTACK_ROW(conf_, "service_credentials", name_, type_, member_, def_, help_, __VA_ARGS__)
/* Of the section that auth_section names, where it names one. */
#define OPENSTACK_AUTH(conf_, name_, member_, help_, ...)                                          \
	OPENSTACK_ROW(conf_, "service_credentials", name_, STRING, member_, NULL, help_,           \
		      __VA_ARGS__)

/* Rows of an option table whose configuration structure has the member `openstack`. */
/* clang-format off */
#define OPENSTACK_OPTIONS(conf_) \
	OPENSTACK_OWN(conf_, "auth_section", STRING, auth_section, NULL, \
		"Section of the file that has the options for logging in, from auth_type to token, in place of this " \
		"one.", .flags = 0), \
	OPENSTACK_AUTH(conf_, "auth_type", auth_type, \
		"How to log in: password (also v2password, v3password), token (v2token, v3token), " \
		"v3applicationcredential; without it password.", \
		.flags = VMT_OPT_AUTH, .deprecated = "auth_plugin"), \
	OPENSTACK_AUTH(conf_, "auth_url", auth_url, \
		"Address of Keystone: http://HOST:5000/v3, /v2.0 for old ones, or without a version to ask " \
		"which there are.", .flags = VMT_OPT_AUTH), \
	OPENSTACK_AUTH(conf_, "username", username, "User's name.", \
		.flags = VMT_OPT_AUTH, .deprecated = "user_name"), \
	OPENSTACK_AUTH(conf_, "user_id", user_id, "User's id, in place of the name.", \
		.flags = VMT_OPT_AUTH), \
	OPENSTACK_AUTH(conf_, "user_domain_id", user_domain_id, "Id of the user's domain.", \
		.flags = VMT_OPT_AUTH), \
	OPENSTACK_AUTH(conf_, "user_domain_name", user_domain_name, "Name of the user's domain.", \
		.flags = VMT_OPT_AUTH), \
	OPENSTACK_AUTH(conf_, "password", password, "User's password.", \
		.flags = VMT_OPT_AUTH | VMT_OPT_SECRET), \
	OPENSTACK_AUTH(conf_, "project_id", project_id, "Id of the project that the token is for.", \
		.flags = VMT_OPT_AUTH, .deprecated = "tenant_id"), \
	OPENSTACK_AUTH(conf_, "project_name", project_name, "Name of that project.", \
		.flags = VMT_OPT_AUTH, .deprecated = "tenant_name"), \
	OPENSTACK_AUTH(conf_, "project_domain_id", project_domain_id, "Id of the project's domain.", \
		.flags = VMT_OPT_AUTH), \
	OPENSTACK_AUTH(conf_, "project_domain_name", project_domain_name, \
		"Name of the project's domain.", .flags = VMT_OPT_AUTH), \
	OPENSTACK_AUTH(conf_, "domain_id", domain_id, "Id of the domain that the token is for, in place of a " \
		"project.", .flags = VMT_OPT_AUTH), \
	OPENSTACK_AUTH(conf_, "domain_name", domain_name, "Name of that domain.", .flags = VMT_OPT_AUTH), \
	OPENSTACK_AUTH(conf_, "default_domain_id", default_domain_id, \
		"Id of the domain of user and project where nothing else is said.", .flags = VMT_OPT_AUTH), \
	OPENSTACK_AUTH(conf_, "default_domain_name", default_domain_name, "Name of that domain.", \
		.flags = VMT_OPT_AUTH), \
	OPENSTACK_AUTH(conf_, "system_scope", system_scope, "all: the token is for the whole system, in place of a " \
		"project.", .flags = VMT_OPT_AUTH), \
	OPENSTACK_AUTH(conf_, "trust_id", trust_id, "Trust that the token is for.", .flags = VMT_OPT_AUTH), \
	OPENSTACK_AUTH(conf_, "application_credential_id", credential_id, \
		"Id of an application credential.", .flags = VMT_OPT_AUTH), \
	OPENSTACK_AUTH(conf_, "application_credential_name", credential_name, \
		"Name of one of the user's application credentials.", .flags = VMT_OPT_AUTH), \
	OPENSTACK_AUTH(conf_, "application_credential_secret", credential_secret, \
		"Secret of the application credential.", .flags = VMT_OPT_AUTH | VMT_OPT_SECRET), \
	OPENSTACK_AUTH(conf_, "token", token, "Token to log in with (auth_type = token).", \
		.flags = VMT_OPT_AUTH | VMT_OPT_SECRET), \
	OPENSTACK_AUTH(conf_, "os_username", old_username, "User's name (Juno).", .flags = 0), \
	OPENSTACK_AUTH(conf_, "os_password", old_password, "User's password (Juno).", \
		.flags = VMT_OPT_SECRET), \
	OPENSTACK_AUTH(conf_, "os_tenant_id", old_tenant_id, "Id of the project (Juno).", .flags = 0), \
	OPENSTACK_AUTH(conf_, "os_tenant_name", old_tenant_name, "Name of the project (Juno).", .flags = 0), \
	OPENSTACK_AUTH(conf_, "os_cacert", old_cacert, "The same as cafile (Juno).", .flags = 0), \
	OPENSTACK_AUTH(conf_, "os_auth_url", old_auth_url, "Address of Keystone (Juno).", .flags = 0), \
	OPENSTACK_AUTH(conf_, "os_region_name", old_region, "The same as region_name (Juno).", .flags = 0), \
	OPENSTACK_AUTH(conf_, "os_endpoint_type", old_interface, "The same as interface (Juno).", .flags = 0), \
	OPENSTACK_AUTH(conf_, "region_name", region, "Region whose services are asked; without it the first of the " \
		"catalogue.", .flags = 0), \
	OPENSTACK_AUTH(conf_, "interface", interface, "Kind of the services' addresses: public, internal or admin; " \
		"without it public.", .flags = 0), \
	OPENSTACK_AUTH(conf_, "cafile", cafile, "File of authorities that may sign the services' certificates, in " \
		"place of the system's.", .flags = 0), \
	OPENSTACK_AUTH(conf_, "certfile", certfile, "Certificate of this side (PEM).", .flags = 0), \
	OPENSTACK_AUTH(conf_, "keyfile", keyfile, "Its key (PEM); without it the certificate's file has both.", \
		.flags = 0), \
	OPENSTACK_OWN(conf_, "insecure", BOOL, insecure, "false", \
		"Certificates of the services are not looked at.", .flags = 0), \
	OPENSTACK_OWN(conf_, "timeout", SECONDS, timeout_ns, "30", \
		"Longest wait for the answer to a request.", .min = 1, .max = 3600), \
	OPENSTACK_ROW(conf_, "service_types", "nova", STRING, compute, "compute", \
		"Nova's type in Keystone's catalogue.", .flags = 0), \
	OPENSTACK_ROW(conf_, "service_types", "glance", STRING, image, "image", \
		"Glance's type in Keystone's catalogue.", .flags = 0)
/* clang-format on */

#endif
