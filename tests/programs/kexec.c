// SPDX-License-Identifier: GPL-2.0-only
/*
 * kexec KERNEL INITRD: start a kernel from this one, with the same command line.
 * kexec-tools could do that, but Debian's package makes every reboot a kexec.
 */
#include <err.h>
#include <fcntl.h>
#include <linux/reboot.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static int open_file(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		err(1, "%s", path);
	return fd;
}

int main(int argc, char **argv)
{
	char line[4096];
	ssize_t len;

	if (argc != 3)
		errx(1, "usage: kexec KERNEL INITRD");

	len = read(open_file("/proc/cmdline"), line, sizeof(line) - 1);
	if (len < 0)
		err(1, "/proc/cmdline");
	line[len] = '\0';
	line[strcspn(line, "\n")] = '\0';

	if (syscall(SYS_kexec_file_load, open_file(argv[1]), open_file(argv[2]),
		    strlen(line) + 1, line, 0))
		err(1, "kexec_file_load(%s, %s)", argv[1], argv[2]);
	sync();
	syscall(SYS_reboot, LINUX_REBOOT_MAGIC1, LINUX_REBOOT_MAGIC2,
		LINUX_REBOOT_CMD_KEXEC, NULL);
	err(1, "reboot()");
}
