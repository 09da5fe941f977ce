/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the options of signed messages come to.  Any thread; blocks on nothing.
 */
#include "wire/message_conf.h"

#include <glib.h>
#include <string.h>

const char *const message_dialects[] = { "auto", "py3", "py2", "py2-2014.2.0", NULL };

static const char *secret(const struct message_conf *conf, enum vmt_profile profile)
{
	const char *given = conf->secret           ? conf->secret
			    : conf->secret_rpc     ? conf->secret_rpc
			    : conf->secret_default ? conf->secret_default
						   : NULL;

	if (given) {
		return given;
	}
	return profile == VMT_PROFILE_JUNO ? "change this or be hacked"
					   : "change this for valid signing";
}

static enum flatten_dialect dialect(const struct message_conf *conf, enum vmt_profile profile)
{
	for (int d = 0; conf->dialect && d < FLATTEN_DIALECTS; d++) {
		if (strcmp(conf->dialect, flatten_dialects[d]) == 0) {
			return (enum flatten_dialect)d;
		}
	}
	return message_dialect(profile);
}

struct message_encoder *message_conf_encoder(const struct message_conf *conf,
					     enum message_form form, enum vmt_profile profile,
					     const char *publisher_id)
{
	struct message_options o = { .form = form,
				     .profile = profile,
				     .dialect = dialect(conf, profile),
				     .secret = secret(conf, profile),
				     .publisher_id = publisher_id };

	return message_encoder_new(&o);
}
