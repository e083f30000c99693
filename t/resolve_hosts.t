#!/usr/bin/perl

# Any number of reloads may each bring other hosts, though the zone has room for
# some hundred names.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;

use Katalo::Test qw(:all);
use Katalo::Test::Preload;

# every name is found
my $found = Katalo::Test::Preload->new(<<'EOC');
#define _GNU_SOURCE
#include <dlfcn.h>
#include <netdb.h>

int
getaddrinfo(const char *name, const char *service,
    const struct addrinfo *hints, struct addrinfo **result)
{
    int (*next)(const char *, const char *, const struct addrinfo *,
                struct addrinfo **) = dlsym(RTLD_NEXT, "getaddrinfo");

    return next(name ? "127.0.0.1" : name, service, hints, result);
}
EOC

my $key = new_key('prod1');


sub http {
    my ($n) = @_;

    return <<'EOC' . join('', map { <<"EOL" } 1 .. 160) . '}';
    katalo_key production file:%KEY:production% host=*;
    resolver 127.0.0.1:%PORT2%;
    server {
        listen 127.0.0.1:%PORT%;
        katalo_bearer production;
        location = /status { katalo_bearer off; katalo_status json; }
        katalo_upstream_tls off;
EOC
        location /$_/ { proxy_pass http://host-$n-$_.katalo.ai; }
EOL
}


my $gateway = Katalo::Test->new(keys => { production => $key },
                                env => $found->env, http => http(0))->start;

for my $n (1 .. 5) {
    ok($gateway->reload(http => http($n), gone => 1),
       "reload $n brings other hosts");

    my @hosts = @{ $gateway->status->{upstreams} };
    is(scalar(grep { $_->{host} =~ /^host-$n-/ } @hosts), 160,
       'they are in the status');
}

unlike($gateway->error_log, qr/\[(?:crit|alert|emerg)\]/, 'nothing went wrong');

done_testing();
