/* SPDX-License-Identifier: Apache-2.0 */
/* Owns the mapped file of counters.  Main thread, but for counting; blocks on the disk when it is opened. */
#include "spool/ledger_file.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOG_NAME "queue"
#include "base/hash.h"
#include "base/log.h"
#include "spool/ledger_file.h"

#define MAGIC UINT64_C(0x72656764656c6d76) /* "vmledger", in the byte order of the machine */
enum { NAME_SIZE = 240, DIGEST_TEXT = 18 /* "#" and 16 digits, and a zero */ };

/* Beside each other without gaps: a sector each. */
struct slot {
	uint64_t check; /* of the name; 0: free */
	uint64_t run; /* in which it was last asked for */
	char name[NAME_SIZE];
	atomic_uint_fast64_t counter[LEDGER_COUNTERS];
};

struct header {
	uint64_t magic;
	uint32_t version, slots;
	uint64_t run; /* of the process that opened it last */
	char unused[sizeof(struct slot) - 24];
};

struct image {
	struct header header;
	struct slot slot[LEDGER_SLOTS];
};

static_assert(sizeof(struct slot) == 512 && sizeof(struct header) == 512, "a sector each");
static_assert(sizeof(atomic_uint_fast64_t) == 8 && ATOMIC_LLONG_LOCK_FREE == 2,
	      "counters in memory that processes have in common");

struct ledger_file {
	struct image *image;
};

static uint64_t check_of(const char *name)
{
	return hash64(name, strlen(name), LEDGER_VERSION) | 1;
}

static bool is_sound(const struct slot *s)
{
	return memchr(s->name, '\0', NAME_SIZE) && s->check == check_of(s->name);
}

static bool is_ours(const struct image *image, off_t size)
{
	return size == (off_t)sizeof(*image) && image->header.magic == MAGIC &&
	       image->header.version == LEDGER_VERSION && image->header.slots == LEDGER_SLOTS;
}

static void free_slot(struct slot *s)
{
	memset(s, 0, sizeof(*s));
}

/* Takes what is there, as far as it is ours and whole. */
static void take(struct image *image, off_t size, const char *dir)
{
	unsigned damaged = 0;

	if (!is_ours(image, size)) {
		if (size > 0) {
			log_warn("queue %s: ledgers is damaged or of another version; what "
				 "receivers and pipelines count begins anew",
				 dir);
		}
		memset(image, 0, sizeof(*image));
		image->header = (struct header){ .magic = MAGIC,
						 .version = LEDGER_VERSION,
						 .slots = LEDGER_SLOTS };
	}
	image->header.run++;
	for (unsigned i = 0; i < LEDGER_SLOTS; i++) {
		struct slot *s = &image->slot[i];

		if (s->check != 0 && !is_sound(s)) {
			free_slot(s);
			damaged++;
		}
	}
	if (damaged > 0) {
		log_warn("queue %s: ledgers: %u of its slots are damaged; what was counted in "
			 "them begins anew",
			 dir, damaged);
	}
}

/* Its blocks are given in advance: there is nobody to tell a failure to who counts. */
static int map(int fd, struct image **ret_image)
{
	int ret = -posix_fallocate(fd, 0, sizeof(struct image));
	void *p;

	if (ret == 0 && ftruncate(fd, sizeof(struct image)) < 0) {
		ret = -errno;
	}
	if (ret < 0) {
		return ret;
	}
	p = mmap(NULL, sizeof(struct image), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED) {
		return -errno;
	}
	*ret_image = p;
	return 0;
}

int ledger_file_open(const char *dir, struct ledger_file **ret_file, struct vmt_error *error)
{
	char *name = g_build_filename(dir, "ledgers", NULL);
	int fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600), ret;
	struct image *image = NULL;
	struct stat st = { .st_size = 0 };

	g_free(name);
	ret = fd < 0 || fstat(fd, &st) < 0 ? -errno : map(fd, &image);
	if (fd >= 0) {
		close(fd);
	}
	if (!image) {
		return vmt_error_set(error, ret, "queue %s: ledgers: %s", dir, g_strerror(-ret));
	}
	take(image, st.st_size, dir);
	*ret_file = g_new(struct ledger_file, 1);
	(*ret_file)->image = image;
	return 0;
}

/* A name that is too long is told from others by its digest. */
static void fit_name(const char *name, char ret_name[NAME_SIZE])
{
	size_t len = strlen(name);

	memset(ret_name, 0, NAME_SIZE);
	g_strlcpy(ret_name, name, NAME_SIZE);
	if (len >= NAME_SIZE) {
		g_snprintf(ret_name + NAME_SIZE - DIGEST_TEXT, DIGEST_TEXT, "#%016" PRIx64,
			   hash64(name, len, 0));
	}
}

/* The name's slot, else a free one, else the one that was asked for longest ago; not those of this process and the one
 * before it. */
static struct slot *find(struct image *image, const char *name)
{
	uint64_t check = check_of(name);
	struct slot *best = NULL;

	for (unsigned i = 0; i < LEDGER_SLOTS; i++) {
		struct slot *s = &image->slot[i];

		if (s->check == check && strcmp(s->name, name) == 0) {
			return s;
		}
		if ((s->check == 0 || s->run + 1 < image->header.run) &&
		    (!best || s->run < best->run)) {
			best = s; /* a free one has run 0 */
		}
	}
	return best;
}

atomic_uint_fast64_t *ledger_file_slot(struct ledger_file *file, const char *name, bool *ret_left)
{
	uint64_t run = file->image->header.run;
	char fitting[NAME_SIZE];
	struct slot *s;

	fit_name(name, fitting);
	s = find(file->image, fitting);
	if (!s) {
		return NULL;
	}
	if (s->check != check_of(fitting)) {
		free_slot(s);
		memcpy(s->name, fitting, NAME_SIZE);
		s->run = run;
		atomic_thread_fence(memory_order_release);
		s->check = check_of(fitting); /* last: without it the slot is free */
	}
	*ret_left = s->run != run;
	s->run = run;
	return s->counter;
}

void ledger_file_close(struct ledger_file *file)
{
	if (file) {
		munmap(file->image, sizeof(*file->image));
		g_free(file);
	}
}
