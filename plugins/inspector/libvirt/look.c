/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the thread that looks at files.  A file system may never answer (a dead NFS server): then the thread is
 * left behind with its round, the file it hangs on is not looked at again, and another thread goes on; with
 * LEFT_MAX of them left behind, none is begun any more.  The thread takes no memory of its own.
 */
#include "plugins/inspector/libvirt/usage.h"

#include "base/clock.h"
#include "base/thread.h"
#include "base/wait.h"

#include <errno.h>
#include <glib.h>
#include <string.h>
#include <sys/stat.h>

enum { LEFT_MAX = 2 };

struct round {
	atomic_uint refs; /* of the looker and the thread */
	size_t count;
	char **path;
	uint64_t *version; /* of the disks */
	struct usage_file *file;
	atomic_size_t done; /* files looked at; grows while it runs */
};

struct looker_shared {
	atomic_uint refs; /* of the looker and its threads */
	struct wait wait; /* guards all below */
	struct round *work; /* to be done, or being done; NULL: nothing */
	uint64_t generation; /* of the thread that may take work */
	unsigned left;
	bool quit;
	usage_look_fn look; /* never changes */
};

struct usage_looker {
	struct looker_shared *shared;
	struct round *round; /* the last one */
	pthread_t thread;
	bool running; /* there is a thread */
	size_t seen; /* of the round, when it was last looked at */
	int64_t seen_ns;
	int64_t hang_ns; /* a round without progress for so long is left behind */
};

struct thread_arg {
	struct looker_shared *shared;
	uint64_t generation;
};

static void round_unref(struct round *r)
{
	if (r && atomic_fetch_sub(&r->refs, 1) == 1) {
		for (size_t i = 0; i < r->count; i++) {
			g_free(r->path[i]);
		}
		g_free(r->path);
		g_free(r->version);
		g_free(r->file);
		g_free(r);
	}
}

static void shared_unref(struct looker_shared *s)
{
	if (atomic_fetch_sub(&s->refs, 1) == 1) {
		wait_fini(&s->wait);
		g_free(s);
	}
}

static void look_at(const char *path, struct usage_file *ret)
{
	struct stat st;

	ret->err = stat(path, &st) == 0 ? 0 : errno;
	if (!ret->err) {
		ret->regular = S_ISREG(st.st_mode);
		ret->dev = st.st_dev;
		ret->ino = st.st_ino;
		ret->size = (uint64_t)st.st_size;
		ret->blocks = (uint64_t)st.st_blocks * 512;
	}
}

/* All have the time of its beginning. */
static void do_round(struct round *r, usage_look_fn look)
{
	int64_t time_ns = clock_real(), mono_ns = clock_monotonic();

	for (size_t i = 0; i < r->count; i++) {
		r->file[i] = (struct usage_file){ .time_ns = time_ns, .mono_ns = mono_ns };
		look(r->path[i], &r->file[i]);
		atomic_store(&r->done, i + 1);
	}
}

static void *looker_main(void *data)
{
	struct thread_arg arg = *(struct thread_arg *)data;
	struct looker_shared *s = arg.shared;

	g_free(data);
	wait_lock(&s->wait);
	while (!s->quit && s->generation == arg.generation) {
		struct round *r = s->work;

		if (!r) {
			wait_until(&s->wait, WAIT_FOREVER);
			continue;
		}
		wait_unlock(&s->wait);
		thread_block_begin();
		do_round(r, s->look);
		thread_block_end();
		wait_lock(&s->wait);
		if (s->generation == arg.generation) {
			s->work = NULL;
			wait_wake(&s->wait);
		} else {
			s->left--;
		}
		round_unref(r);
	}
	wait_unlock(&s->wait);
	shared_unref(s);
	return NULL;
}

struct usage_looker *usage_looker_new(usage_look_fn fn, int64_t hang_ns)
{
	struct usage_looker *l = g_new0(struct usage_looker, 1);

	l->shared = g_new0(struct looker_shared, 1);
	atomic_init(&l->shared->refs, 1);
	wait_init(&l->shared->wait);
	l->shared->look = fn ? fn : look_at;
	l->hang_ns = hang_ns;
	return l;
}

static bool is_busy(struct usage_looker *l)
{
	bool busy;

	wait_lock(&l->shared->wait);
	busy = l->shared->work != NULL;
	wait_unlock(&l->shared->wait);
	return busy;
}

