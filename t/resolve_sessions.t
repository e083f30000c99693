#!/usr/bin/perl

# nginx keeps a TLS session with each address.  Those of addresses that are
# gone are freed.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;

use Katalo::Test qw(:all);
use Katalo::Test::NameServer;
use Katalo::Test::Preload;

my $key = new_key('prod1');
my $names = Katalo::Test::NameServer->new(localhost => ['127.0.0.2']);

# of calls of nginx and the module: the library calls itself, too
my $count = Katalo::Test::Preload->new(<<'EOC');
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>

static void
show(void *caller, void *function, int change)
{
    Dl_info     from, library;
    static int  held;

    if (dladdr(caller, &from) && dladdr(function, &library)
        && from.dli_fbase != library.dli_fbase)
    {
        held += change;
        fprintf(stderr, "sessions held: %d\n", held);
    }
}

void *
SSL_get1_session(void *ssl)
{
    void *(*next)(void *) = dlsym(RTLD_NEXT, "SSL_get1_session");

    show(__builtin_return_address(0), next, 1);
    return next(ssl);
}

int
SSL_SESSION_up_ref(void *session)
{
    int (*next)(void *) = dlsym(RTLD_NEXT, "SSL_SESSION_up_ref");

    show(__builtin_return_address(0), next, 1);
    return next(session);
}

void
SSL_SESSION_free(void *session)
{
    void (*next)(void *) = dlsym(RTLD_NEXT, "SSL_SESSION_free");

    show(__builtin_return_address(0), next, -1);
    next(session);
}
EOC

my $addresses = Katalo::Test->new(http => <<'EOC')->start;
    server {
        listen 127.0.0.1:%TLS_PORT% ssl;
        listen 127.0.0.2:%TLS_PORT% ssl;
        listen 127.0.0.3:%TLS_PORT% ssl;
        ssl_certificate %CERT%;
        ssl_certificate_key %CERT_KEY%;
        location / { return 200 $server_addr; }
    }
EOC

my $gateway = Katalo::Test->new(
    keys => { production => $key }, env => $count->env,
    vars => { UP => $addresses->tls_port, DNS => $names->port },
    http => <<'EOC')->start;
    katalo_key production file:%KEY:production% host=localhost;
    katalo_upstream_tls off;
    resolver 127.0.0.1:%DNS%;
    server {
        listen 127.0.0.1:%PORT%;
        location / {
            katalo_bearer production;
            proxy_pass https://localhost:%UP%;
        }
    }
EOC


sub held {
    my @held = $gateway->error_log =~ /^sessions held: (\d+)$/mg;

    return $held[-1] // 0;
}


sub moves_to {
    my ($address) = @_;

    $names->set(localhost => [$address]);

    return ok(wait_until(sub {
        $gateway->request('GET', '/')->body eq $address;
    }), "the address is $address");
}


moves_to('127.0.0.2');
cmp_ok(held(), '>', 0, 'there is a session');
my $held = held();

for (1 .. 2) {
    moves_to('127.0.0.3');
    moves_to('127.0.0.2');
}

cmp_ok(held(), '<=', $held, 'and no more after other addresses');

done_testing();
