#!/usr/bin/perl

# Without "resolver", the name servers of /etc/resolv.conf are asked.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;

use Katalo::Test qw(:all);
use Katalo::Test::NameServer;
use Katalo::Test::Preload;
use Katalo::Upstream;

# another file, port 53 of an address is the one of the test's name server, and
# no host has an IPv6 address
my $library = Katalo::Test::Preload->new(<<'EOC');
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dlfcn.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

static const char  *resolv_conf;
static int          dns_port;

/* nginx empties the environment later */

__attribute__((constructor)) static void
init(void)
{
    resolv_conf = strdup(getenv("RESOLV_CONF"));
    dns_port = htons(atoi(getenv("DNS_PORT")));
}

typedef FILE *(*fopen_pt)(const char *, const char *);
typedef int (*connect_pt)(int, const struct sockaddr *, socklen_t);
typedef int (*getaddrinfo_pt)(const char *, const char *,
    const struct addrinfo *, struct addrinfo **);

int
getaddrinfo(const char *host, const char *service,
    const struct addrinfo *hints, struct addrinfo **res)
{
    struct addrinfo  ipv4;

    ipv4 = *hints;
    ipv4.ai_family = AF_INET;

    return ((getaddrinfo_pt) dlsym(RTLD_NEXT, "getaddrinfo"))(host, service,
                                                              &ipv4, res);
}

FILE *
fopen(const char *path, const char *mode)
{
    if (strcmp(path, "/etc/resolv.conf") == 0) {
        path = resolv_conf;
    }

    return ((fopen_pt) dlsym(RTLD_NEXT, "fopen"))(path, mode);
}

FILE *
fopen64(const char *path, const char *mode)
{
    return fopen(path, mode);
}

int
connect(int fd, const struct sockaddr *sa, socklen_t len)
{
    struct sockaddr_in  sin;

    if (sa->sa_family == AF_INET) {
        memcpy(&sin, sa, sizeof(sin));

        if (sin.sin_port == htons(53)
            && sin.sin_addr.s_addr == inet_addr("127.0.0.1"))
        {
            sin.sin_port = dns_port;
            sa = (struct sockaddr *) &sin;
        }
    }

    return ((connect_pt) dlsym(RTLD_NEXT, "connect"))(fd, sa, len);
}
EOC

my $key = new_key('prod1');
my $names = Katalo::Test::NameServer->new(localhost => ['127.0.0.2']);
my $up = Katalo::Test->new(http => <<'EOC')->start;
    server {
        listen 127.0.0.1:%TLS_PORT% ssl;
        listen 127.0.0.2:%TLS_PORT% ssl;
        ssl_certificate %CERT%;
        ssl_certificate_key %CERT_KEY%;
        return 200 $server_addr;
    }
EOC


# the gateway, and the address that requests get to
sub with {
    my ($resolv_conf) = @_;
    my $gateway = Katalo::Test->new(
        keys => { production => $key }, vars => { UP => $up->tls_port },
        env => { %{ $library->env }, DNS_PORT => $names->port,
                 RESOLV_CONF => $library->dir . '/resolv.conf' },
        http => <<'EOC');
        katalo_key production file:%KEY:production% host=localhost;
        proxy_ssl_trusted_certificate %CA%;
        server {
            listen 127.0.0.1:%PORT%;
            location /katalo/ {
                katalo_bearer production;
                proxy_pass https://localhost:%UP%/;
            }
            location = /status { katalo_status json; }
        }
EOC
    my $path = $library->dir . '/resolv.conf';

    unlink $path;

    if (defined $resolv_conf) {
        open my $file, '>', $path or die "$path: $!\n";
        print $file $resolv_conf;
        close $file or die "$path: $!\n";
    }

    return $gateway->start;
}


sub address { return $_[0]->request('GET', '/katalo/')->body }


for (["nameserver 127.0.0.1\n", 'a line'],
     ['nameserver 127.0.0.1', 'a line without an end'],
     ["# nameserver 127.0.0.9\r\nsearch test\r\nnameserver\t 127.0.0.1 \r\n",
      'a comment, other keywords, tabs and CRLF'],
     ["nameserver none\nnameservers 127.0.0.9\nnameserver\nnameserver \n"
      . "nameserver fe80::1%eth0\nnameserver 127.0.0.1\n",
      'what is no address is skipped'],
     ["nameserver ::1\nnameserver 127.0.0.1\n", 'IPv6'])
{
    my ($text, $name) = @$_;
    my $gateway = with($text);

    ok(wait_until(sub { address($gateway) eq '127.0.0.2' }), $name);
    is(@{ $gateway->status->{upstreams} }, 1, "$name: the host is followed");
    is($gateway->quit, 0, "$name: nginx ends");
}

is($names->questions('AAAA'), 0, 'IPv6 addresses are not asked for');

for ([undef, 'no file'], ['', 'an empty file'],
     ["search test\n", 'no name server'])
{
    my ($text, $name) = @$_;
    my $gateway = with($text);

    is(address($gateway), '127.0.0.1', "$name: the address of the start");
    is_deeply($gateway->status->{upstreams}, [], "$name: nothing is followed");
    is($gateway->quit, 0, "$name: nginx ends");
}

done_testing();