void usage_looker_free(struct usage_looker *l)
{
	struct looker_shared *s;

	if (!l) {
		return;
	}
	s = l->shared;
	wait_lock(&s->wait);
	s->quit = true;
	wait_wake(&s->wait);
	wait_unlock(&s->wait);
	if (l->running && is_busy(l)) {
		pthread_detach(l->thread);
	} else if (l->running) {
		thread_join(l->thread);
	}
	round_unref(l->round);
	shared_unref(s);
	g_free(l);
}

static bool start_thread(struct usage_looker *l)
{
	struct thread_arg *arg;

	if (l->running) {
		return true;
	}
	arg = g_new(struct thread_arg, 1);
	*arg = (struct thread_arg){ .shared = l->shared, .generation = l->shared->generation };
	atomic_fetch_add(&l->shared->refs, 1);
	if (thread_start(&l->thread, "stat", looker_main, arg) < 0) {
		g_free(arg);
		shared_unref(l->shared);
		return false;
	}
	l->running = true;
	return true;
}

static struct round *round_new(const struct usage_path *paths, size_t count)
{
	struct round *r = g_new0(struct round, 1);

	atomic_init(&r->refs, 1);
	r->path = g_new0(char *, count + 1);
	r->file = g_new0(struct usage_file, count + 1);
	r->version = g_new0(uint64_t, count + 1);
	r->count = count;
	for (size_t i = 0; i < count; i++) {
		r->version[i] = paths[i].disk->version;
		r->path[i] = g_strdup(paths[i].path);
	}
	return r;
}

/* The thread hangs: it keeps its round, and the file is remembered in its disk by usage_looked(). */
static void leave_thread(struct usage_looker *l)
{
	wait_lock(&l->shared->wait);
	if (l->shared->work) {
		l->shared->work = NULL;
		l->shared->generation++;
		l->shared->left++;
		pthread_detach(l->thread);
		l->running = false;
		round_unref(l->round);
		l->round = NULL;
	}
	wait_unlock(&l->shared->wait);
}

static bool is_about(const struct round *r, const struct usage_path *paths, size_t count)
{
	if (!r || r->count != count) {
		return false;
	}
	for (size_t i = 0; i < count; i++) {
		if (r->version[i] != paths[i].disk->version ||
		    strcmp(r->path[i], paths[i].path) != 0) {
			return false;
		}
	}
	return true;
}

void usage_look(struct usage_looker *l, const struct usage_path *paths, size_t count)
{
	unsigned left;

	wait_lock(&l->shared->wait);
	left = l->shared->left;
	wait_unlock(&l->shared->wait);
	if (is_busy(l) || left >= LEFT_MAX || count == 0 || !start_thread(l)) {
		return;
	}
	if (!is_about(l->round, paths, count)) {
		round_unref(l->round);
		l->round = round_new(paths, count);
	}
	atomic_store(&l->round->done, 0);
	l->seen = 0;
	l->seen_ns = clock_monotonic();
	wait_lock(&l->shared->wait);
	atomic_fetch_add(&l->round->refs, 1);
	l->shared->work = l->round;
	wait_wake(&l->shared->wait);
	wait_unlock(&l->shared->wait);
}

/* The i-th path's disk, if the round is about it. */
static struct usage_disk *disk_of(const struct round *r, const struct usage_path *paths,
				  size_t count, size_t i)
{
	return i < count && paths[i].disk->version == r->version[i] ? paths[i].disk : NULL;
}

bool usage_looked(struct usage_looker *l, const struct usage_path *paths, size_t count,
		  int64_t deadline_ns)
{
	struct round *r = l->round;
	struct usage_disk *disk;
	size_t done;

	wait_lock(&l->shared->wait);
	while (l->shared->work && wait_until(&l->shared->wait, deadline_ns) == 0) {
	}
	wait_unlock(&l->shared->wait);
	if (!r) {
		return true;
	}
	done = atomic_load(&r->done);
	for (size_t i = 0; i < done; i++) {
		disk = disk_of(r, paths, count, i);
		if (disk) {
			disk->file = r->file[i];
		}
	}
	if (done >= r->count) {
		return true;
	}
	if (done != l->seen) {
		l->seen = done;
		l->seen_ns = clock_monotonic();
	} else if (clock_monotonic() - l->seen_ns > l->hang_ns) {
		disk = disk_of(r, paths, count, done);
		if (disk) {
			disk->hung = true;
		}
		leave_thread(l);
	}
	return false;
}
