/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns a netlink socket and the table of counters: an array, and positions in it by hash of the index.  One thread
 * at a time; takes nothing from the heap once both have grown.
 */
#include "plugins/inspector/libvirt/kernel_link.h"

#include <errno.h>
#include <glib.h>
#include <linux/if_link.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

enum { DATAGRAM = 64 << 10, TIMEOUT_S = 1 };

struct links {
	int fd; /* -1: none */
	uint32_t sequence;
	size_t count, cap;
	struct link_counters *list;
	uint32_t *
		slot; /* position in `list` + 1, 0: free; `slots` is a power of two, over twice `cap` */
	size_t slots;
	char *buffer; /* DATAGRAM bytes; NULL: nothing has been read yet */
};

struct links *links_new(void)
{
	struct links *l = g_new0(struct links, 1);

	l->fd = -1;
	return l;
}

void links_free(struct links *l)
{
	if (l) {
		if (l->fd >= 0) {
			close(l->fd);
		}
		g_free(l->list);
		g_free(l->slot);
		g_free(l->buffer);
		g_free(l);
	}
}

size_t links_count(const struct links *l)
{
	return l->count;
}

/* ------------------------------------------------------------------ table */

static size_t place_of(const struct links *l, uint32_t index)
{
	size_t at = (index * UINT32_C(2654435761)) & (l->slots - 1);

	while (l->slot[at] && l->list[l->slot[at] - 1].index != index) {
		at = (at + 1) & (l->slots - 1);
	}
	return at;
}

const struct link_counters *links_find(const struct links *l, uint32_t index)
{
	size_t at;

	if (!l->count) {
		return NULL;
	}
	at = place_of(l, index);
	return l->slot[at] ? &l->list[l->slot[at] - 1] : NULL;
}

static void grow(struct links *l)
{
	l->cap = l->cap ? l->cap * 2 : 64;
	l->list = g_renew(struct link_counters, l->list, l->cap);
	g_free(l->slot);
	l->slots = l->cap * 4;
	l->slot = g_new0(uint32_t, l->slots);
	for (size_t i = 0; i < l->count; i++) {
		l->slot[place_of(l, l->list[i].index)] = (uint32_t)i + 1;
	}
}

static struct link_counters *add(struct links *l, uint32_t index)
{
	size_t at;

	if (l->count == l->cap) {
		grow(l);
	}
	at = place_of(l, index);
	if (!l->slot[at]) {
		l->list[l->count].index = index;
		l->slot[at] = (uint32_t)++l->count;
	}
	return &l->list[l->slot[at] - 1];
}

void links_forget(struct links *l)
{
	l->count = 0;
	if (l->slot) {
		memset(l->slot, 0, l->slots * sizeof(*l->slot));
	}
}

/* ------------------------------------------------------------------ answers */

/* The kernel's counters; /proc/net/dev, which libvirt reads, adds what was missed to what was dropped. */
static void take_stats(struct links *l, uint32_t index, const char *data)
{
	struct rtnl_link_stats64 s;
	struct link_counters *c = add(l, index);

	memcpy(&s, data, sizeof(s));
	c->value[0] = s.rx_bytes;
	c->value[1] = s.rx_packets;
	c->value[2] = s.rx_errors;
	c->value[3] = s.rx_dropped + s.rx_missed_errors;
	c->value[4] = s.tx_bytes;
	c->value[5] = s.tx_packets;
	c->value[6] = s.tx_errors;
	c->value[7] = s.tx_dropped;
}

/* One interface: a header, then attributes. */
static void take_link(struct links *l, const char *data, size_t len)
{
	struct if_stats_msg head;
	size_t at = NLMSG_ALIGN(sizeof(head));

	if (len < at) {
		return;
	}
	memcpy(&head, data, sizeof(head));
	while (head.ifindex && at + sizeof(struct rtattr) <= len) {
		struct rtattr attribute;

		memcpy(&attribute, data + at, sizeof(attribute));
		if (attribute.rta_len < sizeof(attribute) || attribute.rta_len > len - at) {
			return;
		}
		if (attribute.rta_type == IFLA_STATS_LINK_64 &&
		    attribute.rta_len >= RTA_LENGTH(sizeof(struct rtnl_link_stats64))) {
			take_stats(l, head.ifindex, data + at + RTA_LENGTH(0));
		}
		at += RTA_ALIGN(attribute.rta_len);
	}
}

static int take_error(const char *data, size_t len)
{
	struct nlmsgerr e;

	if (len < sizeof(e.error)) {
		return -EBADMSG;
	}
	memcpy(&e.error, data, sizeof(e.error));
	return e.error < 0 && e.error > -4096 ? e.error : 0;
}

int links_take(struct links *l, const void *data, size_t len)
{
	const char *at = data, *end = at + len;

	while ((size_t)(end - at) >= sizeof(struct nlmsghdr)) {
		struct nlmsghdr head;
		const char *body = at + NLMSG_HDRLEN;

		memcpy(&head, at, sizeof(head));
		if (head.nlmsg_len < sizeof(head) || head.nlmsg_len > (size_t)(end - at)) {
			return -EBADMSG;
		}
		switch (head.nlmsg_type) {
		case NLMSG_DONE:
			return 0;
		case NLMSG_ERROR:
			return take_error(body, head.nlmsg_len - NLMSG_HDRLEN);
		case RTM_NEWSTATS:
			take_link(l, body, head.nlmsg_len - NLMSG_HDRLEN);
			break;
		default:
			break;
		}
		at += MIN((size_t)NLMSG_ALIGN(head.nlmsg_len), (size_t)(end - at));
	}
	return 1;
}

/* ------------------------------------------------------------------ questions */

static int open_socket(struct links *l)
{
	struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
	struct timeval limit = { .tv_sec = TIMEOUT_S };

	if (l->fd >= 0) {
		return 0;
	}
	l->fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	if (l->fd < 0) {
		return -errno;
	}
	if (setsockopt(l->fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) < 0 ||
	    connect(l->fd, (struct sockaddr *)(void *)&kernel, sizeof(kernel)) < 0) {
		int err = -errno;

		close(l->fd);
		l->fd = -1;
		return err;
	}
	return 0;
}

static int ask(struct links *l)
{
	struct {
		struct nlmsghdr head;
		struct if_stats_msg body;
	} question = {
		.head = { .nlmsg_len = sizeof(question),
			  .nlmsg_type = RTM_GETSTATS,
			  .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP,
			  .nlmsg_seq = ++l->sequence },
		.body = { .filter_mask = IFLA_STATS_FILTER_BIT(IFLA_STATS_LINK_64) },
	};

	return send(l->fd, &question, sizeof(question), 0) < 0 ? -errno : 0;
}

int links_read(struct links *l)
{
	int err = open_socket(l);

	links_forget(l);
	if (err == 0) {
		err = ask(l);
	}
	if (err < 0) {
		return err;
	}
	if (!l->buffer) {
		l->buffer = g_malloc(DATAGRAM);
	}
	do {
		ssize_t n = recv(l->fd, l->buffer, DATAGRAM, 0);

		err = n < 0 ? (errno == EINTR ? 1 : -errno) : links_take(l, l->buffer, (size_t)n);
	} while (err == 1);
	if (err < 0) {
		links_forget(l);
		close(l->fd); /* what is still under way must not be taken for the next answer */
		l->fd = -1;
	}
	return err;
}
