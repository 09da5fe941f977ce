/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is wrong with sources beyond their grammar: discoveries that are not there, patterns that no meter matches, too
 * many of something.  The agent looks at each start and reload, `check` at any time.  Connects to nothing.  Main thread.
 */
#ifndef AGENT_VET_H
#define AGENT_VET_H

#include "agent/endpoint.h"
#include "conf/ini.h"
#include "conf/polling.h"
#include "conf/settings.h"
#include "plugin/object.h"
#include "plugin/registry.h"

/* Sources that are polled by these endpoints.  -EINVAL when the agent could not start so. */
int vet_sources(struct registry *registry, const struct polling *polling,
		const struct endpoints *endpoints, struct problems *problems);
/* Sections of endpoints: those of none, and options that are wrong. */
void vet_endpoints(struct registry *registry, const struct endpoints *endpoints,
		   const struct ini *ini, struct problems *problems);
/* Discovery and inspector of each endpoint are opened, as far as they look at their configuration, and let go of. */
void vet_hypervisors(struct registry *registry, const struct endpoints *endpoints,
		     const struct ini *ini, struct problems *problems);
/* What instance_discovery_method asks for: the discovery is opened, as far as it looks at its configuration, and let go of. */
void vet_joined(struct registry *registry, const struct endpoints *endpoints, const struct ini *ini,
		const struct settings *settings, struct problems *problems);
/* Likewise what is looked up at Keystone and Nova; and options that need an account where there is none. */
void vet_lookups(struct registry *registry, const struct endpoints *endpoints,
		 const struct ini *ini, const struct settings *settings, struct problems *problems);
/* Names in `pollsters` that no pollster has. */
void vet_pollsters(const struct registry *registry, const struct ini *ini,
		   const struct settings *settings, struct problems *problems);
/* Sources that take what was polled. */
void vet_pipeline(const struct registry *registry, const struct polling *pipeline,
		  struct problems *problems);

/* Transformers that keep something from sample to sample and would be fed by the receiver, which is shared with others:
 * -EINVAL, each with its place. */
int vet_shared(struct registry *registry, const struct polling *pipeline, const char *receiver,
	       struct problems *problems);
/* Whether the receiver takes from queues that have one consumer only: then several workers are not for it. */
bool vet_alone(const struct plugin_object *receiver);
/* The coordinator of [coordination] backend_url: it is opened, as far as it looks at itself, and let go of. */
void vet_coordination(struct registry *registry, const struct ini *ini,
		      const struct settings *settings, struct problems *problems);
/* The URLs in `receivers`, where the files name them: each is opened, as far as it looks at itself, and let go of. */
void vet_receivers(struct registry *registry, const struct ini *ini,
		   const struct settings *settings, const struct polling *pipeline,
		   struct problems *problems);

#endif
