#!/usr/bin/perl

# A handshake over a socket of the same machine may be done in the very event
# that creates the request: where a variable names the certificate, "host=" is
# compared before the request is sent then, too.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;

use Katalo::Test qw(:all);
use Katalo::Test::Preload;

my $key = new_key('prod1');

# what is read from a socket of the upstream has come by then
my $library = Katalo::Test::Preload->new(<<'EOC');
#define _GNU_SOURCE
#include <dlfcn.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

ssize_t
read(int fd, void *buf, size_t n)
{
    socklen_t           len;
    struct pollfd       pfd;
    struct sockaddr_un  sun;

    static ssize_t    (*next)(int, void *, size_t);

    if (next == NULL) {
        next = (ssize_t (*)(int, void *, size_t)) dlsym(RTLD_NEXT, "read");
    }

    len = sizeof(sun);

    pfd.fd = fd;
    pfd.events = POLLIN;

    if (getpeername(fd, (struct sockaddr *) &sun, &len) == 0
        && sun.sun_family == AF_UNIX
        && len > sizeof(sa_family_t))
    {
        poll(&pfd, 1, 1000);
    }

    return next(fd, buf, n);
}
EOC

my $up = Katalo::Test->new(http => <<'EOC')->start;
    map $http_authorization $with { default key; "" none; }
    log_format asked '$uri $with';
    access_log %PREFIX%/logs/access.log asked;
    server { listen 127.0.0.1:%PORT%; access_log off; }
    server {
        listen unix:%PREFIX%/up ssl;
        ssl_certificate %CERT%;
        ssl_certificate_key %CERT_KEY%;
        return 200;
    }
EOC
my $gateway = Katalo::Test->new(
    keys => { production => $key }, vars => { UP => $up->prefix . '/up' },
    env => $library->env, http => <<'EOC')->start;
    katalo_key production file:%KEY:production% host=app.katalo.ai;
    proxy_ssl_trusted_certificate %CA%;
    upstream app.katalo.ai { server unix:%UP%; }
    server {
        listen 127.0.0.1:%PORT%;
        katalo_bearer production;
        proxy_ssl_name $arg_name;
        proxy_http_version 1.1;

        location /block/ { proxy_pass https://app.katalo.ai; }
        location /chunks/ { proxy_pass https://app.katalo.ai;
                            proxy_request_buffering off; }
        location /literal/ { proxy_pass https://unix:%UP%; }
        location /variable/ { proxy_pass https://unix:$arg_to; }
    }
EOC

my $to = $up->prefix . '/up:/variable/';


# The body ends when the answer is there, or later.
sub ask {
    my ($location, $name) = @_;
    my $client = $gateway->connection;

    $client->write("POST /$location/x?to=$to&name=$name HTTP/1.1\r\n"
                   . "Host: x\r\nTransfer-Encoding: chunked\r\n\r\n"
                   . "1\r\na\r\n");
    $client->write("0\r\n\r\n") if $location ne 'chunks';

    return $client->read_response('POST')->status;
}

my $n = 0;

for (['block', 500], ['chunks', 502], ['literal', 500], ['variable', 500]) {
    my ($location, $status) = @$_;

    is(ask($location, 'app.katalo.ai'), 200, "$location: a name of the key");
    is(ask($location, 'localhost'), $status, "$location: another name");

    ok(wait_until(sub { (() = $up->access_log =~ / key$/gm) == $n + 1 }),
       "$location: the first one has the key");
    is((() = $up->access_log =~ /\n/g), ++$n,
       "$location: the other is not sent");
}

unlike($gateway->error_log, qr/\[alert\]|exited on signal/,
       'nothing went wrong');
lacks_secrets($gateway->error_log, 'the error log shows no key');

done_testing();
