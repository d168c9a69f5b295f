// Preloaded into a server that can only listen on every address: what it binds is loopback.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

typedef int bind_function(int, const struct sockaddr *, socklen_t);

static bind_function *next_bind(void)
{
	static bind_function *found;

	if (!found)
		found = (bind_function *)dlsym(RTLD_NEXT, "bind");
	return found;
}

int bind(int fd, const struct sockaddr *address, socklen_t size)
{
	struct sockaddr_in in4;
	struct sockaddr_in6 in6;

	if (address->sa_family == AF_INET && size >= sizeof(in4)) {
		memcpy(&in4, address, sizeof(in4));
		in4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		return next_bind()(fd, (struct sockaddr *)&in4, sizeof(in4));
	}
	if (address->sa_family == AF_INET6 && size >= sizeof(in6)) {
		// As IPv4, so that http://127.0.0.1 reaches it.
		memcpy(&in6, address, sizeof(in6));
		memset(&in6.sin6_addr, 0, sizeof(in6.sin6_addr));
		in6.sin6_addr.s6_addr[10] = 0xff;
		in6.sin6_addr.s6_addr[11] = 0xff;
		in6.sin6_addr.s6_addr[12] = 127;
		in6.sin6_addr.s6_addr[15] = 1;
		return next_bind()(fd, (struct sockaddr *)&in6, sizeof(in6));
	}
	return next_bind()(fd, address, size);
}
