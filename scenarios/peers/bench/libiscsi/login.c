/* Logs in to a target and out again, one session after the other, for a number of seconds, and prints how many times a second.
   cc -O2 login.c -liscsi; ./a.out URL SECONDS */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <iscsi/iscsi.h>

static double now(void) {
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

static int once(const char *text) {
	struct iscsi_context *iscsi = iscsi_create_context("iqn.2026-11.io.github.iscsispec:libiscsi");
	struct iscsi_url *url = iscsi ? iscsi_parse_full_url(iscsi, text) : NULL;
	int failed = !url || iscsi_set_targetname(iscsi, url->target) || iscsi_set_session_type(iscsi, ISCSI_SESSION_NORMAL) ||
		iscsi_connect_sync(iscsi, url->portal) || iscsi_login_sync(iscsi) || iscsi_logout_sync(iscsi);

	if (failed)
		fprintf(stderr, "%s\n", iscsi ? iscsi_get_error(iscsi) : "out of memory");
	if (url)
		iscsi_destroy_url(url);
	if (iscsi)
		iscsi_destroy_context(iscsi);
	return failed;
}

int main(int argc, char **argv) {
	double start = now(), limit = argc == 3 ? atof(argv[2]) : 0, passed = 0;
	long count = 0;

	if (limit <= 0) {
		fprintf(stderr, "usage: login URL SECONDS\n");
		return 2;
	}
	for (; passed < limit; passed = now() - start, count++)
		if (once(argv[1]))
			return 1;
	printf("%.1f\n", count / passed);
	return 0;
}
